"""Bytes of a page → text: by mark, by what the page declares, by UTF-8, else as Windows-1252."""

from __future__ import annotations

import codecs
import re
import unicodedata

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})|<\?xml[^>]{0,200}?encoding=["']([\w.:-]{2,40})""",
    re.I,
)
#: What browsers take these names for (WHATWG Encoding Standard).
_ALIASES = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
}
_CONTROLS = re.compile(
    "[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|"
    "[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]"
)
#: Unicode's tag characters are invisible, and a way to hide text from people.
_TAGS = re.compile("[\U000e0000-\U000e007f]")


def decode_page(data: bytes) -> tuple[str, str]:
    """The text and the encoding that it was read in. Raises ValueError saying why it is not text."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _decoded(data, "utf-8-sig" if name == "utf-8" else name), name
    if b"\x00" in data:
        raise ValueError("holds NUL bytes, so it is not a text file")
    declared = _declared(data)
    for name in (declared, "utf-8"):
        if name:
            try:
                return _decoded(data, name), name
            except ValueError:
                continue
    return _plain(data.decode("cp1252", errors="replace")), "cp1252"


def visible(text: str) -> str:
    """The text in NFC without control, bidirectional and zero-width characters, which nobody can read."""
    return _TAGS.sub("", _CONTROLS.sub("", unicodedata.normalize("NFC", text)))


def _declared(data: bytes) -> str:
    match = _DECLARED.search(data[:4096])
    name = (match[1] or match[2]).decode("ascii").lower() if match else ""
    name = _ALIASES.get(name, name)
    try:
        info = codecs.lookup(name) if name else None
    except LookupError:
        return ""
    # Codecs such as zip, hex or punycode are not encodings of text files.
    fit = info is not None and getattr(info, "_is_text_encoding", True)
    return name if fit and name not in ("idna", "punycode", "unicode_escape", "raw_unicode_escape") else ""


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return _plain(data.decode(encoding))
    except UnicodeError as error:
        raise ValueError(f"is not {encoding} text") from error


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
