"""How the prose around a formula says whether it is asserted: quotes, questions, denials, examples."""

from __future__ import annotations

import re
from dataclasses import dataclass

from senmon.checks.maths_spans import Span

_SENTENCE_END = re.compile(r"[.!?]+[\"'”’)]*(?=\s|$)|\n")
_CLAUSE_START = re.compile(r"[,;:\u2014]\s|\b(?:so|then|but|because|therefore)\b", re.IGNORECASE)
_ASKING = re.compile(
    r"^\W*(?:and |so |but |now |well |ok,? )?(?:is|are|was|does|do|did|can|could|would|should|will|what if"
    r"|why|how|which|where|what about|have you|suppose)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|‘[^’\n]*’|(?<!\w)'[^'\n]*'(?!\w)|`[^`\n]*`")
_ATTRIBUTED = re.compile(
    r"\b(?:you(?:'ve|’ve)? (?:[a-z]+ ){0,2}(?:wrote|write|said|say|got|put|gave|typed|tried|thought|think"
    r"|answered|claimed|claim|suggested|written|reached|came up with|ended up with)"
    r"|(?:he|she|they|someone|people|many|pupils?|students?) (?:[a-z]+ )?(?:wrote|writes?|said|says?|thinks?"
    r"|thought|answer(?:ed|s)?|claim(?:ed|s)?|put)"
    r"|your (?:[a-z]+ ){0,2}(?:answer|step|line|equation|working|attempt|guess|result|idea|version)"
    r"(?: (?:was|is|of|says|said|reads))?)\b[^.!?\n]{0,40}$",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"\b(?:not|never|cannot|can't|can’t|isn't|isn’t|doesn't|doesn’t|don't|don’t|won't|won’t|wasn't|wouldn't"
    r"|couldn't|shouldn't|instead of|rather than|avoid|unlike|wrongly|mistakenly)\b[^.!?\n,;]{0,30}$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^[^.!?\n,;]{0,25}\b(?:not (?!a (?:hard|big))|isn't|isn’t|doesn't|doesn’t|wrong|incorrect|false"
    r"|a mistake|an error|untrue|can't|can’t|cannot|won't|impossible|a slip|never)",
    re.IGNORECASE,
)
_FAULTY = re.compile(
    r"\b(?:mistake|error|slip|trap|tempting|misconception|wrongly|incorrectly|false|wrong)\b", re.IGNORECASE
)
_AFFIRMED = re.compile(
    r"^\W*(?:yes|yep|correct|exactly|right|great|perfect|well done|good|nice|spot on|brilliant|excellent"
    r"|that's right|that’s right|you're right|you’re right|super|absolutely|indeed)\b"
    r"|\b(?:is|are|was|'s|’s|looks|it is) (?:all |quite |exactly |absolutely |indeed )?"
    r"(?:right|correct|true|spot on|fine|perfect)\b|[✓✅✔]",
    re.IGNORECASE,
)
_UNAFFIRMED = re.compile(
    r"\b(?:not|isn't|isn’t|n't|n’t|almost|nearly|close|no|but|try)\b|n't\b|n’t\b", re.IGNORECASE
)
_ASSUMED = re.compile(
    r"\b(?:if|when|let|put|putting|try|trying|substitute|substituting|suppose|say|with|where|test|testing"
    r"|take|using|use|assume|imagine|for|at|given|once|had|were)(?: that)?(?: we| you)?"
    r"(?: have| had| let| put| say)?\s*$",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"\b(?:for example|for instance|e\.g\.|an example|another example|suppose|imagine"
    r"|such as|let's say|consider)\b"
    r"(?!.*\b(?:your|our|this) (?:own )?(?:problem|equation|sum|one|task|case)\b)",
    re.IGNORECASE | re.DOTALL,
)
_FOLLOWS = re.compile(
    r"\b(?:so|then|therefore|gives?|giving|get|gets|means|leaves?|leaving|becomes?|hence|which is|simplif\w+"
    r"|divid\w+|subtract\w*|add\w*|multiply\w*|both sides|now|next|thus|turns into|same as)\b|→|⇒|=>",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"\b(?:expand\w*|simplif\w+|multipl\w+ out|factor\w*|collect\w*|is the same as|always"
    r"|identity|rule says)\b",
    re.IGNORECASE,
)
_ROUNDED = re.compile(
    r"\b(?:about|approximately|approx|roughly|rounded|rounding|round(?:s|ed)? (?:to|up|down|off)"
    r"|decimal places?|d\.?p\.?|nearest"
    r"|nearly|significant)\b|≈|\.\.\.|…",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"^\s*(?:(?:hours?|hrs?|minutes?|mins?|seconds?|days?|weeks?|months?|years?|mm|cm|km|m|kg|g|mg|ml|cl|l|litres?"
    r"|met(?:er|re)s?|pounds?|pence|p|cents?|dollars?|euros?|degrees?|tens?|hundreds?|thousands?|millions?|billions?"
    r"|dozens?|halves|thirds?|quarters?|fifths?|tenths?|hundredths?|am|pm|%|percent|o'clock)\b|°)",
    re.IGNORECASE,
)
_REMAINDER = re.compile(
    r"^\s*,?\s*(?:(?:with|and)\s+)?(?:a\s+)?(?:r|rem|remainder)\b|^\s*(?:,\s*)?(?:with|and)\s+\w+\s+(?:left|over|remaining)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """The prose around one span of `text`."""

    text: str
    span: Span

    def _bounds(self) -> tuple[int, int]:
        start = max((m.end() for m in _SENTENCE_END.finditer(self.text, 0, self.span.start)), default=0)
        after = _SENTENCE_END.search(self.text, self.span.end)
        return start, after.end() if after else len(self.text)

    @property
    def sentence(self) -> str:
        start, end = self._bounds()
        return self.text[start:end]

    @property
    def before(self) -> str:
        """The sentence up to the span."""
        return self.text[self._bounds()[0] : self.span.start]

    @property
    def after(self) -> str:
        return self.text[self.span.end : self._bounds()[1]]

    @property
    def earlier(self) -> str:
        """Everything before the span."""
        return self.text[: self.span.start]

    @property
    def asks(self) -> bool:
        """Whether the clause with the span is a question, not merely a sentence that ends in one."""
        if not re.search(r"\?[\"'”’)\s]*$", self.sentence):
            return False
        starts = [match.end() for match in _CLAUSE_START.finditer(self.before)]
        clause = self.before[max(starts, default=0) :]
        follows = _CLAUSE_START.search(self.after) or re.search(r"\b(?:and|what)\b", self.after)
        return bool(_ASKING.match(clause)) or not follows

    @property
    def denied(self) -> bool:
        before = _DENIED_BEFORE.search(self.before) is not None
        return (
            before
            or _DENIED_AFTER.search(self.after) is not None
            or _FAULTY.search(self.sentence) is not None
        )

    @property
    def affirmed(self) -> bool:
        return _AFFIRMED.search(self.sentence) is not None and _UNAFFIRMED.search(self.sentence) is None

    @property
    def quoted(self) -> bool:
        inside = any(
            m.start() < self.span.start and self.span.end < m.end() for m in _QUOTED.finditer(self.text)
        )
        return inside or _ATTRIBUTED.search(self.before) is not None

    @property
    def assumed(self) -> bool:
        return _ASSUMED.search(self.before) is not None

    @property
    def in_example(self) -> bool:
        return _EXAMPLE.search(self.earlier) is not None

    @property
    def wants_identity(self) -> bool:
        return _IDENTITY.search(self.sentence) is not None

    @property
    def rounded(self) -> bool:
        return _ROUNDED.search(self.sentence) is not None

    @property
    def has_unit(self) -> bool:
        """A unit follows, so that `90 = 1.5 hours` may be meant."""
        return _UNIT.match(self.text[self.span.end : self.span.end + 40]) is not None

    @property
    def has_remainder(self) -> bool:
        return _REMAINDER.match(self.text[self.span.end : self.span.end + 40]) is not None

    def follows_from(self, earlier: Span) -> bool:
        """Whether the prose in between presents this as derived from `earlier`."""
        return _FOLLOWS.search(self.text[earlier.end : self.span.start]) is not None
