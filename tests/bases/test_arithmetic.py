"""Which arithmetic pays is measured, not guessed."""

from __future__ import annotations

import pytest
import torch

from senmon.bases import arithmetic


def test_bf16_pays_when_it_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for slow, pays in ((1.0, False), (1.4, False), (1.6, True)):
        arithmetic.bf16_pays.cache_clear()
        seconds = {torch.float32: slow, torch.bfloat16: 1.0}
        monkeypatch.setattr(arithmetic, "_seconds", seconds.__getitem__)
        assert arithmetic.bf16_pays() is pays
    arithmetic.bf16_pays.cache_clear()


def test_both_are_really_timed() -> None:
    arithmetic.bf16_pays.cache_clear()
    assert arithmetic._seconds(torch.float32) > 0 and arithmetic._seconds(torch.bfloat16) > 0
