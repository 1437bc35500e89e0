"""A fitted router on disk: `router.json` (what, for whom) beside one `.npz` (the arrays). Never a pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from senmon.errors import RouterUnfit
from senmon.routing.classifier import Classifier
from senmon.routing.features import Vocabulary
from senmon.routing.kernel import Kernel
from senmon.routing.layers import Layers
from senmon.routing.model import RouterModel
from senmon.routing.routes import Identity, identity_key

CARD = "router.json"
_REMEDY = "delete the folder; the router is built again"


@dataclass(frozen=True, slots=True)
class RouterCard:
    """For whom a router was made: `identities` per pack, the encoder's digest ("": none); `key` has both."""

    key: str
    identities: tuple[Identity, ...]
    encoder: str


def write(folder: Path, model: RouterModel, card: RouterCard) -> None:
    """Arrays first, then the card that names them, each atomically: a reader never sees half a router."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **_arrays(model))
    arrays = buffer.getvalue()
    digest = hashlib.sha256(arrays).hexdigest()
    name = f"router-{digest[:12]}.npz"
    _replace(folder / name, arrays)
    data = {
        "key": card.key,
        "packs": [list(identity) for identity in card.identities],
        "encoder": card.encoder,
        "arrays": name,
        "sha256": digest,
        "names": list(model.packs),
        "intents": [list(intent) for intent in model.intents],
        "thresholds": list(model.thresholds),
        "terms": list(model.vocabulary.words),
    }
    _replace(folder / CARD, json.dumps(data, ensure_ascii=False, indent=1).encode())
    for old in folder.glob("router-*.npz"):
        if old.name != name:
            old.unlink(missing_ok=True)


def read(folder: Path) -> tuple[RouterModel, RouterCard]:
    """Raises RouterUnfit when a file is missing, damaged, or does not belong to its card."""
    try:
        data = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card = RouterCard(data["key"], tuple(tuple(one) for one in data["packs"]), data["encoder"])
        arrays = (folder / Path(data["arrays"]).name).read_bytes()
        if hashlib.sha256(arrays).hexdigest() != data["sha256"]:
            raise RouterUnfit(f"the arrays of the router in {folder} are damaged", remedy=_REMEDY)
        with np.load(io.BytesIO(arrays), allow_pickle=False) as loaded:
            model = _model(data, loaded)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RouterUnfit(f"the router in {folder} can't be read: {error}", remedy=_REMEDY) from error
    if identity_key(card.identities, card.encoder) != card.key:
        raise RouterUnfit(f"the router in {folder} was made by another version of senmon", remedy=_REMEDY)
    return model, card


def _arrays(model: RouterModel) -> dict[str, Any]:
    arrays = {
        "idf": model.vocabulary.idf,
        "dense": model.classifier.dense,
        "sparse": model.classifier.sparse.astype(np.float16),
        "bias": model.classifier.bias,
        "vectors": model.vectors.astype(np.float16),
        "owner": model.owner,
        "centre": model.classifier.layers.centre,
        "directions": model.classifier.layers.directions,
    }
    if (kernel := model.classifier.kernel) is not None:
        arrays |= {"points": kernel.points.astype(np.float16), "kernel": kernel.weights}
    rows = model.tfidf if kernel is None else kernel.words
    if rows is not None:
        arrays |= {
            "rows_data": rows.data.astype(np.float32),
            "rows_indices": rows.indices.astype(np.int32),
            "rows_ends": rows.indptr.astype(np.int64),
        }
    return arrays


def _model(data: Mapping[str, Any], arrays: Mapping[str, Any]) -> RouterModel:
    terms = tuple(data["terms"])
    layers = Layers(arrays["vectors"].shape[1], arrays["centre"], arrays["directions"])
    rows = _sparse_rows(arrays, len(terms)) if "rows_data" in arrays else None
    kernel = None
    if "points" in arrays:
        kernel = Kernel(arrays["points"].astype(np.float32), rows, arrays["kernel"])
    classifier = Classifier(
        arrays["dense"], arrays["sparse"].astype(np.float32), arrays["bias"], layers, kernel
    )
    if classifier.sparse.shape != (0 if kernel else len(terms), len(data["intents"])):
        raise ValueError("shapes do not belong together")
    if kernel is not None and not (
        rows is not None
        and kernel.weights.shape == (len(kernel.points), len(data["intents"]))
        and rows.shape == (len(kernel.points), len(terms))
    ):
        raise ValueError("shapes do not belong together")
    return RouterModel(
        packs=tuple(data["names"]),
        intents=tuple((int(pack), str(intent)) for pack, intent in data["intents"]),
        vocabulary=Vocabulary(terms, arrays["idf"]),
        classifier=classifier,
        vectors=arrays["vectors"].astype(np.float32),
        tfidf=rows if kernel is None else None,
        owner=arrays["owner"],
        thresholds=tuple(float(value) for value in data["thresholds"]),
    )


def _sparse_rows(arrays: Mapping[str, Any], terms: int) -> Any:
    from scipy import sparse

    shape = (len(arrays["rows_ends"]) - 1, terms)
    return sparse.csr_matrix((arrays["rows_data"], arrays["rows_indices"], arrays["rows_ends"]), shape=shape)


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
