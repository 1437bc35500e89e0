"""The README of a base: what it was made from, how, what it measures, what it can't do, how to repeat it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from senmon.errors import ConfigError
from senmon.pretraining.comparison import BaseReport
from senmon.pretraining.pretrain import Result
from senmon.pretraining.tables import markdown_table

MAX_CREDIT_BYTES = 2_000_000
#: Below this share of right answers the card says so in words.
CANT_BELOW = 0.9
FRONT = "---\npipeline_tag: text-generation\nlibrary_name: transformers\ntags: [chat]\n---"


def read_credit(path: Path | None) -> str:
    """The attribution text of the data. Raises ConfigError when it can't be read or is far too long."""
    if path is None:
        return ""
    try:
        if path.stat().st_size > MAX_CREDIT_BYTES:
            raise ConfigError(f"--credit {path}: over 2 MB", remedy="name a text file with the attribution")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--credit {path}: {error}", remedy="name a UTF-8 text file") from error


def card(
    result: Result, *, command: str, credit: str = "", title: str = "", probes: BaseReport | None = None
) -> str:
    """Markdown with the hub's front matter. `command` repeats the run."""
    parts = [
        FRONT,
        f"# {title or result.out.name}",
        _intro(result),
        "## What it is",
        _facts(result),
        "## Data",
        _data(result),
        _credits(credit),
        *(["## Held-out bits per byte", _bits(result)] if result.after else []),
        *(["## What it can and can't do", _probes(probes)] if probes else []),
        "## Again",
        f"Seed {result.plan.seed}; the digests above tell the files. One command:\n\n```sh\n{command}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _intro(result: Result) -> str:
    state = "" if result.finished else " **The run is not finished: these are its weights so far.**"
    return (
        f"A language model of {result.parameters / 1e6:.1f} M parameters, trained with `senmon base`.{state} "
        "Plain Hugging Face format: config, safetensors, tokenizer, chat template."
    )


def _facts(result: Result) -> str:
    config, plan, state = result.config, result.plan, result.state
    sizes = (
        f"{config.get('model_type')}, {config.get('num_hidden_layers')} layers, width "
        f"{config.get('hidden_size')}, {config.get('num_attention_heads')} heads "
        f"({config.get('num_key_value_heads')} for keys and values), {config.get('vocab_size')} entries, "
        f"{'tied' if config.get('tie_word_embeddings') else 'untied'} embeddings"
    )
    rows = [
        ("architecture", sizes),
        ("context", f"{config.get('max_position_embeddings')} tokens; trained on lines of {plan.context}"),
        ("trained on", f"{state.tokens:,} tokens in {state.step:,} steps"),
        ("time", f"{state.seconds / 60:.1f} minutes"),
        ("hardware", hardware(result.device)),
        ("arithmetic", f"{state.precision}{', compiled' if state.compiled else ''}; weights kept in bf16"),
        ("optimiser", _optimiser(result)),
        *([("weight of what replies answer", f"{plan.context_weight:g}")] if plan.context_weight < 1 else []),
        ("seed", str(plan.seed)),
        ("training loss", f"{_last_loss(result):.3f} nats per token, mean of the last 50 steps"),
    ]
    return markdown_table(("", ""), rows)


def _optimiser(result: Result) -> str:
    plan = result.plan
    rates = f"AdamW {plan.adam_rate:g}"
    if plan.method == "muon":
        rates = f"Muon {plan.muon_rate:g} for the layers' matrices, AdamW {plan.adam_rate:g} for the rest"
    return f"{rates}; schedule {plan.schedule}, clipped at {plan.clip:g}"


def _last_loss(result: Result) -> float:
    losses = [row[2] for row in result.state.train[-50:]]
    return sum(losses) / max(len(losses), 1)


def hardware(device: str) -> str:
    """The processor that did it, and how many threads."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def _data(result: Result) -> str:
    files = markdown_table(
        ("file", "sha256"), [(name, f"`{digest}`") for name, digest in sorted(result.files.items())]
    )
    rows = [
        (name, f"{count:,}", f"{result.epochs.get(name, 0.0):.2f}", _share(result, name))
        for name, count in sorted(result.documents.items())
    ]
    sources = markdown_table(("group/source", "documents", "times seen", "weight, then at the end"), rows)
    stopped = "".join(
        f"\n\nThe group {group} was drawn no more from step {step:,} on: its bits per byte kept rising."
        for group, step in sorted(result.state.stopped.items())
    )
    return f"{files}\n\n{sources}{stopped}"


def _share(result: Result, name: str) -> str:
    group, _, source = name.partition("/")
    for key in (name, source, group):
        if key in result.mix.start or key in result.mix.anneal:
            whole = "" if key == name else f" (of {key})"
            first, last = result.mix.start.get(key, 0.0), result.mix.anneal.get(key, 0.0)
            return f"{first:.3g} → {last:.3g}{whole}"
    return "0"


def _credits(credit: str) -> str:
    if not credit:
        return (
            "No licences or credits were stated for this data (`--credit FILE`). Find them out before you "
            "pass the model on."
        )
    return f"### Licences and credits\n\n{credit}"


def _bits(result: Result) -> str:
    """Lower is better. The difference is paired by document."""
    rows = []
    for group, after in result.after.items():
        before = result.before.get(group)
        mine = after.text()
        if before is None:
            rows.append((group, str(len(after.bits)), "–", mine, "–"))
            continue
        row = (group, str(len(after.bits)), f"{before.value:.3f}", mine, after.change_text(before))
        rows.append(row)
    head = ("group", "documents", f"before ({result.reference or 'none'})", "this base", "change")
    note = "Lower is better; 95 % bootstrap intervals over documents, the change paired by document."
    return f"{markdown_table(head, rows)}\n\n{note}"


def _probes(report: BaseReport) -> str:
    rows = [
        (one.title, f"{one.rate:.0%} ({one.low:.0%} to {one.high:.0%})", str(one.cases))
        for one in report.probes
    ]
    table = markdown_table(("probe (greedy, untuned)", "right, 95 % Wilson interval", "cases"), rows)
    cant = [f"{one.cant} ({one.rate:.0%} right)" for one in report.probes if one.rate < CANT_BELOW]
    words = f"It can't be trusted to {_listed(cant)}." if cant else "It passed every probe in 90 % or more."
    return f"{table}\n\n{words} It knows next to nothing of the world."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"
