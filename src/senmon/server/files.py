"""Files of a folder, from memory: with an ETag, and compressed where that pays."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response

_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,120}")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_DENSE = frozenset({".png", ".webp", ".woff2"})
_LEAST = 500


@dataclass(frozen=True, slots=True)
class _Held:
    stamp: tuple[int, int]
    body: bytes
    packed: bytes | None
    etag: str
    type: str


class FolderFiles:
    """Serves the files right in `folder`, of known types; what changes on disk is read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, _Held] = {}

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def answer(self, name: str, request: Headers, headers: dict[str, str]) -> Response | None:
        """The file, or 304 when the client has it; None when there is no such file."""
        held = self._find(name)
        if held is None:
            return None
        packed = held.packed if "gzip" in request.get("accept-encoding", "") else None
        etag = f'"{held.etag}-gz"' if packed else f'"{held.etag}"'
        headers = {**headers, "ETag": etag, "Vary": "Accept-Encoding"}
        known = {tag.strip().removeprefix("W/") for tag in request.get("if-none-match", "").split(",")}
        if etag in known:
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(packed or held.body, headers={**headers, "Content-Type": held.type})

    def _find(self, name: str) -> _Held | None:
        suffix = Path(name).suffix
        if not _NAME.fullmatch(name) or suffix not in _TYPES:
            return None
        path = self._folder / name
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            held = self._held.get(name)
            if held is None or held.stamp != stamp:
                held = self._held[name] = _read(path, stamp, suffix)
        except OSError:
            return None
        return held


def _read(path: Path, stamp: tuple[int, int], suffix: str) -> _Held:
    body = path.read_bytes()
    packed = gzip.compress(body, 9, mtime=0) if suffix not in _DENSE and len(body) >= _LEAST else None
    return _Held(stamp, body, packed, hashlib.sha256(body).hexdigest()[:32], _TYPES[suffix])
