"""Messages in a language that no pack speaks."""

from __future__ import annotations

import pytest

from senmon.assistant.fixed import language_reply
from senmon.assistant.language import foreign_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("注文はどこですか？", "ja"),
        ("ちゅうもん A1001", "ja"),
        ("Где мой заказ?", "ru"),
        ("Where is my order?", None),
        ("3x - 7 = 11", None),
        ("πr² = 3", None),
        ("", None),
        ("😀😀", None),
    ],
)
def test_script_tells_the_language(text: str, language: str | None) -> None:
    assert foreign_language(text, ("en",)) == language


def test_a_spoken_language_is_not_foreign() -> None:
    assert foreign_language("注文はどこですか", ("en", "ja")) is None


def test_the_reply_names_what_is_spoken() -> None:
    assert "英語" in language_reply("ja", ("en",))
    assert "English" in language_reply("ru", ("en",))
