"""The lean forward pass against the library's, for bases of several shapes and for adapters side by side."""

from typing import Any

import pytest
import torch
from torch import Tensor

from senmon.bases.catalog import BaseFiles, load_model, resolve
from senmon.engines.local_bare import bare_model
from senmon.engines.local_cache import KVShape, SlotCache
from senmon.engines.local_lean import LeanForward, fits
from senmon.engines.local_lora import LoadedAdapter
from senmon.engines.local_sites import SiteBank

SMALL: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 128,
}  # fmt: skip


def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    rope = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32}  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**SMALL, rope_parameters=rope, attention_bias=True, mlp_bias=True))


def qwen2() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(Qwen2Config(**SMALL, tie_word_embeddings=True))


def qwen3() -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(**SMALL, head_dim=10))


def mistral() -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM(MistralConfig(**SMALL, sliding_window=None))


def slots_of(model: Any, slots: int = 4) -> SlotCache:
    config = model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    shape = KVShape(config.num_hidden_layers, 2, size, torch.float32, torch.device("cpu"), True)
    return SlotCache(shape, slots=slots, context=128)


def spread(model: Any) -> Any:
    """Norms and biases that matter: fresh ones are ones and zeros."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


@pytest.mark.parametrize("make", [llama, qwen2, qwen3, mistral])
@torch.inference_mode()
def test_logits_are_those_of_the_library(make: Any) -> None:
    model = spread(make())
    texts = [torch.randint(0, 97, (size,), generator=torch.Generator().manual_seed(size)) for size in (9, 30)]
    expected = [model(input_ids=text[None]).logits[0] for text in texts]
    assert fits(model)
    lean = LeanForward(model, slots_of(model))
    for slot, text in enumerate(texts):
        ids = text.tolist()
        assert lean.extend(slot, ids[:4], 0, logits=False).shape == (0, 97)
        found = lean.extend(slot, ids[4:-1], 4, logits=True)
        torch.testing.assert_close(found[0], expected[slot][-2], atol=1e-4, rtol=1e-4)
    step = lean.decode([int(text[-1]) for text in texts], [len(text) - 1 for text in texts])
    torch.testing.assert_close(step, torch.stack([one[-1] for one in expected]), atol=1e-4, rtol=1e-4)
    # The model itself goes on working: it looks into the same weights.
    torch.testing.assert_close(model(input_ids=texts[0][None]).logits[0], expected[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("make", [llama, qwen3])
@torch.inference_mode()
def test_weights_that_came_in_16_bits_lose_nothing(make: Any) -> None:
    model = spread(make())
    for parameter in model.parameters():
        parameter.copy_(parameter.bfloat16())
    texts = [torch.randint(0, 97, (size,), generator=torch.Generator().manual_seed(size)) for size in (9, 90)]
    expected = [model(input_ids=text[None]).logits[0] for text in texts]
    lean = LeanForward(model, slots_of(model))
    if torch.backends.quantized.engine in ("x86", "fbgemm"):
        assert all(site.compact for site in lean.sites)
        assert not any(site.compact for site in LeanForward(spread(make()), slots_of(model)).sites)
    for slot, text in enumerate(texts):
        found = lean.extend(slot, text.tolist()[:-1], 0, logits=True)
        torch.testing.assert_close(found[0], expected[slot][-2], atol=1e-4, rtol=1e-4)
    step = lean.decode([int(text[-1]) for text in texts], [len(text) - 1 for text in texts])
    torch.testing.assert_close(step, torch.stack([one[-1] for one in expected]), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_embedded_base_without_the_library_is_the_library_s() -> None:
    files = resolve()
    bare = bare_model(files, "cpu")
    assert bare is not None and fits(bare)
    model = load_model(files)
    ids = torch.randint(9, 8000, (700,), generator=torch.Generator().manual_seed(1))
    expected = model(input_ids=ids[None]).logits[0]
    ours = {name: parameter for name, parameter in bare.named_parameters() if name != "lm_head.weight"}
    theirs = dict(model.named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    config = model.config
    shape = KVShape(
        config.num_hidden_layers, config.num_key_value_heads, config.head_dim, torch.float32,
        torch.device("cpu"), True,
    )  # fmt: skip
    lean = LeanForward(bare, SlotCache(shape, slots=1, context=1024))
    found = lean.extend(0, ids.tolist()[:-1], 0, logits=True)
    torch.testing.assert_close(found[0], expected[-2], atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(lean.decode([int(ids[-1])], [699])[0], expected[-1], atol=2e-3, rtol=1e-4)
    other = BaseFiles("somewhere", None, files.path, files.digest)
    assert bare_model(other, "cpu") is None
    assert bare_model(files, "cuda") is None


@torch.inference_mode()
def test_an_adapter_asked_again_and_again_gets_weights_of_its_own() -> None:
    model = spread(qwen3())
    for parameter in model.parameters():
        parameter.copy_(parameter.bfloat16())
    lean = LeanForward(model, slots_of(model))
    bank = SiteBank(lean.sites, dtype=torch.float32, device=torch.device("cpu"))
    one = adapter(bank, "a", 2, ("q_proj", "v_proj", "down_proj", "lm_head"), 1)
    ids = torch.randint(0, 97, (100,), generator=torch.Generator().manual_seed(1)).tolist()
    found = []
    for _ in range(22):
        bank.activate((one,), len(ids))
        found.append((lean.extend(0, ids, 0, logits=True), lean.sites[0].merged is not None))
    assert [merged for _, merged in found] == [False] * 20 + [True] * 2
    torch.testing.assert_close(found[-1][0], found[0][0], atol=1e-4, rtol=1e-4)
    bank.activate((None,), len(ids))
    plain = lean.extend(0, ids, 0, logits=True)
    assert (plain - found[0][0]).abs().max() > 0.01
    bank.activate((one,))
    few = lean.extend(0, ids, 0, logits=True)
    assert all(site.merged is None for site in lean.sites)
    torch.testing.assert_close(few, found[0][0], atol=1e-4, rtol=1e-4)


def test_other_shapes_are_left_to_the_library() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

    assert not fits(Gemma2ForCausalLM(Gemma2Config(**SMALL, head_dim=8)))
    moving = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    assert not fits(Qwen3ForCausalLM(Qwen3Config(**SMALL, head_dim=8, rope_parameters=moving)))
    assert not fits(qwen3().to(torch.bfloat16))


def adapter(bank: SiteBank, name: str, rank: int, parts: tuple[str, ...], seed: int) -> LoadedAdapter:
    numbers = torch.Generator().manual_seed(seed)
    weights = {
        module: (
            torch.randn(rank, width, generator=numbers) * 0.2,
            torch.randn(rank, height, generator=numbers) * 0.2,
        )
        for module, (width, height) in bank.shapes.items()
        if module.rsplit(".", 1)[-1] in parts
    }
    return LoadedAdapter(name, bank.fuse(weights), 0)


@torch.inference_mode()
def test_rows_get_their_own_adapter_whatever_came_before() -> None:
    """Ranks, targets and the set of adapters change; places in the stack are taken over."""
    model = spread(qwen3())
    lean = LeanForward(model, slots_of(model))
    bank = SiteBank(lean.sites, dtype=torch.float32, device=torch.device("cpu"))
    a = adapter(bank, "a", 2, ("q_proj", "v_proj"), 1)
    b = adapter(bank, "b", 5, ("k_proj", "o_proj", "up_proj", "down_proj"), 2)
    c = adapter(bank, "c", 3, ("gate_proj", "lm_head"), 3)
    tokens = [5, 6, 7, 8]

    def together(rows: list[LoadedAdapter | None]) -> Tensor:
        for slot, row in enumerate(rows):
            bank.activate((row,))
            lean.extend(slot, [1, 2, 3, slot], 0, logits=False)
        bank.activate(rows)
        return lean.decode(tokens[: len(rows)], [4] * len(rows))

    def alone(slot: int, row: LoadedAdapter | None) -> Tensor:
        bank.activate((row,))
        lean.extend(0, [1, 2, 3, slot], 0, logits=False)
        return lean.decode(tokens[slot : slot + 1], [4])[0]

    mixes: list[list[LoadedAdapter | None]] = [
        [a, b, a, None],
        [c, None, b, c],
        [b, a],
        [a, a, a, a],
        [None, c, a, b],
    ]
    for rows in mixes:
        expected = torch.stack([alone(slot, row) for slot, row in enumerate(rows)])
        torch.testing.assert_close(together(rows), expected, atol=1e-4, rtol=1e-4)
    assert (alone(0, a) - alone(0, None)).abs().max() > 0.01
    bank.forget()
    torch.testing.assert_close(
        together([a, b]), torch.stack([alone(0, a), alone(1, b)]), atol=1e-4, rtol=1e-4
    )
