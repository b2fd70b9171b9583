"""Talks about a text that the user brought: what can be asked of it, and does an answer stand in it?

A sentence is drawn from the text and the user asks what it answers; the assistant answers without knowing the sentence.
Both are kept if they meet in it: round-trip consistency, as in Alberti et al. (arXiv 1906.05416), and answers out of a
text as in dialog inpainting (arXiv 2205.09073).
"""

from __future__ import annotations

import re

from synth.checks.talk import stem, telling
from synth.records import Record
from synth.verify.ifeval import count_words
from synth.verify.language import detect_language
from synth.verify.sentences import split_sentences

_LEAST = 30
"""A text of fewer words is not asked about."""
_WORDS = range(6, 41)
"""A sentence of so many words can be asked about."""
_SENTENCE = re.compile(r"[^\W\d_a-z][^{}|=<>`]*[.!。]")
"""What begins with a capital and ends with a stop, without data."""
_NEW = 2
"""Least telling words of a sentence that neither side has said, nor the question asks with."""
_OPEN = re.compile(
    r"\b(?:what|who|whom|whose|which|where|when|why|how)\b[^.?]*\?|\b(?:explain|describe|tell me)\b", re.I
)
_SENTENCES = 2
"""Most sentences of an answer; a longer one gives the text back."""
_IS = re.compile(r"\W*what(?: is|'s|’s| are| was| were) (?:the |an? |his |her |its |their )?([\w' -]+)\?", re.I)
"""A question what something is; the group holds what."""
_COPULAS = ("is", "are", "was", "were", "include", "includes", "included", "means", "refers", "consists")
"""What follows the thing in an answer that says what it is."""
_UNSAID = 0.5
"""Least share of the telling words of an answer that neither side has said before."""
_GROUNDED = 0.9
"""Least share of the telling words of each sentence of an answer that one sentence of the text has."""


def untold(talk: Record) -> list[str]:
    """The sentences of the user's text that tell what neither side has said yet."""
    if count_words(_text(talk)) < _LEAST:
        return []
    said = _stems(_said(talk))
    return [
        one
        for one in _sentences(talk)
        if count_words(one) in _WORDS and _SENTENCE.fullmatch(one) and len(_stems(one) - said) >= _NEW
    ]


def asks_about(message: str, talk: Record, sentence: str) -> bool:
    """Is a message an open question about the text, and does it leave what the sentence tells to the answer?"""
    asked = _stems(message)
    is_open = detect_language(message) not in ("en", None) or _OPEN.search(message)
    return bool(is_open and asked & _stems(_text(talk))) and len(_stems(sentence) - asked) >= _NEW


def stands_there(asked: Record, answer: str, sentence: str) -> bool:
    """Does an answer say what the sentence says, mostly what nobody has said, and nothing that is not in the text?

    Words of the question do not count. Each sentence of the answer has to stand in one of the text: an answer that
    takes its words from two may mix up what they say.
    """
    known = [_stems(one) for one in _sentences(asked)]
    told = [_stems(one) - _stems(asked.question) for one in split_sentences(answer)]
    whole = set().union(*told)
    new = whole - _stems(_said(asked))
    return (
        len(told) <= _SENTENCES
        and len(new) >= _UNSAID * len(whole)
        and bool(new & _stems(sentence))
        and all(any(len(one & other) >= _GROUNDED * len(one) for other in known) for one in told)
        and not _tells_of_it(asked.question, answer)
    )


def _tells_of_it(question: str, answer: str) -> bool:
    """Does an English answer to "What is X?" say what X does, or what is done with it, and not what it is?"""
    asked = _IS.match(question)
    if asked is None:
        return False
    after = re.match(rf"\W*(?:\w+ )?{re.escape(asked[1].strip())} (\w+)(?: (\w+))?", answer, re.I)
    return after is not None and (after[1].lower() not in _COPULAS or (after[2] or "").lower().endswith("ed"))


def _sentences(talk: Record) -> list[str]:
    parts = [one.strip() for line in _text(talk).splitlines() for one in split_sentences(line)]
    return list(dict.fromkeys(parts))


def _text(talk: Record) -> str:
    """What stands below the first question of a talk."""
    return _questions(talk)[0].partition("\n\n")[2]


def _said(talk: Record) -> str:
    """All that both sides have said beside the text."""
    first, *others = _questions(talk)
    answers = [turn["content"] for turn in talk.messages() if turn["role"] == "assistant"]
    return "\n".join([first.partition("\n\n")[0], *others, *answers])


def _questions(talk: Record) -> list[str]:
    return [turn["content"] for turn in talk.messages() if turn["role"] == "user"]


def _stems(text: str) -> set[str]:
    return {stem(word) for word in telling(text)}
