"""One reader, fed by atheris with whatever reaches new code.

`python -m senmon.bench.trust_fuzz NAME SECONDS FOLDER` ends with 0 when nothing but the project's own errors
came of it. In a process of its own: atheris changes what is imported, and ends the process.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SEEDS: dict[str, bytes] = {
    "csv": b'q,a\n"where, is it","here"\nwhen,now\n',
    "jsonl": b'{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}\n',
    "pack": b"name: shop\ntitle: Shop\ndescription: A shop.\nlicence: MIT\nchecks: [{name: grounded}]\n",
    "rasa": b'version: "3.1"\nnlu:\n- intent: greet\n  examples: |\n    - hi\n    - hello [Tom](name)\n',
    "reply": b'{"choices":[{"delta":{"content":"hi","tool_calls":[{"index":0,"id":"c","function":{"name":"f",'
    b'"arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}\n',
    "maths": rb"\frac{1}{2}x^2 + 3(x-1) = sqrt(4)",
}
#: What is watched for new paths.
INSIDE = [
    f"senmon.{name}" for name in ("dataset", "packs", "checks", "engines.openai_wire", "engines.tokens_wire")
]
#: Of an input, a reply's longest release unit several times over.
LONGEST = 4096


def readers(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """Each takes bytes and writes nothing but into `folder`."""
    from senmon.checks.maths_grammar import parse_alternatives
    from senmon.dataset.importing import Writing, import_chat, import_csv
    from senmon.dataset.imports.chat_rows import openai_row
    from senmon.dataset.rasa.importing import import_rasa
    from senmon.packs.loader import load_pack

    def put(name: str, data: bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def rasa(data: bytes) -> None:
        put("bot/domain.yml", b"intents: [greet]\nresponses:\n  utter_greet: [{text: hello}]\n")
        put("bot/data/nlu.yml", data)
        shutil.rmtree(folder / "travel", ignore_errors=True)
        import_rasa(folder / "bot", folder / "travel")

    def pack(data: bytes) -> None:
        put("shop/system.md", b"You help.\n")
        load_pack(put("shop/pack.yaml", data).parent)

    new = folder / "new"
    return {
        "csv": lambda data: import_csv(put("in.csv", data), new, user="q", assistant="a", dry_run=True),
        "jsonl": lambda data: import_chat(put("in.jsonl", data), new, openai_row, Writing(dry_run=True)),
        "pack": pack,
        "rasa": rasa,
        "reply": _reply,
        "maths": lambda data: parse_alternatives(data.decode("utf-8", "replace")),
    }


def _reply(data: bytes) -> None:
    """Lines as a model server streams them, each a chunk of a chat and of a completion."""
    from senmon.engines.openai_wire import Answer, CallFaultError
    from senmon.engines.tokens_wire import Words
    from senmon.errors import EngineError

    chat, completion = Answer(), Words()
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            chunk = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for answer in (chat, completion) if isinstance(chunk, dict) else ():
            with suppress(EngineError):
                answer.add(chunk)
    chat.rest()
    with suppress(CallFaultError):
        chat.call(())


def main(name: str, seconds: int, folder: Path) -> None:
    import atheris  # type: ignore[import-untyped, unused-ignore]

    with atheris.instrument_imports(include=INSIDE):
        read = readers(folder / "files")[name]
    from senmon.errors import SenmonError

    def one(data: bytes) -> None:
        try:
            read(data)
        except SenmonError:
            return

    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    (corpus / "seed").write_bytes(SEEDS[name])
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=3000"]
    atheris.Setup(
        [
            sys.argv[0],
            *options,
            "-seed=1",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
            str(corpus),
        ],
        one,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
