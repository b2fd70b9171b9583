"""Echoes of a model that talks to itself: the user answers, the assistant asks itself, names of roles in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from synth.checks.tasks import has_material
from synth.diversity import orders
from synth.metrics import ngrams
from synth.records import Record
from synth.tokens import unicode_tokens
from synth.verify.language import FUNCTION_WORDS, detect_language, is_language
from synth.word_forms import singular

_ROLE = (
    r"(?:user|human|assistant|ai|bot|system|person|benutzer|nutzer|assistent|utilisateur|usuario|asistente|utente|usuário"
    r"|пользователь|ассистент|用户|助手|ユーザー|アシスタント)"
)
ROLE_LINE = re.compile(
    rf"^[ \t]*(?:[*_#<|\[]{{0,4}}[ \t]?{_ROLE}[*_>|\]]{{0,4}}[ \t]*[:：]|#{{1,4}}[ \t]*{_ROLE}[ \t]*$)"
    rf"|<\|(?:im_start|{_ROLE})\|?>|\[/?INST\]",
    re.I | re.M,
)
"""A name of a role before a text, or a mark of a chat template."""
_FENCED = re.compile(r"^[ \t]*```.*?^[ \t]*```", re.M | re.S)
_ANSWERS = re.compile(
    r"\W*(?:sure|certainly|of course|absolutely|great question|here (?:is|are)|here's|i(?: a|')m sorry, but"
    r"|(?:yes|correct|true|exactly|that(?: i|'|’)s (?:right|correct))(?=[,.!])"
    r"|i apologi[sz]e|as an ai|you(?: a|')re welcome|how (?:can|may) i (?:help|assist)|is there anything else"
    r"|i(?: a|')m here to help|i(?:'d| would) be happy to|let me know if"
    r"|thank you for (?:your question|reaching out|asking))\b",
    re.I,
)
_SERVES = re.compile(
    r"\bis there anything else\b|\bwould you like(?! me)\b|\bwhich \w+ (?:do|would) you (?:want|like) to\b"
    r"|(?:^|[.!?]\s)\W*(?:do you want(?! me)|are you (?:looking|trying|asking)|have you ever"
    r"|what(?: is|['’]s) your favou?rite|is there (?:\w+ ){1,5}you(?: are|['’]re) (?:looking|trying))\b",
    re.I,
)
"""What assistants ask their users: what they want, look for, like."""
_SHARED = 0.8
"""A message repeats another that begins with this share of its words."""
_SHORT = 8
"""Answers of fewer words may be the same to two questions: a number, a name, yes."""
_LONG = 40
"""A user who asks for something in one message uses fewer different words than this, or a question mark."""
_TELLING, _MOSTLY = 5, 0.65
"""A question repeats an earlier one that holds this share of its telling words, where it has at least this number."""
_NEW = 0.25
"""An answer of _TELLING telling words or more says something new if this share of them, and two, are new."""
_FEW = 3
"""A message or an answer with this number of telling words says something again if all of them were said before."""
_START = 5
"""A message without a question mark that begins with more words of an answer goes on with it."""
_RUN, _COPIED, _WHOLE = 8, 0.55, 20
"""An answer of 20 words or more is a copy if 0.55 of them stand in runs of 8 that an earlier answer has too."""
_DATA = re.compile(r"[{}|]|```")
"""Code and tables hold the same rows again when they are sorted or written in another form."""
_WANTS = re.compile(
    r"(?:^|[.!,:]\s+|\b(?:please|and|now|then|or)\s+)"
    r"(?:please|can|could|would|will|may|what|how|why|when|where|who|which|i (?:need|want|would)|now|again)\b"
    r"|\bplease\b",
    re.I,
)
"""What an English message that asks for something without a question mark holds, or an order."""
_PERSONAL = re.compile(
    r"\b(?:did|were) you\b|(?:^|\b(?:what|why|how|where|when|which|who)\s+)(?:have|are) you\b|\byou have\?"
    r"|\bdo you (?:like|love|enjoy|feel|prefer|live|work|own)\b"
    r"|\byour (?:own|name|life|family|friends?|area|home|house|job|day|age|opinion|experience|favou?rite)\b",
    re.I,
)
"""What asks about the assistant itself, which has no life."""
_PERSON = re.compile(r"\W*(?:(?:yes|no|sure|ok|well)\W+)?(?:i|we|my|our)\b", re.I)
_OPEN_QUESTION = re.compile(r"\W*(?:what|why|who|whom|whose|which|where|when|how)\b(?!.*\bor\b)", re.I | re.S)
_SAME_TWICE = re.compile(
    r"\b(\w{4,40}) or \1\b|^\W{0,9}(?:the |an? )?([^.]{4,60}?) (?:is|are|was|were|means?)\b[^.,;]{0,200} \2\W{0,9}$",
    re.I,
)
"""Small models explain a word as "a situation or situation", and say that the chair is the chair."""
_DEFINES = re.compile(
    r"\bwhat (?:does|do|is|are|means?) (?:an? |the )?\W?([^\W\d_]+)\W?(?: means?)?(?: in this context)?\?", re.I
)
_REASON = re.compile(r"\W*why\b", re.I)
_FOLLOWING = re.compile(r"\bof the following\b(.*)", re.I | re.S)
_LONGEST = 40
"""Longer words are not stemmed: the stemmer calls itself for each letter of a row of y."""
_LINKS = frozenset(
    "because these those then than also can could would will may please what which who how why when where".split()
)
_QUESTION_MARKS = "?？؟;"
_CLOSES = re.compile(
    r"\b(?:thanks?|thank you|sorry|(?:not|n't) (?:get|understand|follow|sure)|confus\w+|lost me)\b", re.I
)
"""A user who thanks or did not understand need not ask."""


def _names_role(text: str) -> bool:
    """Does a text beside code name a role, as the lines of a written talk do?"""
    return bool(ROLE_LINE.search(_FENCED.sub("", text)))


def user_echo(text: str, talk: Record, language: str | None = None) -> str | None:
    """Why `text` cannot be what the user of `talk` (with its answer) says next; None where it can."""
    if not text.strip():
        return "empty_turn"
    if _names_role(text):
        return "role_name"
    if _ANSWERS.match(text) or _SERVES.search(text):
        return "user_answers"
    if _PERSONAL.search(text):
        return "user_is_personal"
    said = [turn["content"] for turn in talk.messages() if turn["role"] != "system"]
    if _repeats(text, said[1::2]):
        return "user_repeats_answer"
    before = [question for question in said[::2] if not _has_other_numbers(text, question)]
    if _repeats(text, before) or any(_asks_again(text, question) for question in before):
        return "user_repeats_question"
    if _tells(text, said):
        return "user_tells"
    if (announced := _FOLLOWING.search(text)) and not _lists(announced[1]):
        return "missing_input"
    return "wrong_language" if language and not is_language(text, language) else None


def answer_echo(text: str, talk: Record, language: str | None = None, may_copy: bool = False) -> str | None:
    """Why `text` cannot be the assistant's answer to the last question of `talk`; None where it can.

    `may_copy`: the user asked for the last answer once more, in other words.
    """
    if not text.strip():
        return "empty_turn"
    if _names_role(text):
        return "role_name"
    if _repeats(text, [talk.question]):
        return "assistant_repeats_question"
    if _asks(text) and _asks(talk.question):
        return "assistant_asks"
    words = _same(text)
    if len(words) >= _SHORT and words in {_same(answer) for _, answer in talk.history}:
        return "assistant_repeats_answer"
    is_free = not may_copy and not _DATA.search(text)
    if is_free and copies(text, (answer for _, answer in talk.history)):
        return "assistant_copies"
    if _is_circular(text, talk.question) or _SAME_TWICE.search(text) or _names_itself(text, talk.question):
        return "circular_answer"
    if is_free and _says_nothing_new(text, talk):
        return "nothing_new"
    return "wrong_language" if language and not is_language(text, language) else None


def agreement(answer: str, other: str, question: str) -> float:
    """How far another draw of an answer says the same, 0..1: the share of their telling words that both have.

    The words of the question are left out, since every answer to it has them. What a model knows it says again; what it
    makes up differs from draw to draw (SelfCheckGPT, arXiv 2303.08896).
    """
    told, others = _told(answer, question), _told(other, question)
    return len(told & others) / len(told | others) if told | others else 1.0


def _told(text: str, question: str) -> set[str]:
    """The telling words and numbers of an answer that its question does not hold, without their endings."""
    return stems(text) - stems(question)


@lru_cache(50_000)
def stem(word: str) -> str:
    return word if len(word) > _LONGEST else _stemmer().stem(singular(word))


def stems(text: str) -> set[str]:
    """The telling words of a text without their endings."""
    return {stem(word) for word in telling(text)}


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def copies(text: str, earlier: Iterable[str]) -> bool:
    """Is a text long, and do most of its words stand in runs that earlier ones have too?"""
    words = _same(text)
    known = {run for other in earlier for run in ngrams(_same(other), _RUN)}
    starts = [n for n, run in enumerate(ngrams(words, _RUN)) if run in known]
    return len(words) >= _WHOLE and len({n + k for n in starts for k in range(_RUN)}) >= _COPIED * len(words)


def _is_circular(text: str, question: str) -> bool:
    """Does an English answer to an open question hold nothing but words of the question?"""
    may_be = len(_same(text)) > 3 and _OPEN_QUESTION.match(question) and detect_language(text) == "en"
    return bool(may_be) and not re.search(r"\d", text) and not _told(text, question)


def _names_itself(text: str, question: str) -> bool:
    """Does the answer to "What does X mean?" need X to say it?"""
    word = _DEFINES.search(question)
    return bool(word) and sum(stem(one) == stem(word[1].casefold()) for one in _same(text)) > 1 + text.count("\n") + (  # type: ignore[index]
        text.count(". ")
    )


def _lists(text: str) -> bool:
    """Does anything stand after "of the following"?"""
    return has_material(text) or text.count(",") > 1 or " or " in text


def _asks_again(text: str, question: str) -> bool:
    """Do nearly all words of a message stand in an earlier question in its order, or most of the telling ones?

    A text below the question is no part of what was asked: it may be asked about.
    """
    from rapidfuzz.distance import LCSseq

    words, others = _same(text), _same(question.partition("\n\n")[0])
    if len(words) >= _SHORT and LCSseq.similarity(words, others) >= _SHARED * len(words):
        return True
    about = telling(text)
    share = len(about & set(others)) / max(1, len(about))
    return (len(about) >= _TELLING and share >= _MOSTLY) or (len(about) >= _FEW and share == 1)


def _has_other_numbers(text: str, question: str) -> bool:
    """Has a message numbers that a question has not? Then it asks the same of another case."""
    return bool({word for word in _same(text) if word.isdigit()} - set(_same(question)))


def telling(text: str) -> set[str]:
    """The words that tell what a text is about: no function words of its language or of English."""
    known = FUNCTION_WORDS["en"] | FUNCTION_WORDS.get(detect_language(text) or "", frozenset()) | _LINKS
    return {word for word in _same(text) if (len(word) > 2 or word.isdigit()) and word not in known}


def drifts(text: str, talk: Record, examples: Iterable[str]) -> bool:
    """Is a message about something in an example of its prompt, and about nothing in the talk?"""
    about = telling(text)
    here = {word for turn in talk.messages() for word in _same(turn["content"])}
    return not about & here and any(len(about & set(_same(example))) > 1 for example in examples)


def _tells(text: str, said: Sequence[str]) -> bool:
    """Does a message ask nothing: a long text, one in words of the talk so far, or an English one without a wish?

    Nor does one that begins as an answer before it. `said`: questions and answers by turns.
    """
    if any(mark in text for mark in _QUESTION_MARKS) or _CLOSES.search(text):
        return False
    own = _same(text)
    if any(_alike(own, _same(answer)) > _START for answer in said[1::2]) or copies(text, said[1::2]):
        return True
    words, known = set(own), {word for turn in said for word in _same(turn)}
    in_their_words = len(words) > 3 and len(words & known) >= _SHARED * len(words)
    return (
        len(words) > _LONG
        or in_their_words
        or (detect_language(text) in ("en", None) and detect_language(" ".join(said)) == "en" and not _wants(text))
    )


def _wants(text: str) -> bool:
    """Does an English message without a question mark ask for something?"""
    return len(_same(text)) > 1 and bool(_WANTS.search(text) or orders(text))


def is_personal(answer: str) -> bool:
    """Does an answer begin with what its writer is, has or did?"""
    return bool(_PERSON.match(answer))


def _says_nothing_new(text: str, talk: Record) -> bool:
    """Stand nearly all telling words of an answer in its question and the answers before it?"""
    before = set().union(*(stems(answer) for _, answer in talk.history))
    words = stems(text)
    if len(words) < _TELLING and not _REASON.match(talk.question):
        return len(words) >= _FEW and words <= before
    return len(words - before - stems(talk.question)) < max(2, _NEW * len(words))


def _asks(text: str) -> bool:
    """Is `text` nothing but a question?"""
    return text.rstrip().endswith("?") and not re.search(r"[.!:]\s|\n", text.strip())


def _same(text: str) -> tuple[str, ...]:
    return tuple(unicode_tokens(text))


def _repeats(text: str, others: Iterable[str]) -> bool:
    """Does `text` stand in another message, or is most of it how that one begins?"""
    words = _same(text)
    return len(words) > 2 and any(_has(_same(other), words) for other in others)


def _has(other: tuple[str, ...], words: tuple[str, ...]) -> bool:
    return _alike(words, other) >= max(4, _SHARED * len(words)) or f" {' '.join(words)} " in f" {' '.join(other)} "


def _alike(words: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many words two texts have in common at their beginning."""
    return next((n for n, (a, b) in enumerate(zip(words, other, strict=False)) if a != b), min(len(words), len(other)))
