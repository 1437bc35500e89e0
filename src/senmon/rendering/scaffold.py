"""A chat template, reduced to fixed text around contents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.errors import TemplateUnfit
from senmon.messages import Role

ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")
_JINJA_BODY = (
    "{{ m.content or '' }}{% for c in m.tool_calls or [] %}"
    "{{ '<tool_call>{\"name\": ' }}{{ c.function.name | tojson }}{{ ', \"arguments\": ' }}"
    "{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}"
    "{{ '}</tool_call>' }}{% endfor %}"
)


def _literal(text: str) -> str:
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """Text around contents, special tokens included: `start`, then per turn `head[role] … tail[role]`."""

    start: str
    heads: Mapping[Role, str]
    tails: Mapping[Role, str]

    @classmethod
    def chatml(cls, *, start: str = "", end: str = "<|im_end|>") -> Scaffold:
        heads = {role: f"<|im_start|>{role}\n" for role in ROLES}
        return cls(start, heads, dict.fromkeys(ROLES, f"{end}\n"))

    def jinja(self) -> str:
        """The same as a chat template with tool calls, for other servers of an adapter."""
        turns = "".join(
            f"{{% {'if' if role == ROLES[0] else 'elif'} m.role == '{role}' %}}"
            f"{_literal(self.heads[role])}{_JINJA_BODY}{_literal(self.tails[role])}"
            for role in ROLES
        )
        opening = f"{{% if add_generation_prompt %}}{_literal(self.heads['assistant'])}{{% endif %}}"
        return f"{_literal(self.start)}{{% for m in messages %}}{turns}{{% endif %}}{{% endfor %}}{opening}"

    def text(self, roles: Sequence[Role], contents: Sequence[str]) -> str:
        turns = zip(roles, contents, strict=True)
        return self.start + "".join(self.heads[role] + text + self.tails[role] for role, text in turns)


PROBE: tuple[Role, ...] = (
    *("system", "user", "assistant", "user", "assistant", "tool", "tool", "assistant"),
    *("user", "tool", "assistant", "user", "user", "assistant"),
)


def _contents(count: int) -> list[str]:
    # Private-use characters: no template treats them specially, trimming leaves them alone.
    return [f"\ue000{index}\ue001" for index in range(count)]


def _apply(tokenizer: Any, template: str, count: int, *, generate: bool) -> str:
    messages = [
        {"role": role, "content": text} for role, text in zip(PROBE[:count], _contents(count), strict=True)
    ]
    try:
        text = tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=generate
        )
    except Exception as error:  # templates raise whatever they like
        raise TemplateUnfit(f"the template fails on a {PROBE[count - 1]} message: {error}") from error
    return str(text)


def _pieces(text: str, count: int) -> list[str]:
    pieces = re.split("\ue000\\d+\ue001", text)
    if re.findall("\ue000\\d+\ue001", text) != _contents(count):
        raise TemplateUnfit("the template drops, repeats or reorders messages")
    return pieces


def derive_scaffold(tokenizer: Any, template: str) -> Scaffold:
    """Reduce a chat template (Jinja, run in transformers' sandbox) to a scaffold. Raises TemplateUnfit.

    The self-test renders a conversation with tools turn by turn and compares: a template passes when it
    is append-only, treats a role alike at every place, and opens a reply as it opens an assistant turn.
    """
    if "strftime_now" in template:
        raise TemplateUnfit("the template prints today's date, so prompts would differ from training")
    count = len(PROBE)
    plain = [_apply(tokenizer, template, size, generate=False) for size in range(1, count + 1)]
    tails: dict[Role, str] = {}
    for size, text in enumerate(plain, 1):
        tails.setdefault(PROBE[size - 1], _pieces(text, size)[-1])
    between = _pieces(plain[-1], count)
    opening = between[0]
    bos = tokenizer.bos_token or ""
    start = bos if bos and opening.startswith(bos) else ""
    heads: dict[Role, str] = {"system": opening.removeprefix(start)}
    for before, role, piece in zip(PROBE, PROBE[1:], between[1:-1], strict=False):
        heads.setdefault(role, piece.removeprefix(tails[before]))
    scaffold = Scaffold(start, heads, tails)
    for size, text in enumerate(plain, 1):
        expected = scaffold.text(PROBE[:size], _contents(size))
        opened = _apply(tokenizer, template, size, generate=True)
        if text != expected or opened != expected + heads["assistant"]:
            raise TemplateUnfit(
                f"the template is not append-only (turn {size}, {PROBE[size - 1]})",
                remedy="use senmon's own template",
            )
    return scaffold
