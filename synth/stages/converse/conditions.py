"""Does a talk leave a wish of its user to be wished for, does a message say it, and does an answer do it?

The words that a message must hold are English: messages in other languages are let through.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from synth.checks.talk import copies, is_personal, stem, stems, telling
from synth.records import Record
from synth.tokens import unicode_tokens
from synth.verify.ifeval import count_words
from synth.verify.language import detect_language
from synth.verify.sentences import split_sentences

Fits = Callable[[Record], bool]  # (the talk) -> can that be wished for after its last answer?
Said = Callable[[str, Record, str], bool]  # (the user's message, the talk before it, what it is about) -> does it ask?
Done = Callable[[Record, str, str], bool]  # (the talk with the message, its answer, what it is about) -> is it done?
Taken = Callable[[Record, str, str], str]  # (the same) -> what the talk takes for the answer

VAGUE = frozenset(
    "next case another other second last same different example examples list something anything given means".split()
)
"""Words that tell nothing of what a talk is about."""
PLAIN = frozenset(
    "list points make say shorter short brief sentence single simpler simple simply words explain understand get don"
    " again more another one example thanks thank need please help helps".split()
)
"""Words of a short message that anybody may write: it is no echo, also where an example of the prompt says the same."""
_LONG_ANSWER = 25
"""Words of an answer that can be made shorter, or a list."""
_HARD_WORDS, _HARD_LETTERS = 15, 4.5
"""An answer of so many words or more, of so many letters on average, can be put in simpler words."""
_ENUMERATION = 3
"""Commas, or names, of an answer that lists."""
NAME = re.compile(r"(?<=[a-z,;] )[A-Z]\w+")
"""A word with a capital inside an English sentence."""
_ITEM_COMMAS = 1
"""Most commas of an item of a list; one with more is a list itself."""
_SHORTER = 0.8
"""A shorter answer has at most this share of the words."""
_KEPT, _KEPT_SIMPLER = 0.7, 0.5
"""Least share of the telling words of a shorter answer, one sentence or a list that the last answer has too, and of one
in simpler words."""
_LEFT = 0.4
"""Least share of the telling words of the last answer that one in simpler words still has: fewer lose a point."""
_HEDGE = r"usually|generally|typically|often|sometimes|mostly|likely|perhaps|possibly|may|might|could"
_HEDGES, _IS_HEDGED = re.compile(rf"\b(?:{_HEDGE})\b", re.I), re.compile(rf"\b(?:{_HEDGE}|can)\b", re.I)
"""Words by which a text says that something holds mostly or perhaps; those by which an answer says so."""
_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]", re.M)
_DATA = re.compile(r"[{}|=]|```")
_ONE_ANSWER = re.compile(
    r"\W*(?:what|which|who|when|where|how|is|are|does|do|calculate|compute|solve|count|find|identify|classify|convert"
    r"|translate|determine|state|spell|name the)\b",
    re.I,
)
_COLLECTS = re.compile(r"\b(?:name|list|give|suggest|example|examples|provide)\b", re.I)
_EXPLAINS = re.compile(r"\W*(?:what|why|how|explain|describe|define|can you explain|could you explain|tell me)\b", re.I)
_NO_SENTENCE = re.compile(r"\W*(?:yes|sure|certainly|of course)\b[^:]*$|\bis when\b|\bmeans\b|\brefers\b", re.I)
"""What talks about a word instead of using it."""
_UNNAMED = re.compile(r"\b[Ww]hat(?: is|['’]s| are) the [a-z][a-z' -]*\?")
"""A question about something that nobody has named: "the history of the city"; "of Rome" would be clear."""
_MEANS = re.compile(r"\bmeans?\b", re.I)


def _is_prose(talk: Record) -> bool:
    return not _ITEM.search(talk.output) and not _DATA.search(talk.output)


def is_long(talk: Record) -> bool:
    return count_words(talk.output) >= _LONG_ANSWER and not _DATA.search(talk.output)


def has_sentences(talk: Record) -> bool:
    return _is_prose(talk) and len(split_sentences(talk.output)) > 1


def has_parts(talk: Record) -> bool:
    return is_long(talk) and _is_prose(talk)


def is_hard(talk: Record) -> bool:
    return _is_prose(talk) and count_words(talk.output) >= _HARD_WORDS and _letters(talk.output) > _HARD_LETTERS


def collects(talk: Record) -> bool:
    return bool(_COLLECTS.search(talk.question))


def has_one_answer(talk: Record) -> bool:
    """Is it a task with one right answer, which may be asked of other things too?"""
    return bool(_ONE_ANSWER.match(talk.question)) and not _MEANS.search(talk.question)


def explains_something(talk: Record) -> bool:
    """Is there anything to put in simpler words? An enumeration would lose what it holds, and names have no others."""
    listed = max(talk.output.count(","), len(NAME.findall(talk.output)))
    return is_hard(talk) and bool(_EXPLAINS.match(talk.question)) and listed < _ENUMERATION


def says(pattern: str) -> Said:
    """Does an English message hold one of the words?"""
    words = re.compile(pattern, re.I)
    return lambda message, _talk, _word: detect_language(message) not in ("en", None) or bool(words.search(message))


def names(message: str, _talk: Record, word: str) -> bool:
    return stem(word.lower()) in stems(message)


def both(one: Said, other: Said) -> Said:
    return lambda message, talk, about: one(message, talk, about) and other(message, talk, about)


def names_a_case(message: str, talk: Record, _word: str) -> bool:
    known = {word for turn in talk.messages() for word in telling(turn["content"])}
    return bool(telling(message) - known - VAGUE)


def stands_alone(message: str, _talk: Record, _word: str) -> bool:
    return not _UNNAMED.search(message)


def _last(asked: Record) -> str:
    return asked.history[-1][1]


def is_as_sure(answer: str, told: str) -> bool:
    """Does an answer that repeats what is `told` keep its hedge: mostly, often, may?"""
    return not _HEDGES.search(told) or bool(_IS_HEDGED.search(answer))


def is_shorter(asked: Record, answer: str, _word: str) -> bool:
    return count_words(answer) <= _SHORTER * count_words(_last(asked)) and _keeps_to(asked, answer)


def is_one_sentence(asked: Record, answer: str, _word: str) -> bool:
    return len(split_sentences(answer)) == 1 and _numbers(_last(asked)) <= _numbers(answer) and _keeps_to(asked, answer)


def is_list(asked: Record, answer: str, _word: str) -> bool:
    items = [line.strip(" -*•.0123456789)").lower() for line in answer.splitlines() if _ITEM.match(line)]
    is_split = all(item.count(",") <= _ITEM_COMMAS for item in items)
    return is_split and len(items) == len(set(items)) > 1 and _keeps_to(asked, "\n".join(items))


def _keeps_to(asked: Record, answer: str, share: float = _KEPT) -> bool:
    """Are so many of the telling words of an answer words of the last one, and is it as sure?"""
    told = stems(answer)
    return len(told & stems(_last(asked))) >= share * len(told) and is_as_sure(answer, _last(asked))


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


def _letters(text: str) -> float:
    words = re.findall(r"[^\W\d_]+", text)
    return sum(map(len, words)) / max(1, len(words))


def is_simpler(asked: Record, answer: str, _word: str) -> bool:
    """Has it shorter and other words than the last answer, enough of the same, and is it no copy of the user's text?"""
    last, told = stems(_last(asked)), stems(answer)
    keeps = _keeps_to(asked, answer, _KEPT_SIMPLER) and _LEFT * len(last) <= len(told & last) < len(last)
    return keeps and not copies(answer, (asked.history[0][0],)) and _letters(answer) < _letters(_last(asked))


def explains_anew(asked: Record, answer: str, _word: str) -> bool:
    """Does it answer, neither begin with what was not understood nor give back a text that the user brought?"""
    is_same = split_sentences(answer)[:1] == split_sentences(_last(asked))[:1]
    return not is_same and "?" not in answer and not is_personal(answer) and not copies(answer, (asked.history[0][0],))


def uses(_asked: Record, answer: str, word: str) -> bool:
    """Is it a sentence with the word, and not about such sentences?"""
    words = unicode_tokens(answer)
    return word.lower() in words and "sentence" not in words and not _NO_SENTENCE.search(answer)
