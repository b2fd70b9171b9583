"""Talks about a text that the user brought: what can be asked of it, and does an answer stand in it?

A sentence is drawn from the text and the user asks what it answers; the assistant answers without knowing the sentence.
Both are kept if they meet in it: round-trip consistency, as in Alberti et al. (arXiv 1906.05416), and answers out of a
text as in dialog inpainting (arXiv 2205.09073).
"""

from __future__ import annotations

import re
from itertools import pairwise

from synth.checks.talk import stem, stems, telling
from synth.records import Record
from synth.stages.converse.conditions import NAME, is_as_sure
from synth.stages.converse.questions import says_little
from synth.tokens import unicode_tokens
from synth.verify.ifeval import count_words
from synth.verify.language import detect_language
from synth.verify.sentences import split_sentences

_LEAST = 30
"""A text of fewer words is not asked about."""
_WORDS = range(6, 26)
"""A sentence of so many words can be asked about; longer ones are seldom told whole."""
_SENTENCE = re.compile(r"[^\W\d_a-z][^{}|=<>`]*[.!。]")
"""What begins with a capital and ends with a stop, without data."""
_NEW = 2
"""Fewest telling words that a sentence adds to what was said and asked; an answer to how or why adds as many."""
_OPEN = re.compile(
    r"\b(?:what|who|whom|whose|which|where|when|why|how)\b[^.?]{0,300}\?|\b(?:explain|describe|tell me)\b", re.I
)
_POINTS = re.compile(r"\b(?:it|its|they|them|their|this|these|those|he|she|his|her|him|such|you think)\b", re.I)
"""What a question may not hold: who asks with the text before them names what they mean, and wants no opinion."""
_SAYS = re.compile(r"\b(?:say|said|says|tell|tells|told|mention|mentions|mentioned)\b.{0,40}\babout\b(.*)", re.I)
"""What asks for the words of the text; the group holds about what."""
_ASKED = 2
"""Fewest telling words of the text that a question holds."""
_HOW = re.compile(r"\bwhy\b|\bhow (?:do|does|did|is|are|was|were|can|could|has|have|will|would)\b", re.I)
"""What a few words cut out of the text do not answer."""
_UNSAID = 0.5
"""Least share of the telling words of an answer that neither side has said before."""
_ASKING = (
    "text notice recipe story poem article passage author say mention tell kind type name call year many much long"
)
"""Words that a question may add to those of its sentence."""
_OWN = 1
"""Most telling words of a question beside those of its sentence, of the talk and _ASKING."""
_ASKED_FOR = re.compile(
    r"\W*(?:what|which) (?:(?:is|are|was|were) )?"
    r"(?:(?:the|an?|some|of|other|different|various|two|three|four|five|kinds?|types?|sorts?|names?) )*"
    r"(?!(?:do|does|did|can|could|will|would|has|have|had|should|may|might|must|happen\w*)\b)"
    r"(?!(?:years?|time|day|date|ways?|examples?|names?)\b)(\w+)",
    re.I,
)
"""The group holds what a question wants to know of a thing: purpose, of "What is the purpose of the map?"."""
_UNNAMED = re.compile(
    r"\b(?:this|these|those)\b|^\W*(?:like|unlike|as|in|on|at|for|with|without|despite|while|when|after|before|during"
    r"|since|until|from|by|if)\b[^,]{0,200}, (?:he|she|it|they|his|her|its|their)\b",
    re.I,
)
"""What does not name whom it is about: "Like the others, it ..."."""
_LEANS = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|its|their|this|these|those|such|so|thus|then|here|also|too|same|however"
    r"|therefore|thereby|hence|instead|otherwise|similarly|likewise|nevertheless|moreover|furthermore|additionally"
    r"|another|others?|latter|former|finally|later|subsequently|eventually|afterwards|meanwhile|more \w+ly"
    r"|in (?:fact|particular|addition|contrast)|for (?:example|instance)|as a result)\b",
    re.I,
)
"""What points to the sentence before."""
_BRACKETS = re.compile(r"\([^()]*\)")
"""What an answer may leave out of its sentence."""
_FILLING = (
    "text states says mentions describes suggests discusses includes examples certain different many several some"
    " various"
)
"""Words that an answer may add to its sentence: "the text mentions several ways, for example ..."."""


def brings_a_text(talk: Record) -> bool:
    """Does a text stand below the first question, long enough to be asked about?"""
    return count_words(_text(talk)) >= _LEAST


def untold(talk: Record) -> list[str]:
    """The sentences of the user's text that tell what neither side has said yet."""
    if not brings_a_text(talk):
        return []
    said = stems(_said(talk))
    return [
        one
        for one in _sentences(talk)
        if count_words(one) in _WORDS and _SENTENCE.fullmatch(one) and len(stems(one) - said) >= _NEW
    ]


