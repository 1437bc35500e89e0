"""What a turn lets in and out."""

from __future__ import annotations

from senmon.assistant.evidence import cited
from senmon.messages import Passage


def test_a_reply_cites_what_it_refers_to() -> None:
    returns = Passage("returns", "Returns", "text", facts={"days": "30"}, answer="Within [[article.days]].")
    plain = Passage("care", "Care", "Wash cold.")
    both = (plain, returns)
    assert cited(both, "Sure. [[answer.2]]", acted=False) == ["returns"]
    assert cited(both, "You have [[article.days]].", acted=False) == ["returns"]
    assert cited(both, "[[order.eta]] it is.", acted=True) == []
    # Words of its own, without a reference: only what has no short answer to say may stand behind them.
    assert cited(both, "Wash it cold.", acted=False) == ["care"]
    assert cited((), "Hello!", acted=False) == []
