"""What a start shows."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from senmon.cli import starting as module
from senmon.cli.starting import starting


@pytest.mark.parametrize("terminal", [True, False])
def test_a_start_says_what_it_reads(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=shown, force_terminal=terminal, width=120))
    encoder = SimpleNamespace(watch=None)
    with starting(cast(Any, SimpleNamespace(encoder=encoder)), quiet=False) as ready:
        assert (encoder.watch is not None) == terminal
        if encoder.watch:
            encoder.watch(10, 40)
            encoder.watch(40, 40)
        ready()
        assert encoder.watch is None
    assert ("Fitting the router" in shown.getvalue()) == terminal
    assert "Loading the base model" in shown.getvalue() or terminal


def test_machines_get_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with starting(cast(Any, SimpleNamespace(encoder=None)), quiet=True) as ready:
        ready()
    assert capsys.readouterr().out == ""
