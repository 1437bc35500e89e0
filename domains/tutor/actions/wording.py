# ruff: noqa: E501 -- patterns, one a line
"""The words around a pupil's numbers: what says that a number is an answer, an operand, a label, a question."""

from __future__ import annotations

import re

_I = re.IGNORECASE
#: `step 2`, `question 4`, `no. 3`; not `no, 3`.
LABEL_BEFORE = re.compile(
    r"(?:\b(?:step|question|part|hint|level|year|grade|class|page|exercise|exercises|ex|q|problem|stage|task|row|chapter|unit|sheet|week"
    r"|i(?: am|[’']m)|(?<!the )(?<!my )number|(?<!next )line|nr|no\.|option|choice)\.?\s*|#\s*)$",
    _I,
)
#: `3 times`, `2 hints`, `4th`.
BOTTOM_BEFORE = re.compile(
    r"\b(?:denominators?|bottoms?)(?: number)?(?: (?:is|are|=|to|be|becomes|would|will|should|must|both))*\s*$",
    _I,
)
#: What the probes of the steps ask to do, in pupils' words.
DOES = {
    "Add": r"add\w*|plus\w*",
    "Take": r"t[oa]k\w*|subtract\w*|minus\w*|remov\w*",
    "Divide": r"divid\w*|split\w*",
    "Multiply": r"multipl\w*|times\w*",
}
NAMES_ANSWER = re.compile(
    r"\b(?:answer|solution|final|result|done|finished|[a-z] ?(?:is|=|equals))(?!\w)", _I
)
LABEL_AFTER = re.compile(
    r"^(?:st|nd|rd|th)\b|^\s*(?:steps?|ways?|hints?|things?|minutes?|mins?|hours?|lines?|questions?|tries|times\b(?!\s*\d)|attempts?|problems?"
    r"|the (?:lowest |least |common |right |new )*(?:denominator|numerator|multiple|factor)|brackets?|terms?|o'?clock|am\b|pm\b|years? old|more\b|sides|stars|days?|weeks?|pages?"
    r"|(?:on|from|off|to|at) (?:both|each|either|every))\b",
    _I,
)
_RESULTS = r"(?:got|get|gets|getting|gives?|giving|gave|is|it[’']?s|so|then|equals?|makes?|answer|leaves?|left|means|have|came|comes|think|result|that[’']?s)"
#: A number that something is done with: `divide by 3`, `take away the 7`, `the 7`.
OPERAND = re.compile(
    rf"\b(?:divid\w*|multipl\w*|times|timesed|timsed|subtract\w*|add|adds|added|adding|plus|plused|minus|minused|took|take|taking|takes|remov\w*|mov(?:e|ed|ing)"
    rf"|cancel\w*|bring|brought|undo|undid|split|carry|carried|round(?:ed)?|swap\w*|change[ds]?)\b(?:(?!\b{_RESULTS}\b|=|->|→)[^.!?\n;]){{0,40}}$"
    rf"|\b(?:by|from|the|into|that|this|with the|away)\s*$",
    _I,
)
#: `not 5`, `instead of 5`; but `not sure, 5`, `isn't it 5?`
DENIED = re.compile(
    r"\b(?:(?:not|cannot be|can[’']?t be|won[’']?t be|never)(?!\s+(?:sure|certain|100|really|very|quite|confident|too|that sure|know))"
    r"|(?:isn[’']?t|wasn[’']?t|aint|ain[’']?t)(?!\s+(?:it|that|x|the answer|this)\b)|instead of|rather than|unlike)\b"
    r"(?:(?!\b(?:but|maybe|think|is it|its|it[’']s|so|know)\b)[^.!?\n,;]){0,25}$",
    _I,
)
#: `6 is wrong`, `6 doesn't work`, `6 is too big`, `6 but I don't believe it`; not `6 is wrong, so 5`, of which 5 is left.
DENIED_AFTER = re.compile(
    r"^\s*,?\s*(?:which |that )?(?:(?:is|was|are|seems|looks|sounds|would be|must be|has to be|feels)\s+(?:just |so |clearly |probably |obviously |definitely |also )*(?:wrong|false|incorrect|impossible|too\s+\w+|not\b(?!\s+(?:wrong|false|bad))|n[o']t\b)"
    r"|(?:isn[’']?t|wasn[’']?t|can[’']?t be|cannot be|can ?not be|doesn[’']?t|does not|didn[’']?t|won[’']?t)\b(?!\s+(?:it|that|wrong)\b)"
    r"|,?\s*but\s+(?:i |we )?(?:don[’']?t|do not|can[’']?t|doesn[’']?t|it[’']?s (?:wrong|not))\b)",
    _I,
)
#: `more than 6` names a bound.
BOUND = re.compile(
    r"\b(?:more|less|bigger|smaller|greater|higher|lower|larger|fewer|closer|nearer|further) (?:than|to)\s*$|\b(?:at least|at most|above|below|between)\s*$"
    r"|\bbetween [-−]?\d+(?:\.\d+)? (?:and|or)\s*$",
    _I,
)
#: Said to be somebody else's, and not believed.
REPORTED = re.compile(
    r"\b(?:friend|brother|sister|mum|mom|dad|mother|father|teacher|classmate|neighbou?r|he|she|they|someone|somebody|everyone|everybody|calculator|internet|google|chatgpt|book|answer key|the back)\b"
    r"(?: \w+){0,3} (?:says?|said|thinks?|thought|told me|reckons?|claims?|got|gets|has|had|wrote|put|gives?|shows?)\b[^.!?\n;]{0,25}$",
    _I,
)
#: What was said before and is given up: counts only where nothing else is said.
SUPERSEDED = re.compile(
    r"\b(?:thought|at first|earlier|previously|last time|before that|no longer|(?:first|before) (?:i|we) (?:got|had|said|wrote|put)"
    r"|i (?:first )?(?:had|said|wrote|put)|(?:wanted|was (?:going|about)) to (?:say|write|put)|my (?:first|old|last|other) (?:answer|try|guess|one))\b(?:(?!\b(?:but|now)\b)[^.!?\n,;]){0,25}$",
    _I,
)
CORRECTED = re.compile(
    r"\b(?:no wait|wait no|wait|actually|i mean|i meant|meant|scratch that|correction|sorry|oops|ups|whoops|typo|rather(?! than)|make that|my bad"
    r"|changed my mind|change my mind|on second thoughts?|nvm|never mind|i take that back)\b|(?:^|\s)\*(?=[-−]?\d)|(?:^|[,.!;…]\s*|\d\s+|\b(?:hm+|oh|ah|um|uh|wait|hang on|hold on)[ ,]+)no+\b(?=[\s,.!:]*(?:its|it[’']s|it (?:must|is|has|should)|that[’']?s|[-−]?\d|[a-z] ?=|[a-z] is\b))",
    _I,
)
#: The choice after `6 or 5`.
CHOSEN = re.compile(
    r"\b(?:i(?:[’']d| would| will|[’']ll)? (?:say|pick|choose|take|go (?:for|with))|going (?:for|with)|final answer|so(?= it| x|,? [-−]?\d)|i think(?: it[’']?s| its)?(?= [-−]?\d)|probably|more likely)\b",
    _I,
)
AFTER_BECAUSE = re.compile(
    r"(?:\b(?:because|becuase|becasue|cause|cuz|cus|cos|coz|bc|bcs|bcos|bcause|since|check(?:ing)?:|proof:?|as i|i know that)|[’']cause)\b",
    _I,
)
#: An answer, and then how it was found: `12, i did the bracket first`.
THEN_WORKING = re.compile(
    r"^\W*(?:it[’']?s |(?:i think|i got|i get|maybe) )?(?:[a-z] ?(?:=|is) ?)?[-−]?\d[\d./]*[\s,;.!?:(]+(?=(?:(?:i|we) (?:did|took|used|worked|multiplied|divided|added"
    r"|subtracted|calculated)\b(?! (?:it|that)\b\W*$)|first\b))",
    _I,
)
#: `i did +1`: what was done to both sides.
DID = re.compile(r"\b(?:did|do|doing|done)\s*$", _I)
ALTERNATIVE = re.compile(r"\b(?:or|either|between|maybe|perhaps|possibly)\b|\?", _I)
EITHER = re.compile(r"\b(?:or|either|between)\b|\?", _I)
UNSURE_OF = re.compile(r"\b(?:which (?:one|is|of)|not both|only one|one of (?:them|these|those))\b", _I)
#: At the start of a clause, before a number: it is asked about, not claimed.
ASKS_ABOUT = re.compile(
    r"(?:^|[.!?;,\n]\s*|\b(?:but|so|and|ok|okay|wait|hm+|well|also|hey|um+|uh|then|like)[ ,]+)(?:why|how(?! about)|where|what(?!\s*(?:about|if (?:it|x)))"
    r"|whats|when|which|who|should (?:i|we)|do (?:i|we|you)(?! (?:get|have|think))|can (?:i|we)(?! (?:say|have))|must (?:i|we)|may i|am i supposed|would (?:i|we)|could (?:i|we))\b"
    r"(?:(?!\b(?:i got|i get|i think|so its|answer is)\b)[^.!?;\n,]){0,60}$",
    _I,
)
_THING = (
    r"(?:one|problem|problems|question|equation|sum|task|exercise|thing|calculation|expression|fraction|q)"
)
#: The pupil says that it is another problem.
ANOTHER = re.compile(
    rf"\b(?:new|next|another|other|different|second|2nd|last|following|one more|harder|easier)\s+{_THING}\b|\bone more\b|\banother\b(?! (?:try|guess|attempt|hint|answer|step|line|solution|clue|way))",
    _I,
)
#: The pupil turns to something else, where it is not made of the open problem's numbers.
SWITCH = re.compile(
    r"\b(?:forget|leave|skip|drop)\s+(?:about\s+)?(?:that|this|it)\b|\binstead\b(?! of)|\b(?:now|next|please|pls|then)\s+(?:solve|simplify|expand|factori[sz]e|work out|calculate|do|try)\b"
    r"|^\W*(?:solve|simplify|expand|factori[sz]e|work out|calculate)\b|\bcan (?:we|you) (?:do|try|solve)\b",
    _I,
)
#: The pupil wants something worked on.
WANTED = re.compile(
    r"\b(?:solve|simplify|expand|factori[sz]e|work out|calculate|compute|evaluate|find)\b|\bhelp\b|\bstuck (?:on|with)\b|\bhow (?:do|to|can|would|about|does|is)\b"
    r"|\bwhat(?:[’']?s| is| about)\b|\b(?:my |the )?homework\b|\bcan (?:you|we|i) (?:do|try)\b|\blet[’']?s (?:do|try)\b|\bnext\b(?! (?:line|step))|\bnow (?:do|this|for)\b|\bi (?:need|have|want) to (?:do|solve)\b"
    r"|\bwe (?:have|got) to\b|\btry this\b",
    _I,
)
GIVEN_AS_TASK = re.compile(
    r"\b(?:solve|simplify|expand|factori[sz]e|work out|calculate|compute|evaluate)\s*:?\s*$", _I
)
#: About maths, not a task.
CONCEPT = re.compile(
    r"\b(?:why|explain|difference between|mean|means|meaning|definition|example|is it true|always|rule|difference)\b",
    _I,
)
#: Between two claims: the second follows from the first.
LEADS_ON = re.compile(
    r"\b(?:so|then|therefore|thus|hence|gives?|makes?|get|got|means|meaning|after that|and|is|that[’']?s|plus|minus|times|add(?:ed|ing)?|divided|multiplied|subtracted)\b|[=→⇒>\n;]|->",
    _I,
)
