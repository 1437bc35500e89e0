"""YAML as senmon reads it: plain data only, each value with its line.

A safe subset of YAML 1.2's core schema: no aliases (they can blow up in memory), no tags, no duplicate
keys, no guessing (`no`, `9:30` and `2026-01-01` stay text). Depth and number of values are bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from senmon.errors import Problem
from senmon.packs.text_file import MAX_TEXT_BYTES, invalid

Place = tuple[str | int, ...]
MAX_DEPTH = 40
#: A value costs about 1 KB and 30 µs, so this many bound memory and time, whatever the file.
MAX_NODES = 300_000
MAX_DIGITS = 18

_TAG = "tag:yaml.org,2002:"
_RESOLVERS = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
)


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed text. `lines` maps each place (keys and indices) to its line; `scalars` to its raw text."""

    value: Any
    lines: Mapping[Place, int]
    scalars: Mapping[Place, str]

    def line(self, place: Place) -> int:
        """The line of `place`, or of the closest place around it; 0 when there is none."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return 0


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # type: ignore[misc]
    depth = 0
    nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"is nested more than {MAX_DEPTH} deep", mark)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise yaml.composer.ComposerError(None, None, f"holds more than {MAX_NODES:,} values", mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


class _Builder:
    """Turns a node tree into values, and notes lines, raw scalars and problems on the way."""

    def __init__(self, path: str, first_line: int) -> None:
        self.path, self.first_line = path, first_line
        self.lines: dict[Place, int] = {}
        self.scalars: dict[Place, str] = {}
        self.problems: list[Problem] = []

    def problem(self, node: yaml.Node, place: Place, why: str, remedy: str) -> None:
        self.problems.append(Problem(self.path, self.at(node.start_mark), dotted(place), why, remedy))

    def at(self, mark: Any) -> int:
        return int(mark.line) + self.first_line

    def build(self, node: yaml.Node, place: Place = ()) -> Any:
        self.lines.setdefault(place, self.at(node.start_mark))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(child, (*place, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, place)
        self.problem(node, place, f"has the tag {node.tag}", "remove the tag; only plain YAML is read")
        return None

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, place, "has a key that is not text", "use a plain word as key")
                continue
            inner = (*place, key.value)
            if key.value in result:
                self.problem(key, inner, "is given twice", "keep one of the two")
                continue
            self.lines[inner] = self.at(key.start_mark)
            result[key.value] = self.build(child, inner)
        return result

    def scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        self.scalars[place] = text = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind == "str" or node.tag == "!":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            return _number(kind, text)
        except ValueError:
            self.problem(
                node, place, f"can't be read as {kind}", "write a plain number, or put text in quotes"
            )
            return None


def _number(kind: str, text: str) -> int | float:
    if kind == "int" and len(text) <= MAX_DIGITS:
        return int(text)
    if kind == "float" and math.isfinite(value := float(text)):
        return value
    raise ValueError(text)


def dotted(place: Place) -> str:
    """`("actions", "specs", 0)` → `actions.specs.0`."""
    return ".".join(map(str, place))


def parse_yaml(text: str, path: str, *, first_line: int = 1, limit: int = MAX_TEXT_BYTES) -> YamlText:
    """Parses one YAML document. `first_line` is the line of `text`'s first line in the file `path`.

    Raises PackInvalid: broken syntax (one problem), else all duplicate keys, tags and bad numbers.
    """
    if len(text.encode("utf-8", "surrogatepass")) > limit:
        raise invalid(Problem(path, 0, "", f"is larger than {limit // 1024} KiB", "make it shorter"))
    node = _compose(text, path, first_line)
    if node is None:
        return YamlText(None, {(): first_line}, {})
    builder = _Builder(path, first_line)
    value = builder.build(node)
    if builder.problems:
        raise invalid(*builder.problems)
    return YamlText(value, builder.lines, builder.scalars)


def _compose(text: str, path: str, first_line: int) -> yaml.Node | None:
    try:
        node: yaml.Node | None = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        why = " ".join(part for part in (error.context, error.problem) if part)
        raise invalid(
            Problem(path, line, "", f"broken YAML: {why}", "correct the syntax on this line or before")
        ) from error
    except yaml.reader.ReaderError as error:
        line = first_line + text.count("\n", 0, error.position)
        why = "broken YAML: a character that is not printable"
        raise invalid(Problem(path, line, "", why, "delete the character")) from error
    except (yaml.YAMLError, ValueError) as error:
        why = f"broken YAML: {error}"
        raise invalid(Problem(path, first_line, "", why, "correct the syntax")) from error
    return node
