"""Bases: where a base model's files are, what they are (digest), and how they are loaded.

A base is named by `embedded` (shipped with senmon), a folder in Hugging Face format, or a hub id with an
optional revision. Only safetensors weights are loaded, and never code from a model's repository.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senmon.errors import BaseCorrupt, BaseNotFound, ConfigError

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"
EMBEDDED_PATH = Path(__file__).parent / "embedded"
_DIGESTS = "digests.json"
_BLOCK = 1 << 20
_WHOLE_FILE_LIMIT = 256 * _BLOCK
_SAMPLED_BLOCKS = 64
_PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """A base on disk. `digest` (sha256, hex) covers weights, configuration, tokenizer and template."""

    spec: str
    revision: str | None
    path: Path
    digest: str

    @property
    def name(self) -> str:
        return self.spec if self.spec == EMBEDDED else self.spec.rstrip("/").rsplit("/", 1)[-1]


def resolve(spec: str = EMBEDDED, revision: str | None = None) -> BaseFiles:
    """Find a base's files; a hub id is downloaded (or taken from the hub cache).

    Raises BaseNotFound, or BaseCorrupt when the embedded base differs from its published digests.
    """
    if spec == EMBEDDED:
        _verify_embedded()
        return BaseFiles(spec, None, EMBEDDED_PATH, folder_digest(EMBEDDED_PATH))
    folder = Path(spec).expanduser()
    if folder.is_dir():
        _require_files(folder, spec)
        return BaseFiles(str(folder.resolve()), None, folder.resolve(), folder_digest(folder))
    return _from_hub(spec, revision)


def _from_hub(spec: str, revision: str | None) -> BaseFiles:
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(spec, revision=revision, allow_patterns=list(_PATTERNS)))
    except Exception as error:  # the hub client raises many kinds; each means: not here
        raise BaseNotFound(
            f"base {spec!r} is not a folder and can't be fetched from the model hub ({type(error).__name__})",
            remedy="check the name and the network, or set `base: embedded`",
        ) from error
    _require_files(path, spec)
    return BaseFiles(spec, revision or path.name, path, folder_digest(path))


def _require_files(folder: Path, spec: str) -> None:
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise BaseNotFound(
            f"base {spec!r} has no config.json or no safetensors weights",
            remedy="point to a folder in Hugging Face format; pickled weights are not loaded",
        )


def folder_digest(folder: Path) -> str:
    """sha256 over the model's files. Weights over 256 MiB count by size, header and 64 spread blocks."""
    stamp = tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in _model_files(folder))
    return _digest(folder, stamp)


@lru_cache(maxsize=16)
def _digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for name, _, _ in stamp:
        total.update(f"{name}\0{file_digest(folder / name)}\n".encode())
    return total.hexdigest()


def _model_files(folder: Path) -> list[Path]:
    files = {path for pattern in _PATTERNS for path in folder.glob(pattern)}
    return sorted(path for path in files if path.name != _DIGESTS)


def file_digest(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= _WHOLE_FILE_LIMIT:
            while block := file.read(_BLOCK):
                digest.update(block)
            return digest.hexdigest()
        digest.update(str(size).encode())
        for index in range(_SAMPLED_BLOCKS):
            file.seek(index * (size - _BLOCK) // (_SAMPLED_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def embedded_digests() -> dict[str, str]:
    return {path.name: file_digest(path) for path in _model_files(EMBEDDED_PATH)}


def write_embedded_digests() -> None:
    """Publish the digests of the embedded base; part of releasing a new one."""
    target = EMBEDDED_PATH / _DIGESTS
    draft = target.with_suffix(".tmp")
    draft.write_text(json.dumps(embedded_digests(), indent=1) + "\n", encoding="utf-8")
    draft.replace(target)


def _verify_embedded() -> None:
    try:
        published = json.loads((EMBEDDED_PATH / _DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseCorrupt("the embedded base has no readable digests", remedy="reinstall senmon") from error
    actual = embedded_digests()
    wrong = sorted(
        name for name in published.keys() | actual.keys() if published.get(name) != actual.get(name)
    )
    if wrong:
        raise BaseCorrupt(
            f"the embedded base differs from its published digests: {', '.join(wrong)}",
            remedy="reinstall senmon",
        )


def load_tokenizer(files: BaseFiles) -> Any:
    """The base's fast tokenizer (`transformers.PreTrainedTokenizerFast`)."""
    from transformers import AutoTokenizer

    with _loading(files, "tokenizer"):
        return AutoTokenizer.from_pretrained(files.path, local_files_only=True, trust_remote_code=False)


@contextmanager
def _loading(files: BaseFiles, part: str) -> Iterator[None]:
    """What the libraries say of damaged files, as one BaseCorrupt that names the base."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BaseCorrupt(
            f"base {files.name!r}: its {part} can't be loaded ({str(error)[:300]})",
            remedy=f"check the files in {files.path}, or fetch the base again",
        ) from error


def best_device() -> str:
    """`cuda` where torch can use it, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_model(
    files: BaseFiles, *, device: str = "cpu", dtype: torch.dtype | None = None, quantise: bool = False
) -> Any:
    """The base in eval mode, memory-mapped from safetensors: fp32 on a CPU, bf16 on a GPU unless told.

    `quantise` loads 4-bit NF4 weights and needs CUDA and bitsandbytes (ConfigError without). Raises
    BaseCorrupt when the files are damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    chosen = dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
    extra = {"quantization_config": _four_bit(device)} if quantise else {}
    with _loading(files, "model"):
        model = AutoModelForCausalLM.from_pretrained(
            files.path,
            dtype=chosen,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="sdpa",
            **extra,
        )
    return (model if quantise else model.to(device)).eval()


def _four_bit(device: str) -> Any:
    from importlib.util import find_spec

    import torch
    from transformers import BitsAndBytesConfig

    if device == "cpu" or find_spec("bitsandbytes") is None:
        raise ConfigError(
            "recipe.quantise needs a CUDA GPU and bitsandbytes",
            remedy="pip install 'senmon[qlora]' on a machine with a GPU, or set recipe.quantise: false",
        )
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
