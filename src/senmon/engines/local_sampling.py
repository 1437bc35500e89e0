"""The next token of a row, from its logits."""

from __future__ import annotations

import torch

from senmon.engines.protocol import Sampling

#: How far the sorted head of the distribution is looked at before everything is sorted.
_HEAD = 256


def draw(logits: torch.Tensor, sampling: Sampling, uniform: float) -> int:
    """One token from `logits` [vocabulary] by inverting the distribution at `uniform` ∈ [0, 1).

    Temperature, then top-k, then top-p (Holtzman et al. 2020, arXiv 1904.09751). The only randomness is
    the caller's number, so a seeded request repeats whatever else runs.
    """
    probabilities = torch.softmax(logits.double() / sampling.temperature, dim=-1)
    values, ids = _kept(probabilities, sampling)
    cumulative = values.cumsum(0)
    place = torch.searchsorted(cumulative, cumulative[-1] * uniform, right=True)
    return int(ids[min(int(place), len(ids) - 1)])


def _kept(probabilities: torch.Tensor, sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    size = len(probabilities)
    if 0 < sampling.top_k < size:
        values, ids = probabilities.topk(sampling.top_k)
    elif sampling.top_p < 1:
        values, ids = probabilities.topk(min(_HEAD, size))
        if float(values.sum()) < sampling.top_p:
            values, ids = probabilities.sort(descending=True)
    else:
        ids = probabilities.nonzero().squeeze(1)
        values = probabilities[ids]
    if sampling.top_p < 1:
        mass = values.sum() if 0 < sampling.top_k < size else 1.0
        keep = values.cumsum(0) - values < sampling.top_p * mass
        values, ids = values[keep], ids[keep]
    return values, ids
