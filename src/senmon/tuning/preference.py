"""Preference tuning: replies that people rejected, beside what they wanted instead.

Direct preference optimisation (Rafailov et al. 2023) by TRL's DPOTrainer, from the adapter as it was tuned so
far: a frozen copy of it is the reference. The better reply's own likelihood has a weight beside it, since
with few pairs both replies could become improbable together. Only pairs that the adapter still has in the
wrong order are learnt: pushing the others farther apart teaches nothing and unlearns what looks alike
(docs/improve.md has the figures).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from senmon.errors import ConfigError
from senmon.messages import Message
from senmon.packs.manifest import Preference
from senmon.rendering import IGNORED, Renderer
from senmon.tuning.batches import collate
from senmon.tuning.rows import Row
from senmon.tuning.shared_prefix import SharedPrefixLoss

if TYPE_CHECKING:
    from senmon.dataset.example import Example

#: Pairs of an optimiser step.
PAIRS_OF_A_STEP = 8
#: What TRL copies the adapter to, as the reference.
REFERENCE = "ref"

#: Step, steps, loss.
OnStep = Callable[[int, int, float | None], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and two replies to it, as tokens; a reply ends with the token that ends a turn."""

    id: str
    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Preferred:
    """What came of it: shares of the pairs whose better reply the model held for likelier (by the sum of its
    tokens' log-probabilities), before and after. `learnt` pairs were in the wrong order before; `left_out`
    pairs could not be given to TRL."""

    pairs: int
    learnt: int
    before: float
    after: float
    left_out: int


def pairs_of(
    renderer: Renderer, prefix: Message, examples: Sequence[Example], *, max_tokens: int
) -> tuple[Pair, ...]:
    """A pair for each rejected reply. Those longer than `max_tokens` are left out."""
    found = []
    for example in examples:
        if not example.rejected:
            continue
        *before, wanted = example.messages
        prompt = tuple(renderer.prompt((prefix, *before)))
        for reply in example.rejected:
            pair = Pair(
                example.id, prompt, _reply(renderer, wanted), _reply(renderer, Message("assistant", reply))
            )
            if len(prompt) + max(len(pair.chosen), len(pair.rejected)) <= max_tokens:
                found.append(pair)
    return tuple(found)


def _reply(renderer: Renderer, message: Message) -> tuple[int, ...]:
    turn = renderer.turn(message)
    return tuple(turn.ids[turn.learn])


def prefer(
    loss: SharedPrefixLoss,
    pairs: Sequence[Pair],
    tokenizer: Any,
    wish: Preference,
    *,
    seed: int,
    device: torch.device,
    on_step: OnStep,
) -> Preferred:
    """Tune the model's LoRA layers further on `pairs`, in place. The same inputs give the same weights on a
    CPU. Raises ConfigError when TRL is missing."""
    require_trl()
    rows, left_out = _rows(pairs, tokenizer)
    kept = [(pair, row) for pair, row in zip(pairs, rows, strict=True) if row is not None]
    right = [_in_order(loss, pair, device) for pair, _ in kept]
    wrong = [row for (_, row), good in zip(kept, right, strict=True) if not good]
    before = after = _share(right)
    if wrong:
        with tempfile.TemporaryDirectory(prefix="senmon-preference-") as folder, _quiet():
            _run(loss.model, wrong, tokenizer, wish, seed, device, Path(folder), on_step)
        after = _share([_in_order(loss, pair, device) for pair, _ in kept])
    return Preferred(len(kept), len(wrong), before, after, left_out)


def require_trl() -> None:
    """Raises ConfigError when TRL is missing."""
    try:
        import trl  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "recipe.preference needs TRL, which is not installed",
            remedy="pip install 'senmon[preference]', or set recipe.preference.epochs to 0",
        ) from error


