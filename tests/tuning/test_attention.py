"""The attention of tuning on a CPU: what torch's computes, forward and backward, behind a prefix too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from senmon.tuning import attention
from senmon.tuning.attention import attend, attention_of


def theirs(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    length, known, groups = query.shape[2], key.shape[2], query.shape[1] // key.shape[1]
    seen = torch.ones(length, known, dtype=torch.bool).tril(known - length)
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2)


def drawn(known: int, length: int, heads: int = 4, groups: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(known + length)
    query = torch.randn(3, heads, length, 8, requires_grad=True)
    key = torch.randn(3, heads // groups, known, 8, requires_grad=True)
    return query, key, torch.randn_like(key, requires_grad=True)


@pytest.mark.parametrize("bound", [attention.MOST_KEPT, 0])
@pytest.mark.parametrize(("known", "length", "groups"), [(7, 7, 1), (12, 5, 1), (12, 5, 2), (9, 1, 4)])
def test_output_and_gradients_are_those_of_torch(
    known: int, length: int, groups: int, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "MOST_KEPT", bound)
    given = drawn(known, length, groups=groups)
    ours, _ = attend(nn.Module(), *given, None)
    wanted = theirs(*given)
    assert torch.allclose(ours, wanted, atol=1e-6)
    back = torch.randn_like(wanted)
    for one, other in zip(
        torch.autograd.grad(ours, given, back), torch.autograd.grad(wanted, given, back), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-5)


def test_in_bf16_it_is_as_near_as_bf16_is() -> None:
    given = drawn(40, 30)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, _ = attend(nn.Module(), *given, None)
    assert ours.dtype == torch.bfloat16
    assert torch.allclose(ours.float(), theirs(*given), atol=0.05)


def test_a_model_has_its_own_attention_back_even_after_an_error() -> None:
    class Config:
        _attn_implementation = "sdpa"

        def get_text_config(self) -> Any:
            return self

    class Causal:
        config = Config()

    with pytest.raises(RuntimeError, match="stop"), attention_of(Causal(), ours=True):
        assert Causal.config._attn_implementation == attention.NAME
        raise RuntimeError("stop")
    assert Causal.config._attn_implementation == "sdpa"
