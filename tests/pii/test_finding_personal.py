"""Personal data: found by shape and check digit, told from lookalikes, masked."""

from __future__ import annotations

import json
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senmon.pii import Personal, find_personal, mask_personal


def kinds(text: str) -> list[str]:
    return [found.kind for found in find_personal(text)]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to anna.b@mail.de, please", "write to [email], please"),
        ("mail <k.osei+gear@mail.co.uk>.", "mail <[email]>."),
        ("card 4539 1488 0343 6467 expired", "card [card] expired"),
        ("5500-0000-0000-0004", "[card]"),
        ("pay to DE44 5001 0517 5407 3249 31 BIC X", "pay to [iban] BIC X"),
        ("NL91ABNA0417164300", "[iban]"),
        ("nl91abna0417164300", "[iban]"),
        ("my ssn is 536-90-4399", "my ssn is [national id]"),
        ("DNI 12345678Z", "DNI [national id]"),
        ("AHV 756.9217.0769.85", "AHV [national id]"),
        ("nhs number 943 476 5919", "nhs number [national id]"),
        ("call +44 20 7183 8750 now", "call [phone] now"),
        ("my number is 0171 2345678", "my number is [phone]"),
        ("(212) 736-5000", "[phone]"),
        ("tel: 79 271 81 55", "tel: [phone]"),
        ("0049 30 901820", "[phone]"),
        ("they are not answering at 374 780 163", "they are not answering at [phone]"),
        ("655 437 108 office", "[phone] office"),
        ("3660170548-Fax", "[phone]-Fax"),
        ("from 81.2.69.142 and 2001:4860:4860::8888", "from [ip] and [ip]"),
        ("a@b.co then 4539148803436467 then +49 151 23456789", "[email] then [card] then [phone]"),
    ],
)
def test_what_is_somebodys_is_masked(text: str, masked: str) -> None:
    assert mask_personal(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order A1001 and A-2002",
        "order 4417 1234 5678 9114",
        "order number 0171 2345678",
        "order 905-674-3793",
        "my ticket is 555-123-4567",
        "it was on 2024-05-17 at 10:30",
        "from 12.05.2024 to 19.05.2024",
        "we paid 1 299 000 in 2019-2021",
        "1.299.000,00 EUR, €1,234,567.89, $12345678",
        "card 4539 1488 0343 6468",
        "DE45 5001 0517 5407 3249 31",
        "GB00NWBK60161331926819",
        "12345678A",
        "000-12-3456 and 666-12-3456",
        "version 10.4.3.2 of the app",
        "300.400.500.600",
        "ISBN 978-3-16-148410-0",
        "parcel 00340434161094042557",
        "phone case item 1234567",
        "solve 3456789 + 1234567",
        "does 16/72 - 63/72 work",
        "call it 12/35-10/35",
        "The answer is 3600000.",
        "a total of 2000-1360=640",
        "earlier than 0900 i.e. 0900-0130 = 0730 hours",
        "canceling purchase 370795561790",
        "pi is 3.14159265358979",
        "at 10:30:15",
        "@outdoor_fans, user@localhost",
        "0000 0000 0000 0000",
        "1111111111",
        "",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert find_personal(text) == () and mask_personal(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "help@example.com",
        "x@shop.test",
        "4111 1111 1111 1111",
        "(212) 555-0123",
        "192.168.1.20",
        "+44 20 7946 0018",
    ],
)
def test_what_standards_keep_free_is_made_up(text: str) -> None:
    (found,) = find_personal(text)
    assert found.made_up and found.text == text


def test_spans_are_exact_and_in_order() -> None:
    text = "a@b.co, +49 151 2345 6789; 81.2.69.142"
    found = find_personal(text)
    assert [text[one.start : one.end] for one in found] == [one.text for one in found]
    assert [one.kind for one in found] == ["email", "phone", "ip"]
    assert found[1] == Personal("phone", 8, 25, "+49 151 2345 6789", "+49")


@given(st.text(alphabet="0123456789 +-.()/@:abcDE\n", max_size=120))
def test_any_text_is_survived_without_overlaps(text: str) -> None:
    found = find_personal(text)
    assert all(one.end <= other.start for one, other in pairwise(found))
    masked = mask_personal(text)
    assert not found or masked != text


@pytest.mark.parametrize("part", ["1 ", "1-", "(0", "a@", "a.", "A1", "+1", "1.1.1.", "::", "DE44 "])
def test_hostile_repetition_is_quick(part: str) -> None:
    began = time.process_time()
    find_personal(part * 20_000)
    assert time.process_time() - began < 8


#: Kind in the data → kind here, least precision, least recall: what is reached, less a little.
REACHED = {
    "EMAIL_ADDRESS": ("email", 1.0, 1.0),
    "CREDIT_CARD": ("card", 1.0, 0.98),
    "IBAN_CODE": ("iban", 1.0, 1.0),
    "US_SSN": ("national id", 1.0, 1.0),
    "IP_ADDRESS": ("ip", 1.0, 1.0),
    "PHONE_NUMBER": ("phone", 0.99, 0.97),
}


@pytest.mark.real_data
def test_precision_and_recall_on_sentences_with_spans(
    test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads((test_data / "pii" / "presidio_half.json").read_text(encoding="utf-8"))
    right, missed, wrong = Counter[str](), Counter[str](), Counter[str]()
    named = {name: kind for name, (kind, _, _) in REACHED.items()}
    for row in rows:
        left = list(find_personal(row["full_text"]))
        for span in row["spans"]:
            kind = named.get(span["entity_type"])
            if kind is None:
                continue
            hits = [
                one
                for one in left
                if one.kind == kind and one.start < span["end_position"] and one.end > span["start_position"]
            ]
            left = [one for one in left if one not in hits]
            (right if hits else missed)[kind] += 1
        wrong.update(one.kind for one in left)
    lines, faults = [], []
    for kind, least_precision, least_recall in REACHED.values():
        precision = right[kind] / (right[kind] + wrong[kind])
        recall = right[kind] / (right[kind] + missed[kind])
        lines.append(
            f"{kind:12} {right[kind] + missed[kind]:3}  precision {precision:.3f}  recall {recall:.3f}"
        )
        if precision < least_precision or recall < least_recall:
            faults.append(lines[-1])
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert not faults
