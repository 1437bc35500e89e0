"""Signs in a visitor's own words that they, or somebody they speak of, may harm themselves. English.

Patterns, not a model: they must hold whatever the base is, and a false alarm only costs a kind word. Idioms
(`dying to know`, `this is killing me`, `kill the process`) are left alone.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 4000
_WANT = (
    r"(?:want(?:s|ed|ing)?|wanna|going|gonna|plan(?:s|ning)?|about|ready|need|like|thinking|tried|"
    r"try(?:ing)?|"
    r"threaten(?:s|ed|ing)?|decided|wish(?:es)?)"
)
_SELF = r"(?:myself|my self|me self)"
_OTHERS = r"(?:himself|herself|themselves|themself)"
_NEAR = (
    r"(?:my|our|a)\s+(?:\w+\s+)?(?:friend|brother|sister|son|daughter|mum|mom|dad|mother|father|wife|"
    r"husband|partner|"
    r"boyfriend|girlfriend|child|kid|roommate|flatmate|classmate|student|colleague|cousin|ex|neighbou?r)"
)
_SIGNS = (
    rf"\b(?:kill(?:ing|ed)?|hang(?:ing)?|shoot(?:ing)?|drown(?:ing)?|poison(?:ing)?|unaliv(?:e|ing)) "
    rf"{_SELF}\b"
    r"(?! (?:laughing|with laughter|for (?:forgetting|missing|saying|being|not)|if (?:i|this|they|we)|"
    r"with (?:this|the|my|a) (?:camera|phone))\b)",
    rf"\b(?:hurt(?:ing)?|harm(?:ing)?|starv(?:e|ing)|burn(?:ing)?) {_SELF}\b(?! (?:while|when|playing|"
    rf"at (?:work|the gym)|"
    r"by accident|lifting|falling|running|cooking|on (?:the|a|your|this)|with (?:the|your|this|that)|"
    r"in the)\b)",
    rf"\b(?:want|wanna|urge|urges|need|going|gonna|keep|started|start|been) (?:to )?cut(?:ting)? {_SELF}\b"
    r"(?! (?:off|some|a|out|loose|shaving|while)\b)",
    r"\bcutting myself (?:again|every|to (?:feel|cope)|when i)\b",
    r"\bself[- ]?harm(?:ing|ed)?\b(?! (?:policy|policies|content|filter|article|essay|statistics|"
    r"awareness)\b)",
    r"\b(?:end(?:ing)?|tak(?:e|ing)|took) (?:my|my own|it all,? my) (?:own )?life\b(?! (?:in|as|back|"
    r"to the))",
    r"\bend it all\b(?! (?:with|at)\b)",
    r"\b(?:i|i'm|im|i am|feel|feeling|been|having|have|am) (?:\w+ ){0,2}suicidal\b",
    r"\bsuicidal (?:thoughts?|ideation|feelings?)\b(?! (?:in|among|of) (?:the|hamlet|literature|teens|"
    r"adolescents))",
    r"\b(?:commit(?:ting)?|attempt(?:ed|ing)?|contemplat(?:e|ing)|consider(?:ing)?|thinking (?:about|"
    r"of)) suicide\b"
    r"(?! (?:in|rates?|prevention|squad|hotline)\b)",
    r"\b(?:i|really|just|sometimes|honestly|still|do|also) (?:really |just |honestly |kinda )?(?:want|"
    r"wanna|wish|wanted)"
    r" (?:to |i could )?(?:just )?(?:die|be dead|disappear forever|not exist|stop existing|never wake up)\b"
    r"(?! (?:my (?:hair|shirt|dress|clothes|jeans|shoes)|it|them|this|laughing)\b)",
    r"\b(?:don'?t|do not|dont|no longer|didn'?t) (?:really |even )?want to (?:live|be alive|be here|"
    r"exist|wake up|go on)\b"
    r"(?! (?:in|with|near|there|here|at|on|early|before|until|late|so|that|the|to the|this|a|tomorrow "
    r"(?:at|before)"
    r"|for|by|like|any ?where)\b)",
    r"\b(?:can'?t|cannot|cant) (?:go on|take it|do this|live) (?:any ?more|like this any "
    r"?more)\b.{0,60}\b(?:life|living|"
    r"die|dead|alive|end|pills|goodbye)\b",
    r"\b(?:life|it|living) (?:is not|isn'?t|isnt|is no longer|'s not) worth living\b|\bnot worth living\b",
    r"\b(?:no|any) reason (?:left )?(?:to (?:live|go on living|be alive|stay alive)|for living)\b",
    r"\b(?:everyone|everybody|the world|they|people|my family|my kids) (?:would|will|'d|is|are)(?: "
    r"all)? be(?:tter)? "
    r"(?:better )?off without me\b",
    r"\b(?:i'?m|i am|i'd be|i would be|were|was) better off dead\b",
    r"\bwish (?:i|that i) (?:was|were|had) (?:dead|never been born|never born|not alive|not been born)\b",
    r"\bwish (?:i|that i) (?:would(?:n'?t| not)|could|did(?:n'?t| not)) (?:not |never )?wake up\b(?! "
    r"(?:so|at|early|before|"
    r"later|earlier|with))",
    r"\b(?:overdos(?:e|ing) (?:on|with)|swallow(?:ed|ing)? (?:all|a (?:whole )?(?:bottle|bunch)) "
    r"(?:of )?(?:my|the)?)\b"
    r"(?=.{0,40}\b(?:pills?|tablets?|meds|medication|paracetamol|tylenol|sleeping|myself|tonight|"
    r"ibuprofen)\b)",
    r"\b(?:i|i'll|i will|gonna|going to|want to|tried to|trying to) overdose\b",
    r"\bhow many (?:\w+ ){0,3}(?:pills?|tablets?|tylenol|paracetamol)\b.{0,30}\b(?:to die|to kill|"
    r"lethal|be fatal|to end)\b",
    r"\b(?:painless|easiest|quickest|best|fastest) way (?:for me )?(?:to|of) (?:die|dying|"
    r"kill(?:ing)? myself|end(?:ing)? "
    r"(?:it all|my life))\b(?! (?:in|a|on|hair|my|this)\b)",
    r"\b(?:jump(?:ing)?|throw(?:ing)? myself) (?:off|from|in front of) (?:a|the|this|my) (?:bridge|"
    r"roof|building|balcony|"
    r"train|cliff|bus|car)\b(?=.*)(?! in (?:the )?(?:game|level|minecraft))",
    r"\b(?:this is )?my (?:suicide (?:note|letter)|last (?:goodbye|note to everyone))\b",
    rf"\b{_NEAR}\b.{{0,60}}\b(?:kill|killing|hurt|hurting|harm|harming|cut|cutting|hang) {_OTHERS}\b",
    r"\b(?:took|taken|taking|swallowed) (?:a|the|my) (?:whole |entire )?(?:bottle|pack|packet) of "
    r"(?:\w+ )?(?:pills|tablets|meds)\b",
    r"\b(?:point|sense) (?:of|in) (?:living|being alive|staying alive|going on living)\b",
    r"\bhate my life and (?:\w+ ){0,3}(?:it to end|to end it|it over|to be over)\b",
    r"\b(?:been|started|am|i'm) cutting (?:again|myself)\b(?! (?:back|down|off|some|a|the|out|loose|"
    r"shaving)\b)",
    rf"\b{_NEAR}\b.{{0,40}}\b(?:talk(?:s|ing|ed)?|think(?:s|ing)?|threaten(?:s|ing|ed)?|attempted|"
    rf"tried) (?:about |of )?suicide\b",
    rf"\b{_NEAR}\b.{{0,40}}\b(?:is|feels|seems|been|was) suicidal\b",
    rf"\b{_NEAR}\b.{{0,60}}\b(?:wants to die|take (?:his|her|their) (?:own )?life|end (?:his|her|"
    rf"their) (?:own )?life)\b",
    r"(?:^|\s)(?:i'?m gonna |i'?ll |gonna )?kms(?:\s|$|[.!,])",
    r"\bgoodbye (?:cruel )?world\b.{0,80}\b(?:die|dead|pills|end|sorry)\b",
)
_SIGN = re.compile("|".join(_SIGNS), re.IGNORECASE | re.DOTALL)
#: Somebody else's words, a work, or a program: who writes so speaks of a subject, not of themselves.
_SUBJECT = re.compile(
    r"\b(?:in (?:the|this|my|a) (?:play|novel|book|film|movie|poem|song|game|story|episode|essay|"
    r"chapter|level)|the (?:character"
    r"|protagonist|hero|poet|author|narrator)|romeo|juliet|hamlet|ophelia|essay (?:on|about)|"
    r"translate|what does\b.{0,40}\bmean|"
    r"lyrics?|prevention|statistics|the (?:process|server|thread|container|daemon|script|app))\b",
    re.IGNORECASE,
)
_CERTAIN = re.compile(
    r"\bI(?:'m| am)? (?:really |just |honestly )?(?:want(?:ed)? to|going to|will|feel) ", re.IGNORECASE
)


def in_crisis(text: str) -> bool:
    """Whether `text` (its first 4,000 characters) speaks of harming oneself, or of somebody near who may."""
    plain = re.sub(r"\s+", " ", text[:MAX_CHARACTERS].replace("’", "'"))
    if not _SIGN.search(plain):
        return False
    return not _SUBJECT.search(plain) or bool(
        _CERTAIN.search(plain) and not re.search(r"translate|lyric", plain, re.I)
    )
