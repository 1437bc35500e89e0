"""The labelled set of `grounded`: what a shop's assistant may and may not say of what it knows."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from senmon.checks.grounded import Grounded, GroundedOptions
from senmon.checks.protocol import CheckContext
from senmon.messages import Message, Passage

RETURNS = Passage(
    "returns",
    "Returns and refunds",
    "You can return most items within 30 days of delivery. Refunds take 3 to 5 business days. A return "
    "label costs $4.95; returns over $1,000 are free. Write to returns@lamps.example or call "
    "+44 20 7946 0123 between 9 a.m. and 5:30 p.m., Monday to Friday. Details: "
    "https://www.lamps.example/help/returns. Gift cards can't be returned. Sale items get a 15% restocking "
    "fee. Up to two items can be exchanged at once.",
    "https://www.lamps.example/help/returns",
    facts={"return_days": "30", "warranty": "two years"},
)
ORDER = {
    "order": {
        "id": "SO-10432",
        "eta": "2026-06-02",
        "total": 129.5,
        "items": 3,
        "status": "shipped",
        "carrier": "Postline",
        "tracking": "PL883120047GB",
        "updated": "2026-05-29T16:45:00Z",
    }
}


def context(
    user: str = "Where is my order SO-10432? I paid 129.50 euros on 24 May for 3 lamps.",
    results: Mapping[str, Any] | None = None,
    facts: Mapping[str, str] | None = None,
) -> CheckContext:
    found = {"order_status": ORDER} if results is None else results
    tools = tuple(
        Message("tool", json.dumps(result), tool_call_id="c", name=name) for name, result in found.items()
    )
    return CheckContext((Message("user", user), *tools), (RETURNS,), facts or {})


SUPPORTED = [
    "Your order SO-10432 arrives on Tuesday, 2 June.",
    "It should be with you on June 2nd, 2026.",
    "The delivery date is 02/06/2026.",
    "It arrives on 2026-06-02.",
    "Order #10432 is on its way with Postline.",
    "Order 10432 has 3 items.",
    "The total was 129.50.",
    "The total was €129.50.",
    "You paid 129,50 euros? I see 129.50 euros here.",
    "You ordered three lamps on 24 May.",
    "You paid on the 24th of May.",
    "The tracking number is PL883120047GB.",
    "The status was updated at 16:45.",
    "The status was updated at 4:45 pm on 29 May.",
    "You can send it back within 30 days.",
    "There is a 30-day return window.",
    "You have thirty days to return it.",
    "Refunds take 3–5 business days.",
    "Refunds take three to five working days.",
    "Expect the money in 5 business days at the latest.",
    "The label costs $4.95.",
    "The label costs 4.95 dollars.",
    "The label is USD 4.95.",
    "Returns over 1000 dollars are free.",
    "Returns over $1,000.00 are free.",
    "Sale items have a 15 percent fee.",
    "Sale items have a restocking fee of 15 %.",
    "Please write to returns@lamps.example.",
    "Write to Returns@Lamps.example!",
    "See https://www.lamps.example/help/returns for more.",
    "See lamps.example/help/returns.",
    "Our site is lamps.example.",
    "[Returns](https://www.lamps.example/help/returns) are explained there.",
    "Call us on +44 20 7946 0123.",
    "Call us on 020 7946 0123.",
    "We are there from 9 am to 5:30 pm.",
    "Our phones are open 9:00–17:30, Monday to Friday.",
    "You can reach us until 17:30 on Fridays.",
    "You can exchange two items at once.",
    "You can exchange up to 2 items.",
    "The warranty is two years.",
    "The warranty lasts 24 months.",
    "There is a 2-year warranty.",
    "One moment, please.",
    "Just a second while I look.",
    "That is one of our favourite lamps.",
    "There are two options: return it or exchange it.",
    "You have 3 ways to pay it back.",
    "1. Print the label.",
    "2. Pack the lamp.\n3. Drop it off.",
    "Step 2: drop the parcel off.",
    "First, print the label; second, pack the lamp.",
    "Thanks, I'm happy to help with that.",
    "No one else has your order.",
    "Would you like the other one?",
    "Gift cards can't be returned.",
    "Your order has been shipped.",
    "It was shipped with Postline.",
    "I can cancel the order if you like.",
    "Shall I cancel it?",
    "Have I cancelled the right one?",
    "I have not cancelled anything.",
    "Once I have refunded you, you'll get an e-mail.",
    "If your order has been cancelled, the money comes back.",
    "When your return has been processed, the refund takes 3 to 5 business days.",
    "I've found your order.",
    "I have checked the status: it is shipped.",
    "You've cancelled nothing so far.",
    "Orders that have been shipped can't be stopped.",
    "I'll refund it once you confirm.",
]
UNSUPPORTED = [
    "Your order SO-10433 arrives on 2 June.",
    "Your order arrives on 3 June.",
    "It should be with you on June 2nd, 2027.",
    "It arrives on Wednesday.",
    "It arrives on 2026-06-05.",
    "Order #10423 is on its way.",
    "Order 1043 is on its way.",
    "Your order has 4 items.",
    "The total was 139.50.",
    "The total was $129.60.",
    "You paid 192.50 euros.",
    "You paid on 25 May.",
    "The tracking number is PL883120074GB.",
    "The tracking number is 1Z999AA10123456784.",
    "The status was updated at 16:54.",
    "It was updated at 4:45 am.",
    "You can send it back within 14 days.",
    "There is a 60-day return window.",
    "You have thirty weeks to return it.",
    "You have forty days to return it.",
    "Refunds take 7 business days.",
    "Refunds take 5–7 business days.",
    "Refunds take two weeks.",
    "Refunds take 24 hours.",
    "The label costs $5.95.",
    "The label costs £4.95.",
    "There is a $30 fee.",
    "There is a fee of 15 euros.",
    "Returns over 1,100 dollars are free.",
    "Sale items have a 20 percent fee.",
    "You get 10% off your next order.",
    "You get a 30% refund.",
    "Please write to help@lamps.example.",
    "Write to returns@lamp.example.",
    "See https://www.lamps.example/help/refunds.",
    "See https://lamps-returns.example.",
    "Call us on +44 20 7946 0124.",
    "Call us on 0800 123 4567.",
    "Call 555-0199.",
    "We are there until 6 pm.",
    "Our phones are open 8:00–17:30.",
    "We are also open on Saturdays.",
    "We are there on Sundays, 24/7.",
    "You can exchange up to 6 items.",
    "You can exchange five items at once.",
    "The warranty is three years.",
    "The warranty lasts 36 months.",
    "There is a 5-year warranty.",
    "You have returned 30 lamps so far.",
    "There are twelve options.",
    "That was our 8th lamp.",
    "The lamp weighs 2 kg.",
    "It takes 45 minutes to charge.",
    "I have refunded your order.",
    "I've cancelled it for you.",
    "I've just cancelled your order.",
    "Your order has been cancelled.",
    "Your refund has been processed.",
    "We have sent you a new label.",
    "I have updated your address.",
    "Great news: your refund has been issued!",
    "I've gone ahead and issued a refund.",
    "I will refund you today.",
    "I'm refunding your order now.",
    "Your booking is now cancelled.",
    "Done, I've opened a ticket for you.",
    "Thanks! I have escalated this to our team.",
    "I added a note, and I've credited your account.",
    "We offer free delivery on orders over $50.",
    "The version is 2.4.1.",
    "The sale ends in December 2026.",
]
OTHER = [
    ("I've cancelled your order SO-10432.", {"cancel_order": {"ok": True, "order": "SO-10432"}}, "pass"),
    ("Your order has been cancelled.", {"order_tool": {"order": {"status": "cancelled"}}}, "pass"),
    ("I've cancelled your order.", {"cancel_order": {"error": "action_failed"}}, "repair"),
    ("I've cancelled your order.", {"cancel_order": {"success": False}}, "repair"),
    ("I have refunded you.", {"order_status": {"order": {"id": "SO-1", "refundable": True}}}, "repair"),
    ("I've opened a return for you.", {"open_return": {"return": {"id": "RT-77"}}}, "pass"),
    ("I've opened return RT-77.", {"open_return": {"return": {"id": "RT-77"}}}, "pass"),
    ("I've opened return RT-78.", {"open_return": {"return": {"id": "RT-77"}}}, "repair"),
    ("I've arranged your return.", {"open_return": {"return": {"id": "RT-77"}}}, "pass"),
    ("I have sent you the label.", {"send_label": {"sent_to": "visitor"}}, "pass"),
    ("I've booked your appointment.", {"open_return": {"return": {"id": "RT-77"}}}, "repair"),
    ("You get 15% back.", {"quote": {"share": 0.15}}, "pass"),
    ("It takes 4 days.", {"quote": {"days": 4}}, "pass"),
    ("It takes 4 days.", {"quote": {"note": "4 shirts"}}, "repair"),
    ("The parcel weighs 1.5 kg.", {"quote": {"weight": "1500 g"}}, "pass"),
    ("It costs $2.5 million.", {"quote": {"price": "$2,500,000"}}, "pass"),
    ("It costs 50 cents.", {"quote": {"price": "$0.50"}}, "pass"),
    ("It leaves at noon.", {"quote": {"departs": "12:00"}}, "pass"),
    ("It leaves at midnight.", {"quote": {"departs": "12:00 pm"}}, "repair"),
]
ITEMS = (
    [(text, None, "pass") for text in SUPPORTED] + [(text, None, "repair") for text in UNSUPPORTED] + OTHER
)

PLANS = Passage(
    "plan",
    "Mobile plans",
    "The Plus plan costs £18 a month and includes 20 GB of data and unlimited calls. The contract runs for "
    "twelve months. Cancel with one month's notice. Roaming is free in 27 countries for up to 90 days. "
    "Support: 0161 496 0000, 8am-8pm on weekdays, Saturdays 10 to 4. Activation takes up to four hours. "
    "A late fee of £5 applies after 14 days.",
    "https://mobi.example/plans",
)
ACCOUNT = {
    "account": {"balance": "-12.40", "due": "2026-07-15", "data_used_gb": 7.5, "plan": "Plus", "invoices": 2}
}
TICKET = {"ticket": {"id": "A-5521", "status": "open", "opened": "2026-06-30 09:12"}}
MOBILE = CheckContext(
    (
        Message("user", "My number is 07700 900123, customer since March 2021. What is Plus? Ticket A-5521."),
        Message("tool", json.dumps(ACCOUNT), tool_call_id="1", name="account_info"),
        Message("tool", json.dumps(TICKET), tool_call_id="2", name="find_ticket"),
    ),
    (PLANS,),
)
MOBILE_SUPPORTED = [
    "Plus is £18 per month.",
    "Plus costs 18 pounds a month.",
    "You get 20GB of data.",
    "You have used 7.5 GB so far.",
    "Your contract lasts 12 months.",
    "That's a one-year contract.",
    "You need one month's notice.",
    "Roaming is free in twenty-seven countries.",
    "You can roam for 90 days.",
    "Call 0161 496 0000 from 8 am to 8 pm.",
    "On Saturday we're there from 10 to 4.",
    "Activation may take four hours.",
    "The late fee is £5.00.",
    "It applies after two weeks.",
    "Your balance is -12.40.",
    "You owe £12.40.",
    "Payment is due on 15 July.",
    "Payment is due Wednesday, July 15, 2026.",
    "There are 2 invoices open.",
    "Ticket A-5521 was opened on 30 June at 9:12.",
    "Your ticket A5521 is still open.",
    "You've been with us since March 2021.",
    "Your number ends in 0123.",
    "Your number is +44 7700 900123.",
    "One thing at a time!",
    "Let me explain in three steps.",
    "Here are a couple of options for you.",
    "Your ticket has been opened on 30 June.",
    "I can book a call for you.",
    "If it was cancelled by mistake, tell me.",
    "See https://mobi.example/plans",
    "In the first month you pay £18.",
    "I understand, that's frustrating.",
    "Once your SIM has been activated you can call.",
    "We'll need your ticket number, A-5521.",
    "Your plan includes unlimited calls.",
    "We can help you 7.5 GB further.",
]
MOBILE_UNSUPPORTED = [
    "Plus is £20 per month.",
    "Plus costs 18 euros a month.",
    "You get 200GB of data.",
    "You have used 9 GB so far.",
    "Your contract lasts 24 months.",
    "That's a two-year contract.",
    "You need 30 days' notice.",
    "Roaming is free in 37 countries.",
    "You can roam for 60 days.",
    "Call 0161 496 0001.",
    "We open at 9 am.",
    "On Sunday we're there too.",
    "Activation may take 48 hours.",
    "The late fee is £7.50.",
    "It applies after three weeks.",
    "Your balance is -14.20.",
    "Payment is due on 25 July.",
    "Payment is due Monday.",
    "There are 5 invoices open.",
    "Ticket A-5512 was opened on 30 June.",
    "It was opened at 10:12.",
    "You've been with us since May 2020.",
    "Your number ends in 3210.",
    "I've cancelled your plan.",
    "I have upgraded you to Plus.",
    "Your SIM has been activated.",
    "I've waived the late fee.",
    "We've applied a 10% discount.",
    "See https://mobi.example/offers",
    "E-mail care@mobi.example.",
    "I have reset your password.",
    "Your payment has been processed.",
    "I've scheduled a call for you.",
    "I'll waive the fee for you.",
    "The plan costs 0.18 per minute.",
    "There's a £90 charge.",
    "You get 27 GB.",
]


def outcome(text: str, results: Any) -> str:
    return Grounded().judge("", text, context(results=results)).outcome


def test_the_labelled_set_is_judged_right() -> None:
    told = [(text, expected, outcome(text, results)) for text, results, expected in ITEMS]
    wrong = [one for one in told if one[1] != one[2]]
    flagged = sum(got == "repair" for _, _, got in told)
    faulty = sum(expected == "repair" for _, expected, _ in told)
    hits = sum(expected == got == "repair" for _, expected, got in told)
    assert len(ITEMS) >= 120
    assert hits / flagged >= 0.98, wrong
    assert hits / faulty >= 0.98, wrong


def test_a_second_domain_is_judged_right() -> None:
    """Written after the rules were fixed to the first set, when they judged 72 of 74 right."""
    told = [(text, "pass", Grounded().judge("", text, MOBILE).outcome) for text in MOBILE_SUPPORTED]
    told += [(text, "repair", Grounded().judge("", text, MOBILE).outcome) for text in MOBILE_UNSUPPORTED]
    assert [one for one in told if one[1] != one[2]] == []


def test_the_reason_names_the_unsupported_value() -> None:
    verdict = Grounded().judge("", "It costs $77 and arrives on 9 July.", context())
    assert "$77" in verdict.reason
    assert "9 July" in verdict.reason


def test_earlier_words_of_the_assistant_support_nothing() -> None:
    said = CheckContext((Message("user", "hi"), Message("assistant", "It costs $77.")), (), {})
    assert Grounded().judge("", "It costs $77.", said).outcome == "repair"


def test_facts_support() -> None:
    facts = {"plan.price": "€19.99", "plan.until": "Friday, 5 June 2026"}
    assert Grounded().judge("", "It is 19.99 euros until 5 June.", context(facts=facts)).outcome == "pass"


def test_options_widen_what_may_be_said() -> None:
    check = Grounded(GroundedOptions(counts=12, ignore=("24/7", "iPhone 19"), promises=False))
    for text in (
        "We are there 24/7.",
        "It fits the iPhone 19.",
        "There are twelve options.",
        "I've refunded you.",
    ):
        assert check.judge("", text, context()).outcome == "pass"
    assert Grounded().judge("", "It fits the iPhone 19.", context()).outcome == "repair"


def test_options_are_validated() -> None:
    with pytest.raises(ValidationError):
        GroundedOptions.model_validate({"count": 3})


def test_hostile_text_is_judged_in_time() -> None:
    for text in (
        "9" * 5000,
        "1," * 3000,
        "a-1" * 3000,
        "+1 (2) " * 2000,
        "I have " * 2000,
        "1.1." * 3000,
        "$" * 9000,
    ):
        Grounded().judge("", text, context(user=text))
