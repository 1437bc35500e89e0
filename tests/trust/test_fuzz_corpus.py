"""Readers of what others wrote, given broken inputs: only errors of ours come out, and soon.

`corpus.json` holds inputs that each reached new code when some readers were fuzzed by coverage, in base64;
`senmon bench trust --part input` fuzzes all of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mutants import mutants
from senmon.bench.trust_fuzz import SEEDS, readers
from senmon.engines.openai_wire import Answer
from senmon.engines.tokens_wire import Words
from senmon.errors import EngineError, SenmonError

CORPUS = json.loads(Path(__file__).with_name("corpus.json").read_text(encoding="ascii"))
#: What crashed readers of the kind in other projects.
NASTY = (
    b"",
    b"\xef\xbb\xbf",
    b"\xff\xfe\x00",
    b"[" * 3000,
    b"{" * 3000,
    b"a: &a [*a, *a]\n",
    b"&a [&b [*a], *b]",
    b"? " * 500,
    b'{"usage":{"prompt_tokens":1e999}}',
    b'{"choices":[{"token_ids":[1e999]}]}',
    b"9" * 4000,
    b"(" * 2000 + b"1",
    b"2^2^2^2^2^9",
    b'"' * 1001,
    b"!!python/object/apply:os.system [echo]",
    "\u202e\u0000\ud7ff".encode(),
)


def inputs(name: str) -> Iterator[bytes]:
    yield SEEDS[name]
    yield from NASTY
    yield from map(base64.b64decode, CORPUS.get(name, ()))
    yield from mutants(SEEDS[name], 40)


@pytest.mark.parametrize("name", SEEDS)
def test_no_input_breaks_a_reader(name: str, tmp_path: Path) -> None:
    read = readers(tmp_path)[name]
    for data in inputs(name):
        with suppress(SenmonError):
            read(data)


@pytest.mark.parametrize(
    "chunk", ['{"usage":{"prompt_tokens":1e999}}', '{"choices":[{"token_ids":[1e999]}]}']
)
def test_a_number_without_end_is_nonsense_of_the_model_server(chunk: str) -> None:
    for answer in (Answer(), Words()):
        with suppress(EngineError):
            answer.add(json.loads(chunk))
    with pytest.raises(EngineError, match="sent a chunk"):
        (Words() if "token_ids" in chunk else Answer()).add(json.loads(chunk))
