"""Finding, identifying and loading bases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from senmon.bases import catalog
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer, resolve
from senmon.errors import BaseCorrupt, BaseNotFound, ConfigError


def test_embedded_base_matches_its_published_digests() -> None:
    assert resolve().digest == resolve("embedded").digest
    assert len(resolve().digest) == 64


def test_embedded_base_fits_its_budget() -> None:
    sizes = [path.stat().st_size for path in catalog.EMBEDDED_PATH.iterdir()]
    assert sum(sizes) < 42_000_000
    assert max(sizes) <= 15 * 2**20


def test_changed_embedded_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "embedded"
    shutil.copytree(catalog.EMBEDDED_PATH, copy)
    (copy / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(catalog, "EMBEDDED_PATH", copy)
    with pytest.raises(BaseCorrupt, match=r"config\.json"):
        resolve()


def test_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BaseNotFound, match="safetensors"):
        resolve(str(tmp_path))


def test_unreachable_hub_id_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BaseNotFound, match="base: embedded"):
        resolve("nobody/no-such-model")


def test_digest_follows_content(tiny_base: BaseFiles, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_base.path, copy)
    assert resolve(str(copy)).digest == tiny_base.digest
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert resolve(str(copy)).digest != tiny_base.digest


def test_model_and_tokenizer_load(tiny_base: BaseFiles) -> None:
    tokenizer = load_tokenizer(tiny_base)
    model = load_model(tiny_base)
    assert not model.training
    assert model.config.vocab_size >= len(tokenizer)
    assert tokenizer.decode(tokenizer.encode("3x - 7 = 11")) == "3x - 7 = 11"


def test_damaged_files_of_a_folder_are_told(tiny_base: BaseFiles, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_base.path, copy)
    weights = next(copy.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BaseCorrupt, match=r"'copy': its model can't be loaded"):
        load_model(resolve(str(copy)))
    (copy / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(BaseCorrupt, match=r"'copy': its tokenizer can't be loaded"):
        load_tokenizer(resolve(str(copy)))


def test_four_bit_needs_a_gpu(tiny_base: BaseFiles) -> None:
    with pytest.raises(ConfigError, match="quantise"):
        load_model(tiny_base, quantise=True)
