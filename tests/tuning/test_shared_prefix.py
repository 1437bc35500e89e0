"""Shared-prefix batches against the plain padded computation, and training against serving."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.messages import Message, ToolCall
from senmon.packs.manifest import RecipeSpec
from senmon.rendering import Renderer
from senmon.tuning import lora
from senmon.tuning.batches import collate
from senmon.tuning.rows import Row, make_row
from senmon.tuning.shared_prefix import SharedPrefixLoss, can_share

SYSTEM = Message("system", "You are the assistant of a shop. Be brief and kind, and name no price.")
CALL = ToolCall("c", "get_order", {"id": "A1001"})
TALKS = [
    [Message("user", "hi"), Message("assistant", "Hello! How can I help?")],
    [
        Message("user", "where is A1001"),
        Message("assistant", "", tool_calls=(CALL,)),
        Message("tool", '{"order": {"eta": "Friday"}}', tool_call_id="c", name="get_order"),
        Message("assistant", "It comes on [[order.eta]]."),
        Message("user", "thanks a lot, and do you open on Sunday?"),
        Message("assistant", "No, Monday to Saturday."),
    ],
    [
        Message("tool", "# Hours\nWe open at 9.", name="context"),
        Message("user", "when?"),
        Message("assistant", "At 9."),
    ],
    [Message("assistant", "Good day.")],
]  # fmt: skip


@pytest.fixture(scope="module")
def renderer(tiny_base: BaseFiles) -> Renderer:
    return Renderer(load_tokenizer(tiny_base))


@pytest.fixture
def tuned(tiny_base: BaseFiles) -> Any:
    """The tiny base with LoRA factors that matter (B isn't zero)."""
    model = lora.attach(load_model(tiny_base), RecipeSpec(), tiny_base)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in lora.parameters(model).values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def rows(renderer: Renderer, *, share: bool) -> list[Row]:
    return [
        make_row(str(i), "x", renderer.example([SYSTEM, *talk]), share=share) for i, talk in enumerate(TALKS)
    ]


def plain(model: Any, renderer: Renderer) -> torch.Tensor:
    """Padded with a mask, full logits, transformers' own shift: nothing of ours."""
    rendered = [renderer.example([SYSTEM, *talk]) for talk in TALKS]
    width = max(len(r.ids) for r in rendered)
    ids = torch.full((len(rendered), width), renderer.pad_id)
    labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
    for i, r in enumerate(rendered):
        n = len(r.ids)
        ids[i, :n], labels[i, :n], mask[i, :n] = torch.tensor(r.ids), torch.tensor(r.labels), 1
    logits = model(input_ids=ids, attention_mask=mask).logits
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
    )


def gradients(model: Any) -> torch.Tensor:
    found = [parameter.grad for parameter in lora.parameters(model).values()]
    return torch.cat([gradient.flatten() for gradient in found if gradient is not None])


@pytest.mark.parametrize("at_once", [1 << 24, 8192 * 5])
def test_loss_and_gradients_equal_the_padded_computation(
    tuned: Any, renderer: Renderer, at_once: int
) -> None:
    expected = plain(tuned, renderer)
    expected.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    wanted = gradients(tuned)
    tuned.zero_grad()
    losses = SharedPrefixLoss(tuned, logits_at_once=at_once)(
        collate(rows(renderer, share=True), renderer.pad_id)
    )
    losses.sum().backward()
    assert len(losses) == sum(row.supervised for row in rows(renderer, share=True))
    assert abs(losses.sum() - expected) / len(losses) < 1e-5
    assert torch.linalg.norm(gradients(tuned) - wanted) / torch.linalg.norm(wanted) < 1e-5


def test_without_sharing_it_is_the_padded_computation(tuned: Any, renderer: Renderer) -> None:
    batch = collate(rows(renderer, share=False), renderer.pad_id)
    assert len(batch.prefix) == 0
    losses = SharedPrefixLoss(tuned)(batch)
    assert abs(losses.sum() - plain(tuned, renderer)) / len(losses) < 1e-5


def test_the_cut_leaves_each_row_the_state_that_predicts_its_first_label(renderer: Renderer) -> None:
    for row, talk in zip(rows(renderer, share=True), TALKS, strict=True):
        first = next(i for i, label in enumerate(row.labels) if label != -100)
        assert row.cut <= first - 1
        assert row.cut == len(renderer.turn(SYSTEM).ids)
        assert row.supervised == sum(turn.learn.stop - turn.learn.start for turn in map(renderer.turn, talk))


def test_a_lost_target_is_noticed(renderer: Renderer) -> None:
    import dataclasses

    row = rows(renderer, share=True)[0]
    first = next(i for i, label in enumerate(row.labels) if label != -100)
    greedy = dataclasses.replace(row, cut=first)
    with pytest.raises(ValueError, match="supervised label"):
        collate([greedy], renderer.pad_id)


def test_rows_of_another_prefix_are_refused(renderer: Renderer) -> None:
    other = make_row("o", "x", renderer.example([Message("system", "Else."), *TALKS[0]]), share=True)
    with pytest.raises(ValueError, match="share"):
        collate([rows(renderer, share=True)[0], other], renderer.pad_id)


def test_logits_of_training_and_of_serving_are_the_same(tuned: Any, renderer: Renderer) -> None:
    """Serving: prompt, then one token at a time over a cache. Training: one shared-prefix batch."""
    talk = TALKS[1]
    losses = SharedPrefixLoss(tuned)(collate(rows(renderer, share=True), renderer.pad_id)).detach()
    owner = collate(rows(renderer, share=True), renderer.pad_id).row
    served = []
    with torch.no_grad():
        for size, message in enumerate(talk):
            if message.role != "assistant":
                continue
            turn = renderer.turn(message)
            prompt = renderer.prompt([SYSTEM, *talk[:size]])
            out = tuned(input_ids=torch.tensor([prompt]), use_cache=True)
            for id in turn.ids[turn.learn]:
                served.append(functional.cross_entropy(out.logits[0, -1:], torch.tensor([id])))
                out = tuned(
                    input_ids=torch.tensor([[id]]), past_key_values=out.past_key_values, use_cache=True
                )
    torch.testing.assert_close(losses[owner == 1], torch.stack(served), atol=2e-5, rtol=2e-5)


def test_models_that_cannot_share(tiny_base: BaseFiles) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    assert can_share(SharedPrefixLoss(load_model(tiny_base)))
    small: dict[str, Any] = {
        "vocab_size": 512, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    assert can_share(SharedPrefixLoss(MistralForCausalLM(MistralConfig(**small, sliding_window=None)).eval()))
    assert not can_share(
        SharedPrefixLoss(MistralForCausalLM(MistralConfig(**small, sliding_window=8)).eval())
    )
    checkpointed = load_model(tiny_base)
    checkpointed.gradient_checkpointing_enable()
    assert not can_share(SharedPrefixLoss(checkpointed))


def test_a_head_that_caps_its_logits_is_respected() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=512, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, final_logit_softcapping=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Gemma2ForCausalLM(config).eval()
    from senmon.rendering import Rendered

    ids = tuple(range(10, 30))
    row = make_row("a", "x", Rendered(ids, (-100,) * 10 + ids[10:], 5), share=False)
    losses = SharedPrefixLoss(model)(collate([row], 0))
    logits = model(input_ids=torch.tensor([ids])).logits[0, 9:-1]
    torch.testing.assert_close(
        losses, functional.cross_entropy(logits, torch.tensor(ids[10:]), reduction="none")
    )