def asks_about(message: str, talk: Record, sentence: str) -> bool:
    """Is a message an open question that names what in the text it is about, and leaves what the sentence tells?

    What an English one wants to know stands in the sentence; so do its names, or in the sentence before or the first
    exchange. Else models ask for the purpose of what has none, and tell of one what the text tells of another.
    """
    asked_for = _ASKED_FOR.match(message)
    named = NAME.findall(message) if detect_language(message) in ("en", None) else []
    before = next((one for one, after in pairwise(_sentences(talk)) if after == sentence), "")
    return (
        _asks(message, talk, sentence)
        and len(stems(message) & stems(_text(talk))) >= _ASKED
        and (not asked_for or stem(asked_for[1].lower()) in map(stem, unicode_tokens(sentence)))
        and stems(" ".join(named)) <= stems(f"{before} {sentence} {_opening(talk)}")
    )


def asks_what_it_says(message: str, talk: Record, sentence: str) -> bool:
    """Does a message ask what the text says about a thing that the sentence names, and no other sentence of it?"""
    says = _SAYS.search(message)
    named = stems(says[1]) if says else set()
    elsewhere = set().union(*(stems(one) for one in _sentences(talk) if one != sentence))
    known = stems(f"{sentence} {_opening(talk)}")
    return _asks(message, talk, sentence) and bool(named & stems(sentence) - elsewhere) and named <= known


def _asks(message: str, talk: Record, sentence: str) -> bool:
    """Is a message a question to which the sentence tells more than it holds?

    An English one is open, without pronouns and invented numbers, and takes little for given that was not said.
    """
    own = stems(message) - stems(f"{sentence}\n{_said(talk)}\n{_ASKING}")
    is_clear = detect_language(message) not in ("en", None) or (
        _OPEN.search(message) and not _POINTS.search(message) and len(own) <= _OWN
    )
    return (
        bool(is_clear) and _numbers(message) <= _numbers(_text(talk)) and len(stems(sentence) - stems(message)) >= _NEW
    )


def _numbers(text: str) -> set[str]:
    """The numbers of an English text: who asks for three reasons must have read of three."""
    return set(re.findall(r"\d+|\b(?:two|three|four|five|six|seven|eight|nine|ten)\b", text.lower()))


def stands_there(asked: Record, answer: str, sentence: str) -> bool:
    """Does an answer say in a sentence all that `sentence` says, mostly what nobody has said, and nothing else?

    An answer out of another sentence, or out of two, is none to this question; a part of it may lack what limits it.
    """
    question = stems(asked.question)
    new = stems(answer) - question - stems(_FILLING)
    told, given = _told_and_given(asked, answer, sentence)
    explains = _HOW.search(asked.question)
    return (
        len(split_sentences(answer)) == 1
        and len(new - stems(_said(asked))) >= max(_NEW if explains else 1, _UNSAID * len(new))
        and told == given
        and is_as_sure(f"{asked.question} {answer}", sentence)
        and not says_little(asked.question, answer)
        and not _UNNAMED.search(answer)
        and (not explains or bool(stems(answer) & question))
    )


def whole(asked: Record, answer: str, sentence: str) -> str:
    """The sentence, where an answer tells a part of it and it is understood without the one before; else the answer.

    A part may lack what limits it. Answers that are sentences of a text: dialog inpainting (arXiv 2205.09073).
    """
    told, given = _told_and_given(asked, answer, sentence)
    starts = range(len(given) - len(told) + 1) if told and told != given else ()
    is_part = any(given[start : start + len(told)] == told for start in starts)
    return sentence if is_part and not _LEANS.search(sentence) else answer


def _told_and_given(asked: Record, answer: str, sentence: str) -> tuple[list[str], list[str]]:
    """The telling words of an answer and of its sentence, in their order, without what stands in brackets.

    Words of _FILLING are left out, and those of the question, since an answer may begin with them. Where the user asks
    what the text says about a thing, those that the sentence has stay: moved to the front they may turn it round. Of
    the answer, names that were said before are left out: they stand for "it".
    """
    question = stems(asked.question)
    moved = question - (stems(sentence) if _SAYS.search(asked.question) else set()) | stems(_FILLING)
    named = stems(_said(asked)) - stems(sentence)
    told, given = (_in_order(_BRACKETS.sub("", text)) for text in (answer, sentence))
    return [one for one in told if one not in moved | named], [one for one in given if one not in moved]


def _in_order(text: str) -> list[str]:
    tells = telling(text)
    return [stem(word) for word in unicode_tokens(text) if word in tells]


def _sentences(talk: Record) -> list[str]:
    parts = [one.strip() for line in _text(talk).splitlines() for one in split_sentences(line)]
    return list(dict.fromkeys(parts))


def _text(talk: Record) -> str:
    """What stands below the first question of a talk."""
    return _questions(talk)[0].partition("\n\n")[2]


def _said(talk: Record) -> str:
    """All that both sides have said beside the text."""
    _, *others = _questions(talk)
    return "\n".join([_opening(talk), *others, *_answers(talk)])


def _opening(talk: Record) -> str:
    """The first question, without the text below it, and its answer."""
    return "\n".join([_questions(talk)[0].partition("\n\n")[0], *_answers(talk)[:1]])


def _answers(talk: Record) -> list[str]:
    return [turn["content"] for turn in talk.messages() if turn["role"] == "assistant"]


def _questions(talk: Record) -> list[str]:
    return [turn["content"] for turn in talk.messages() if turn["role"] == "user"]
