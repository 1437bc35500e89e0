"""What a form sends: bounded, cleaned text."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import Request

from senmon.errors import RequestInvalid
from senmon.server.text import clean

_MOST_FIELDS = 200


class Form:
    """The fields by name; what was not sent is empty."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str, most: int = 200) -> str:
        """Without blanks around it. RequestInvalid when it is longer."""
        found = self._fields.get(name, [""])[-1].strip()
        if len(found) > most:
            raise RequestInvalid(
                f"{name} has {len(found)} characters, at most {most} are taken",
                param=name,
                remedy="shorten it",
            )
        return found

    def raw(self, name: str) -> str:
        """As it was typed: for passwords."""
        return self._fields.get(name, [""])[-1]

    def lines(self, name: str, most: int = 4000) -> list[str]:
        return [line.strip() for line in self.text(name, most).splitlines() if line.strip()]

    def all(self, name: str) -> list[str]:
        return [value.strip() for value in self._fields.get(name, []) if value.strip()]


async def read_form(request: Request) -> Form:
    """Raises RequestInvalid for what no form of ours sends."""
    try:
        body = (await request.body()).decode("utf-8")
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        return Form({name: [clean(value) for value in values] for name, values in fields.items()})
    except ValueError as error:
        raise RequestInvalid("the form can't be read", remedy="send it from the console's page") from error
