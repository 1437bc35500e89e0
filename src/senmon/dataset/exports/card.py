"""The card of a dataset folder: what it holds, under which licences, and how to load it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from senmon.dataset.example import Example, Split
from senmon.packs.manifest import PackManifest

#: A pack's splits under the names that the hub knows.
HUB_SPLITS: Mapping[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
#: SPDX expressions that are licences of the hub in lower case.
_HUB_LICENCES = frozenset(
    {
        *(
            "apache-2.0",
            "mit",
            "bsd-2-clause",
            "bsd-3-clause",
            "unlicense",
            "cc0-1.0",
            "cc-by-3.0",
            "cc-by-4.0",
        ),
        *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odbl", "odc-by"),
        *("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0"),
    }
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_COLUMNS = (
    ("id", "text", "name of the conversation within its pack"),
    ("intent", "text", "label of the first request"),
    ("split", "text", "`train`, `valid` or `test`"),
    ("source", "text", "file and line in the pack"),
    ("licence", "text", "SPDX expression"),
    ("origin", "text", "where it was imported from or how it was made"),
    ("tags", "list of text", "remarks"),
    ("messages", "list", "`role`, `content`, `tool_calls` (JSON text), `tool_call_id`, `name`"),
)
_LOADING = """```python
from datasets import load_dataset

dataset = load_dataset("PATH OF THIS FOLDER")
```
"""
_READING = """## Reading the conversations

There is no system message. A tool message named `context` shows what was looked up for a turn. `[[name]]` in
a reply is a reference to a value shown before it, which the server fills in.
"""
_TOOLS = ("tools", "text", "JSON of the tools that may be called, as OpenAI writes them")


def card(
    manifest: PackManifest, parts: Mapping[Split, Sequence[Example]], files: Mapping[Split, str], tools: bool
) -> str:
    """README.md with the front matter by which `datasets` finds the files."""
    examples = [example for part in parts.values() for example in part]
    licences = Counter(example.licence or manifest.licence for example in examples)
    intents = Counter(example.intent for example in examples)
    columns = (*_COLUMNS, *((_TOOLS,) if tools else ()))
    sections = [
        _front(manifest, files, licences, len(examples)),
        f"# {manifest.title}\n\n{manifest.description}\n\nConversations of the senmon pack `{manifest.name}` "
        f"{manifest.version}.\n",
        _LOADING,
        "## Sizes\n\n" + _table(("split", "conversations", "messages"), _sizes(parts)),
        "## Licences\n\n" + _table(("licence", "conversations"), _counts(licences))
        + (f"\n{manifest.attribution}\n" if manifest.attribution else ""),
        "## Columns\n\n" + _table(("column", "type", "meaning"), columns),
        "## Intents\n\n" + _table(("intent", "conversations"), _counts(intents)),
        _READING,
    ]  # fmt: skip
    return "\n".join(sections)


def _front(
    manifest: PackManifest, files: Mapping[Split, str], licences: Mapping[str, int], count: int
) -> str:
    lines = ["---", f"pretty_name: {json.dumps(manifest.title, ensure_ascii=False)}"]
    lines += _licence(licences)
    lines += [f"language: {json.dumps(list(manifest.language))}", "task_categories: [text-generation]"]
    size = next((name for most, name in _SIZES if count < most), "n>1M")
    lines += [f"size_categories: [{json.dumps(size)}]", "configs:", "- config_name: default", "  data_files:"]
    for split, name in files.items():
        lines += [f"  - split: {HUB_SPLITS[split]}", f"    path: {name}"]
    return "\n".join([*lines, "---", ""])


def _licence(licences: Mapping[str, int]) -> list[str]:
    only = next(iter(licences)).lower() if len(licences) == 1 else ""
    if only in _HUB_LICENCES:
        return [f"license: {only}"]
    if only == "licenseref-unknown":
        return ["license: unknown"]
    return ["license: other", f"license_name: {json.dumps(' AND '.join(sorted(licences)))}"]


def _sizes(parts: Mapping[Split, Sequence[Example]]) -> list[tuple[str, str, str]]:
    return [
        (HUB_SPLITS[split], f"{len(part):,}", f"{sum(len(example.messages) for example in part):,}")
        for split, part in parts.items()
    ]


def _counts(counts: Counter[str]) -> list[tuple[str, str]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(f"`{name}`", f"{count:,}") for name, count in ordered[:200]]
    return [*rows, (f"{len(ordered) - 200} more", "")] if len(ordered) > 200 else rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
