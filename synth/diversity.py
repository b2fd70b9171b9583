"""What instructions ask for: the verb and its object noun, as in the charts of Self-Instruct (arXiv 2212.10560).

The published charts come from a dependency parser. This is the engine `lite` instead: an own list of verbs and a few
rules on word order, no model and no download. It reads English; other languages give no verb, which the coverage shows.
A question such as "What is ...?" has the verb `be` and no object. It does not parse: nested clauses may mislead it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from synth.word_forms import BE, singular, verb_forms

ENGINE = "lite"
MAX_CHARS = 600
"""Only the start of an instruction is read: that is where the request stands."""


def _list(words: str) -> list[str]:
    return words.split()


_WEAK = {"suppose", "assume", "imagine", "consider", "let"}
_FILLERS = set(
    _list("please kindly now then next first firstly second finally also just simply and or so lastly briefly")
)
_FILLERS |= set(_list("carefully okay ok hi hello instead again quickly only"))
_DO = {"do", "does", "did", "don't", "doesn't"}
_MODALS = {"can", "could", "would", "will", "should", "shall", "may", "might", "must"}
_QUESTION = {"what", "which", "who", "whom", "whose", "when", "where", "why", "how"}
_SUBJECTS = {"i", "you", "we", "he", "she", "it", "they", "there", "one"}
_OBJECT_PRONOUNS = {"me", "us", "him", "them", "you", "myself", "yourself"}
_DETERMINERS = set(_list("a an the this that these those my your our their his her its some any no every another"))
_NUMBERS = set(_list("two three four five six seven eight nine ten eleven twelve twenty hundred both several many few"))
_PARTICLES = {"up", "out", "down", "off", "away", "together"}
_PREPOSITIONS = set(
    _list(
        "about above according across after against along among around as at before behind below between by concerning "
        "despite due during except for from in including inside into like near of on onto over per regarding since "
        "than through to toward towards under until upon via with within without"
    )
)
_STOPS = _PREPOSITIONS | _QUESTION | _MODALS | BE | _DO | _SUBJECTS | _PARTICLES
_STOPS |= set(_list("and or but nor if whether while because so such that given using if then here there"))
_POSTMODIFIERS = set(
    _list(
        "given provided described mentioned written made based found shown listed used called named attached "
        "containing having following accordingly please twice again briefly correctly now well most more shorter "
        "longer better easier simpler clearer stronger cheaper faster ascendingly alphabetically"
    )
)
_GIVERS = {"give", "tell", "show", "teach", "send", "write", "offer", "ask", "make"}

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(r"[,;:()\u2013\u2014]|\s-+\s|[.!?]+(?:\s|$)")
_WORD = re.compile(r"\"|[\u201c\u201d]|[a-z]+(?:[-'][a-z]+)*|\d[\w.,/]*", re.IGNORECASE)


def verb_noun(instruction: str) -> tuple[str | None, str | None]:
    """(verb, object noun) of what is asked, in dictionary form and lower case; None for what was not found."""
    weak: tuple[str | None, str | None] | None = None
    sentences = [text for text in _SENTENCE.split(instruction[:MAX_CHARS].strip()) if text.strip()]
    for sentence in sentences[:6]:
        for part in _CLAUSE.split(sentence):
            found = _request(_words(part))
            if found and found[0] in _WEAK:
                weak = weak or found
            elif found:
                return found
    return weak or _any_verb(sentences)


_ASKING = re.compile(
    r"\?|\b(?:please|kindly|how to|need|needs|want|wants|wish|would like|looking for|help|should|must|let's|wanted)\b"
    r"|_{3,}|\.\.\.\s*$",
    re.IGNORECASE,
)


def asks(instruction: str) -> bool:
    """Does an English text ask for anything: by an order, a question, a wish, a gap to fill?"""
    if _ASKING.search(instruction):
        return True
    clauses = [_words(part) for sentence in _SENTENCE.split(instruction) for part in _CLAUSE.split(sentence)]
    return any(_orders(words) for words in clauses)


def orders(text: str) -> bool:
    """Does a clause of an English text begin with a known verb and what it is done to: "sort these lines"?"""
    clauses = [_words(part) for sentence in _SENTENCE.split(text) for part in _CLAUSE.split(sentence)]
    objects = _DETERMINERS | _OBJECT_PRONOUNS | _NUMBERS | _PREPOSITIONS | _QUESTION | {"it"}
    return any(
        len(words) > 1 and verb_forms().get(words[0]) == words[0] and (words[1] in objects or not words[1][0].isalpha())
        for words in clauses
    )


def _orders(words: list[str]) -> bool:
    """Does a clause begin like an order or a question, also with a verb that is not in the list: "file the marks"?"""
    while len(words) > 1 and words[0].endswith("ly") and words[0] not in verb_forms():
        words = words[1:]
    if words[:2] in (["tell", "of"], ["think", "of"], ["speak", "of"]) or _request(words) is not None:
        return True
    if len(words) < 2 or words[0] in _DETERMINERS | _PREPOSITIONS | _SUBJECTS | _NUMBERS:
        return bool(words) and words[0] in _QUESTION
    return words[0] in _QUESTION or words[1] in _DETERMINERS | _OBJECT_PRONOUNS | _QUESTION or words[1][0].isdigit()


def _words(clause: str) -> list[str]:
    words = [_unhyphenated(word.lower()) for word in _WORD.findall(clause)]
    start = 0
    while start < len(words) and words[start] in _FILLERS:
        start += 1
    return words[start:]


def _unhyphenated(word: str) -> str:
    """ "re-write" as "rewrite", where that is a verb of the list."""
    joined = word.replace("-", "", 1)
    return joined if word.startswith("re-") and joined in verb_forms() else word


def _request(words: list[str]) -> tuple[str, str | None] | None:
    """The request of one clause: an order, a question, or "you need to ..."; None where it only tells something."""
    if not words:
        return None
    at = _imperative(words)
    if at is None:
        at = _question(words) if words[0] in _QUESTION | BE | _DO | _MODALS or words[0] in _PREPOSITIONS else None
    if at is None:
        at = _wanted(words)
    if at is None:
        return None
    verb = verb_forms()[words[at]]
    return verb, None if verb == "be" else _object(verb, words[at + 1 :])


def _imperative(words: list[str]) -> int | None:
    """The place of a verb that opens the clause as an order."""
    if words[0] == "let's" and len(words) > 1 and words[1] in verb_forms():
        return 1
    if words[0] in _DO or verb_forms().get(words[0]) != words[0] or words[0] in BE:
        return (
            0 if words[0] == "do" and len(words) > 1 and words[1] in _DETERMINERS and not _has_base(words[2:]) else None
        )
    if len(words) > 1 and words[1] in {"of", "is", "are", "was"} and words[0] != "think":
        return None
    return 0


def _has_base(words: list[str]) -> bool:
    return any(verb_forms().get(word) == word for word in words)


def _question(words: list[str]) -> int | None:
    """The place of the main verb of a question."""
    starts = [i for i, word in enumerate(words) if word in _QUESTION]
    start = starts[0] if starts else 0
    if (starts and start > 2) or (not starts and words[0] in _PREPOSITIONS):
        return None
    forms = verb_forms()
    for at in range(start, len(words)):
        word = words[at]
        if word in _DO | _MODALS:
            return _after_subject(words, at + 1)
        if word in BE:
            doing = [
                i for i in range(at + 1, min(at + 4, len(words))) if words[i].endswith("ing") and words[i] in forms
            ]
            return doing[0] if doing and words[at + 1] in _SUBJECTS else at
        if at > start and word in forms and words[at - 1] not in _DETERMINERS:
            return at
    return None


def _after_subject(words: list[str], start: int) -> int | None:
    """The base verb after "do you", "should a beginner", ...: the first that does not follow a determiner."""
    for at in range(start, len(words)):
        if words[at] == "be" or (verb_forms().get(words[at]) == words[at] and words[at - 1] not in _DETERMINERS):
            return at
    return None


def _wanted(words: list[str]) -> int | None:
    """The verb of "I would like you to ...", "your task is to ...", "you need to ...", "can you ..."."""
    forms = verb_forms()
    for at in range(1, len(words)):
        if forms.get(words[at]) != words[at]:
            continue
        before = words[max(0, at - 4) : at]
        if before[-1] == "to" and {"you", "need", "want", "task", "goal", "job", "like", "able"} & set(before):
            return at
        if before[-1] == "you" and len(before) > 1 and before[-2] in _MODALS:
            return at
        if before[-1] in {"must", "should"} and len(before) > 1 and before[-2] == "you":
            return at
    return None


def _object(verb: str, rest: list[str]) -> str | None:
    """The head of the noun group that follows the verb."""
    at = 0
    if verb == "help" and len(rest) > 1 and rest[0] in _OBJECT_PRONOUNS:
        return None
    while at < len(rest) and (
        rest[at] in _PARTICLES or rest[at] in _OBJECT_PRONOUNS or rest[at] in _FILLERS - {"and", "or"}
    ):
        at += 1
    if at == 0 and len(rest) > 1 and rest[0] in {"and", "or"} and verb_forms().get(rest[1]) == rest[1]:
        at = 2  # "compare and contrast the two plans"
    if at < len(rest) and verb in {"come", "fill"} and rest[at] in {"with", "in"}:
        at += 1
    head, next_at = _group(rest, at)
    if head and verb in _GIVERS and next_at < len(rest) and rest[next_at] in _DETERMINERS:
        head = _group(rest, next_at)[0] or head
    return singular(head) if head else None


def _group(words: list[str], start: int) -> tuple[str | None, int]:
    """The last word of the noun group that begins at `start`, and the place of the word after the group."""
    head: str | None = None
    for at in range(start, len(words)):
        word = words[at]
        if word in _DETERMINERS:
            if head is not None or _opens_clause(words, at):
                return head, len(words) if word == "that" else at
            continue
        if word in {'"', "\u201c", "\u201d"}:
            if head is not None:
                return head, at
            continue
        if word in _STOPS and not (word == "one" and (at + 1 == len(words) or words[at + 1] in _PREPOSITIONS)):
            return head, at
        if word in _POSTMODIFIERS or (word.endswith("ly") and len(word) > 4 and head is not None):
            if head is not None:
                return head, at
            continue
        if word[0].isdigit() or word in _NUMBERS or word.endswith("'s"):
            continue
        head = word
    return head, len(words)


def _opens_clause(words: list[str], at: int) -> bool:
    """Is this "that" a conjunction, as in "show that the sum ..."?"""
    following = words[at + 1] if at + 1 < len(words) else ""
    return words[at] == "that" and following in _DETERMINERS | _SUBJECTS


def _any_verb(sentences: list[str]) -> tuple[str | None, str | None]:
    """The first verb in any form, for texts that neither order nor ask."""
    for sentence in sentences[:2]:
        for part in _CLAUSE.split(sentence):
            words = _words(part)
            for at, word in enumerate(words):
                verb = verb_forms().get(word)
                if verb and verb != "be" and (at == 0 or words[at - 1] not in _DETERMINERS | _PREPOSITIONS):
                    return verb, _object(verb, words[at + 1 :])
    return None, None


@dataclass(frozen=True, slots=True)
class VerbNouns:
    """Counts over many instructions: `pairs` of verb and noun, and `verbs` with or without a noun."""

    engine: str
    total: int
    pairs: Counter[tuple[str, str]]
    verbs: Counter[str]

    @property
    def verb_coverage(self) -> float:
        """Share of the instructions in which a verb was found, 0..1."""
        return self.verbs.total() / self.total if self.total else 0.0

    @property
    def pair_coverage(self) -> float:
        """Share of the instructions in which a verb and its object were found, 0..1."""
        return self.pairs.total() / self.total if self.total else 0.0

    def top(self, num_verbs: int = 20, num_nouns: int = 4) -> list[tuple[str, list[tuple[str, int]]]]:
        """The commonest verbs that have objects, each with its commonest objects and their counts, as published."""
        by_verb: Counter[str] = Counter()
        for (verb, _), count in self.pairs.items():
            by_verb[verb] += count
        ranked = sorted(by_verb, key=lambda verb: (-by_verb[verb], verb))[:num_verbs]
        return [(verb, self._nouns(verb)[:num_nouns]) for verb in ranked]

    def _nouns(self, verb: str) -> list[tuple[str, int]]:
        found = [(noun, count) for (one, noun), count in self.pairs.items() if one == verb]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def count_verb_nouns(instructions: Iterable[str]) -> VerbNouns:
    """The verbs and pairs of all `instructions`, each counted once."""
    pairs: Counter[tuple[str, str]] = Counter()
    verbs: Counter[str] = Counter()
    total = 0
    for instruction in instructions:
        total += 1
        verb, noun = verb_noun(instruction)
        if verb:
            verbs[verb] += 1
        if verb and noun:
            pairs[verb, noun] += 1
    return VerbNouns(ENGINE, total, pairs, verbs)