def _run(
    model: Any,
    rows: list[dict[str, str]],
    tokenizer: Any,
    wish: Preference,
    seed: int,
    device: torch.device,
    folder: Path,
    on_step: OnStep,
) -> None:
    from datasets import Dataset as Rows
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(
        output_dir=str(folder),
        beta=wish.beta,
        loss_type=["sigmoid", "sft"] if wish.imitation else ["sigmoid"],
        loss_weights=[1.0, wish.imitation] if wish.imitation else [1.0],
        learning_rate=wish.learning_rate,
        num_train_epochs=wish.epochs,
        per_device_train_batch_size=PAIRS_OF_A_STEP,
        max_length=None,
        lr_scheduler_type="linear",
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=False,
        seed=seed,
        report_to=[],
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        disable_tqdm=True,
    )
    learnt = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    try:
        trainer = DPOTrainer(
            model=model,
            args=config,
            train_dataset=Rows.from_list(rows),
            processing_class=tokenizer,
            callbacks=[_callback(on_step)],
        )
        trainer.remove_callback(PrinterCallback)  # stdout is for who reads it
        trainer.train()
    finally:
        if REFERENCE in model.peft_config:
            model.delete_adapter(REFERENCE)
        model.set_adapter("default")
        model.eval()
    after = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert after == learnt, "DPOTrainer has changed what is learnt"


def _callback(on_step: OnStep) -> Any:
    from transformers import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                on_step(int(state.global_step), int(state.max_steps), float(logs["loss"]))

    return Steps()


def _rows(pairs: Sequence[Pair], tokenizer: Any) -> tuple[list[dict[str, str] | None], int]:
    """Texts that TRL's own tokenization turns into the pairs' tokens again, None for a pair that has none:
    somebody may have written what reads like a control token.

    TRL ends each reply with `eos_token`: the tokenizer's is set to the token that ends a turn.
    """
    ends = {pair.chosen[-1] for pair in pairs}
    if len(ends) == 1:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends.pop())
    rows = [_texts(pair, tokenizer) for pair in pairs]
    return rows, sum(row is None for row in rows)


def _texts(pair: Pair, tokenizer: Any) -> dict[str, str] | None:
    def text(ids: tuple[int, ...]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    chosen, rejected = text(pair.chosen), text(pair.rejected)
    bos = tokenizer.bos_token
    # A tokenizer that writes its first token by itself would have it twice.
    for prompt in (text(pair.prompt), text(pair.prompt).removeprefix(bos or "")):
        wanted = [(prompt, pair.prompt), (prompt + chosen, pair.prompt + pair.chosen)]
        wanted.append((prompt + rejected, pair.prompt + pair.rejected))
        if all(tuple(tokenizer(said)["input_ids"]) == ids for said, ids in wanted):
            return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    return None


@torch.no_grad()
def _in_order(loss: SharedPrefixLoss, pair: Pair, device: torch.device) -> bool:
    """Whether the better reply is the likelier one."""
    better, worse = (_surprise(loss, pair.prompt, reply, device) for reply in (pair.chosen, pair.rejected))
    return bool(better < worse)


def _share(found: Sequence[bool]) -> float:
    """0 for none."""
    return sum(found) / len(found) if found else 0.0


def _surprise(
    loss: SharedPrefixLoss, prompt: tuple[int, ...], reply: tuple[int, ...], device: torch.device
) -> Tensor:
    labels = (*[IGNORED] * len(prompt), *reply)
    row = Row("", "", (*prompt, *reply), labels, 0, len(reply), 0)
    return loss(collate([row], 0).to(device)).sum()  # type: ignore[no-any-return]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and hints of the libraries: progress is told by `on_step`."""
    import datasets
    from transformers.utils import logging as transformers_logging

    bars = datasets.utils.logging.is_progress_bar_enabled()
    level = transformers_logging.get_verbosity()
    trl = logging.getLogger("trl")
    before = trl.level
    datasets.disable_progress_bars()
    transformers_logging.set_verbosity_error()
    trl.setLevel(logging.ERROR)
    try:
        yield
    finally:
        if bars:
            datasets.enable_progress_bars()
        transformers_logging.set_verbosity(level)
        trl.setLevel(before)
