"""Does an English answer tell what its question asks for? By their words alone, in the clear cases.

Questions are sorted by the kind of their answers, as by Li and Roth (2002).
"""

from __future__ import annotations

import re

from synth.checks.talk import stems

_NUMBER = (
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(?:twen|thir|for|fif|six|seven|eigh"
    r"|nine)ty|hundred|thousand|million|billion|dozen|half|once|twice|none|no|never|always)\b"
)
_PLACE = (
    r"\b(?:in|on|at(?! (?:the )?age)|near|nearby|by|from|via|above|across|against|along|alongside|among|around|behind"
    r"|below|beneath|beside|between|beyond|inside|into|next|off|onto|opposite|outside|over|past|through|throughout"
    r"|toward|towards|under|underneath|up|down|upon|within|everywhere|nowhere|anywhere|there|here|online|abroad"
    r"|upstairs|downstairs|home|north|south|east|west)\b"
)
_TYPES = (
    (r"\bhow (?:many|much|long|old|far|fast|often|tall|high|deep|big|large|heavy|wide)\b", _NUMBER),
    (r"\bwhy\b|\breasons?\b", r"\b(?:because|since|due|so|to|by|as|if|when|reasons?|caus\w+|mak\w+|help\w*|lead\w*)\b"),
    (r"\bmeans?\b|\bmeaning of\b",
     r"\b(?:means?|meaning|refers?|stands|describes?|(?:is|are|was|were) (?:an?|the|when|how|that|to))\b"),
    (r"^\W*how (?:can|could|do|does|did|is|are|was|were)\b", r"\b(?:by|with|through|using|via|from)\b"),
    (r"\bwhat\b.{0,300}\b(?:for\?|used for\b)", r"\b(?:to|because|so|used|known|famous|for an?)\b"),
    (r"^\W*where\b", rf"{_PLACE}|\bto (?-i:the|an?|[A-Z])|^\W*\w+(?:\W+\w+){{0,3}}\W*$"),
    (r"\bname of\b", r"(?-i:(?!^)\b[A-Z]\w|^\W*[A-Z]\w*\W*$)|[\"“]"),
    (r"\bwhen (?:did|does|do|is|are|was|were|can|will|should)\b|\bwhat (?:time|day|year|date)\b",
     rf"{_NUMBER}|(?:day|ary|ch|ril|may|june|july|august|ber)\b|\b(?:before|after|during|when|until|since|soon|if)\b"),
)  # fmt: skip
"""What a question asks for → what its answer holds then."""
_IS = re.compile(
    r"\W*what(?: time| day| year)?(?: is|'s|’s| are| was| were) (?:the |an? |his |her |its |their )?([\w' -]+)\?", re.I
)
"""A question what something is; the group holds what."""
_COPULAS = ("is", "are", "was", "were", "include", "includes", "included", "means", "refers", "consists")
"""What follows the thing in an answer that says what it is."""
_PARTICIPLE = re.compile(r"\w+ed|known|seen|found|kept|held|given|taken|shown|written|grown", re.I)
"""What follows "is" in an answer that tells what is done with the thing; what it is made of says what it is."""
_AFTER_NOUN = r"(?= (?:of|in|on|for|to|at|by|from|with|about|between|that|which|who|\w{1,40}ed)\b|[,.;]|$)"
_IS_ONE = r"\b(?:is|are|was|were) (?:the|an?) (?:(?:set|list|number|group|kind|type|form) of )?(?:[\w'-]{1,40} )?"
_HEAD = re.compile(rf"([\w'-]{{1,40}}){_AFTER_NOUN}")
"""The noun of what is asked for: film, of "first film in the series"."""
_KIND = re.compile(r"\W*(?:what|which) (?:(?:kind|type|sort)s? of )?(?!(?:is|are|was|were) )(\w+)", re.I)
"""What an answer is to name; "what is" asks for no kind."""
_ANY_KIND = r"\W*(?:an?|no|some|many|several|various|(?:all|many|different|various) (?:kinds|types|sorts) of) "
"""The start of an answer that names none: "all kinds of creatures" to "what kind of creatures?"."""
_THERE_ARE = re.compile(
    r"\b(?:has|have|had|there (?:is|are|was|were))((?: [\w'-]{1,40}){1,4})(?!.{0,200}\b(?:includ|such as))", re.I
)
"""An answer that says only that there are such things; the group holds which."""


def says_little(question: str, answer: str) -> bool:
    """Does an answer leave out what was asked for, though it speaks of it?"""
    asked = _IS.match(question)
    is_said = asked is not None and any(
        says(asked[1].strip(), answer) for says in (_what_it_does, _itself, _that_it_is)
    )
    return is_said or _any_of_it(question, answer) or _is_of_other_kind(question, answer)


def _what_it_does(thing: str, answer: str) -> bool:
    """Does an answer to "What is X?" say what X does, or what is done with it?"""
    after = re.match(rf"\W*(?:\w+ )?{re.escape(thing)} (\w+)(?: not| well| \w+ly)?(?: (\w+))?", answer, re.I)
    return after is not None and (after[1].lower() not in _COPULAS or _PARTICIPLE.fullmatch(after[2] or "") is not None)


def _itself(thing: str, answer: str) -> bool:
    """Does it say that X is an X?"""
    noun = _HEAD.search(thing)
    return bool(noun and re.search(rf"{_IS_ONE}{re.escape(noun[1])}\b{_AFTER_NOUN}", answer, re.I))


def _that_it_is(thing: str, answer: str) -> bool:
    """Does it say that there is X: "Each goal has targets"?"""
    there = _THERE_ARE.search(answer)
    return there is not None and bool(stems(there[1]) & stems(thing))


def _any_of_it(question: str, answer: str) -> bool:
    """Does an answer to "Which X?" begin with "some X"?"""
    kind = _KIND.match(question)
    return kind is not None and re.match(rf"{_ANY_KIND}(?:\w+ )?{kind[1]}s?\b", answer, re.I) is not None


def _is_of_other_kind(question: str, answer: str) -> bool:
    """Does it hold no number, reason, time or name where one was asked for?"""
    return any(re.search(asks, question, re.I) and not re.search(holds, answer, re.I) for asks, holds in _TYPES)
