"""Bytes to text, stop strings across borders, drawing from a distribution."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from senmon.bases.catalog import BaseFiles, load_tokenizer
from senmon.engines.local_grammar import CallGrammars
from senmon.engines.local_sampling import draw
from senmon.engines.local_text import TextStream, Vocabulary
from senmon.engines.protocol import Sampling
from senmon.engines.stops import StopWatch
from senmon.rendering import Renderer


@given(st.text(max_size=30), st.lists(st.integers(1, 3), max_size=60))
def test_any_split_of_the_bytes_gives_the_text(text: str, sizes: list[int]) -> None:
    data, stream, found = text.encode("utf-8"), TextStream(()), ""
    for size in [*sizes, len(data)]:
        found += stream.feed(data[:size]).text
        data = data[size:]
    assert found + stream.flush() == text


def test_split_characters_wait_and_broken_bytes_are_dropped() -> None:
    stream = TextStream(())
    pieces = [stream.feed(bytes([byte])).text for byte in "é😀".encode()]
    assert pieces == ["", "é", "", "", "", "😀"]
    assert TextStream(()).feed(b"a\xff\xc3b").text == "ab"


@given(st.text("ab", max_size=40), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_stop_string_never_leaks_however_the_text_comes(text: str, stops: list[str]) -> None:
    watch, out, found = StopWatch(stops), "", None
    for character in text:
        piece = watch.feed(character)
        out += piece.text
        assert not any(stop in out for stop in stops)
        if piece.found is not None:
            found = piece.found
            break
    if found is None:
        assert out + watch.flush() == text
    else:
        assert text.startswith(out + found)


def test_pieces_are_the_tokenizers_own_text(tiny_base: BaseFiles) -> None:
    tokenizer = load_tokenizer(tiny_base)
    renderer = Renderer(tokenizer)
    grammars = CallGrammars(tokenizer, 8200)
    vocabulary = Vocabulary.build(tokenizer, renderer, grammars.pieces(8200), torch.device("cpu"))
    text = "Zoë ordered 3 × 🥕,\n\tplease — naïve façade 日本"
    assert b"".join(vocabulary.pieces[id] for id in renderer.encode(text)).decode() == text
    banned = set(vocabulary.forbidden.nonzero().squeeze(1).tolist())
    assert renderer.forbidden_ids | {renderer.tool_start, renderer.tool_end} <= banned
    assert set(range(8192, 8200)) <= banned
    assert not banned & (renderer.stop_ids | set(renderer.encode(text)))


LOGITS = torch.log(torch.tensor([0.4, 0.05, 0.3, 0.25]))


@pytest.mark.parametrize(
    ("sampling", "possible"),
    [
        (Sampling(temperature=1.0), {0, 1, 2, 3}),
        (Sampling(temperature=1.0, top_k=2), {0, 2}),
        (Sampling(temperature=1.0, top_p=0.65), {0, 2}),
        (Sampling(temperature=1.0, top_p=0.95), {0, 2, 3}),
        (Sampling(temperature=0.01), {0}),
        (Sampling(temperature=1.0, top_k=3, top_p=0.4), {0}),
    ],
)
def test_only_the_nucleus_is_drawn(sampling: Sampling, possible: set[int]) -> None:
    assert {draw(LOGITS, sampling, step / 200) for step in range(200)} == possible


def test_draws_follow_the_distribution() -> None:
    drawn = [draw(LOGITS, Sampling(temperature=1.0), (step + 0.5) / 1000) for step in range(1000)]
    assert [drawn.count(token) for token in range(4)] == pytest.approx([400, 50, 300, 250], abs=1)


def test_a_wide_nucleus_is_not_cut_to_its_head() -> None:
    flat = torch.zeros(1000)
    drawn = {draw(flat, Sampling(temperature=1.0, top_p=0.9), step / 2000) for step in range(2000)}
    assert len(drawn) == pytest.approx(900, abs=2)


def test_masked_tokens_are_never_drawn() -> None:
    logits = torch.full((8,), -torch.inf)
    logits[5] = 0.0
    assert {draw(logits, Sampling(temperature=2.0), u / 50) for u in range(50)} == {5}
