"""Checks of a proposed task that real models made necessary: is it a task at all, and is what it is about there?

They read instruction and input without a model. English has rules of its own for words; what can be told in any
language (scripts, labels, brackets) is told in any. In doubt a task passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any

from synth.diversity import asks
from synth.records import Record
from synth.tokens import unicode_tokens
from synth.verify.language import FUNCTION_WORDS, SCRIPTS, detect_language, main_script, script_of

MAX_CHARS = 2000
"""Only this much of a text is read: what a model says may be of any length, and the patterns take time."""
_THING = (
    r"(?:task|instruction|prompt|question|request|example|exercise|problem|rewrite|version|answer|response|reply)s?"
)
_TALK = re.compile(
    rf"\s*(?:sure\b[,!.:]|certainly\b[,!.:]|of course\b[,!.:]|as an ai\b"
    rf"|(?:here(?:'s| is| are)|below (?:is|are)|the following (?:is|are))\b[^.?!\n]{{0,40}}\b{_THING}\b"
    rf"|i(?:'ve| have)? (?:added|written|created|rewritten|made|changed|generated|modified)\b"
    rf"|(?:this|the|your) (?:new |rewritten |given |original |updated |harder |second |first )*{_THING}"
    rf" (?:asks|requires|involves|adds|above|below|should|has been|needs|can be|remains)\b"
    rf"|(?:new|rewritten|updated|revised|harder) {_THING}\b\s*:?)",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"\s*(?:kind|topic|type|category|instruction|input|output|task(?: \d+)?)\s*:", re.IGNORECASE)

_MATERIAL = (
    r"(?:text|passage|paragraph|excerpt|sentence|article|table|list|code|snippet|function|program|script|poem|story|"
    r"e-?mail|letter|message|review|dialogue|conversation|transcript|document|data|dataset|recipe|words|names|numbers|"
    r"items|figures|values|items|lines|notes|statement|schedule|query|database|report|essay|speech|quote|description)s?"
)
_POINTS = re.compile(
    rf"(?<!\ba )(?<!\bany )\b(?:following|given|provided|attached|above)\s+(?:\w+\s+){{0,3}}{_MATERIAL}\b"
    rf"|\b(?:this|these)\s+(?:\w+\s+)?{_MATERIAL}\b"
    rf"|\b{_MATERIAL}\s+(?:below|above|provided|given|attached)\b"
    r"|\b(?:in|from|of) the (?:list|table|sentence|paragraph|dataset)\b(?! of)|^\s*extract\b"
    r"|^\s*(?:sort|rank|order|arrange|compare|group|classify|put|translate|convert) (?:each of )?these\b"
    r"|\bthe (?:passage|paragraph|excerpt|snippet|text|input)\b(?! (?:of|messages?|box|field|editor|file|format)\b)"
    r"|\bthe following\b[^.?!:\n]{0,60}[.?!:]?\s*$",
    re.IGNORECASE,
)
_UNSEEN = re.compile(
    r"^(?:(?!\b(?:and|but|so|if|when|because|which|that)\b)[^,.?!;:\n\d])*?"
    r"(?<!\bis )(?<!\bdo )(?<!\bdoes )(?<!\bdid )\b(?:this|these) (?!(?:\w+ )?(?:time|day|week|weekend|month|year"
    r"|season|spring|summer|autumn|fall|winter|morning|afternoon|evening|night|century|decade|world|planet|task)s?\b)[a-z]+"
    r"|^\s*given (?:the \w+ of )?(?:an?|two|three|some|any) [^,.?!:\d]{2,60},",
    re.IGNORECASE,
)
"""A first clause that says "this ..." or "given a ...,", whatever the noun. With a figure the thing may be told."""
_INLINE = re.compile(r":\s*\S+\s+\S|\s[-–—]\s\S|[\"“”«»„`]|\n\s*\S|'[^']{8,}'|\d+\s*,\s*\d+\s*,\s*\d|\w+(?:, \w+){3,}")
_STANDS_FOR = re.compile(
    rf"\s*(?:the |some |any |your |a |an |sample |example |insert |input |given |provided )*"
    rf"(?:input|material|{_MATERIAL})"
    r"(?: (?:goes )?here| to (?:be )?\w+| itself)?\s*[.:]?\s*",
    re.IGNORECASE,
)
_DESCRIBES = re.compile(
    rf"\s*(?:an?|the|some|any|your|my|two|three|several) (?:[\w-]+ ){{0,2}}{_MATERIAL}"
    r" (?:of|with|containing|contains?|that|about|from|describing|listing|for|which|showing|where|including|to be)\b"
    r"[^\n]*",
    re.IGNORECASE,
)
_FINITE = re.compile(r"\b(?:is|are|was|were|has|had|have|will|would|can|could|did|does|said|went|came|made)\b", re.I)
_FILE_NAME = re.compile(r"[\w-]{1,60}\.(?:json|csv|tsv|txt|pdf|html?|xlsx?|docx?|py|sql)")
_BRACKETED = re.compile(r"\s*(?:\([^()\n]*\)|\[[^\[\]\n]*\]|<[^<>\n]*>)\s*\.?\s*")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|„[^“”\n]*[“”]|'[^'\n]{4,}'|`[^`]*`|\([^)\n]*\)")


MIN_WORDS = 4
"""Shorter quotations name something; longer ones are material."""
_CODE = re.compile(
    r"(?i)\b(?:write|create|implement|define|design|build)\b[^.?!]{0,40}\b(?:function|program|script|class)\b"
)
"""Where code is to be written, "a given list" is what will be passed to it."""
_WRITE_CODE = re.compile(
    r"(?i)\W*(?:please )?(?:write|create|implement|generate|develop|build) (?:(?!of|for|to|about|on|in)[\w-]+ ){0,5}"
    r"(?:function|program|script|class|piece of code)\b"
)
_IS_CODE = re.compile(r"\s*(?:```|def \w+\(|class \w+|function \w+\(|public |#include|import \w+|from \w+ import)")
_USES = re.compile(
    r"(?i)\b(?:this|these|following|below|above|existing|tests?|refactor\w*|documentation|like"
    r"|(?:given|provided|input) (?:\w+ )?(?:code|function|program|script|class|snippet))\b"
)
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s|\n")
_QUOTED_LAST = re.compile(r":\s*[\"'“«„`]([^\"“”«»„`]+)[\"'”»“`]\s*[.!?]?$")


def not_a_task(record: Record) -> str | None:
    """Refuses instructions that ask for nothing: a label, a topic, a bare noun phrase, talk about the task.

    Whether a sentence asks is told in English only; texts in other languages pass unless they are a label.
    """
    text = record.instruction[:MAX_CHARS]
    if not any(map(str.isalpha, text)):
        return "not_a_task: no words"
    talk = _TALK.match(text)
    if talk:
        return f"not_a_task: {talk[0].strip()[:60]}"
    if _LABELLED.match(text) or _is_label(text):
        return "not_a_task: a label"
    return None if not _is_english(text) or asks(text) else "not_a_task: it asks for nothing"


def _is_label(text: str) -> bool:
    """Is it a row of short attributes: "translate; ferry; hard"?"""
    parts = [part.split() for part in text.strip().rstrip(".").split(";")]
    return len(parts) > 2 and "\n" not in text.strip() and max(map(len, parts)) <= 4


def _is_english(text: str) -> bool:
    only_latin = set(_scripts(text)) <= {"LATIN"}
    return only_latin and (detect_language(text) == "en" or (text.isascii() and detect_language(text) is None))


def missing_input(record: Record) -> str | None:
    """Refuses tasks that point at material which is not there, and inputs that describe material instead of being it.

    `Summarise the passage.` without an input; `(pass a list)`, `The material`, `A table with three columns` as one.
    """
    given = record.input.strip()
    if not given:
        found = _POINTS.search(record.instruction[:MAX_CHARS]) or _unseen(record.instruction[:MAX_CHARS])
        if record.instruction.rstrip().endswith(":") and not record.history:
            return "missing_input: what the colon announces"
        is_there = (
            found is None or record.history or has_material(record.instruction) or _CODE.search(record.instruction)
        )
        return None if is_there else f"missing_input: {found[0].strip()[:60]}" if found else None
    if stands_for_input(given) or _FILE_NAME.fullmatch(given):
        return f"missing_input: {given[:60]}"
    return None


def _unseen(text: str) -> re.Match[str] | None:
    return None if re.search(r"\d", text) else _UNSEEN.match(text)


def double_input(record: Record) -> str | None:
    """Refuses tasks whose instruction ends on a quotation to work on although they have an input that is another one.

    `Translate this into French: "Il pleut."` with the input `It rains.`: one of the two is the answer.
    """
    found = _QUOTED_LAST.search(record.instruction[:MAX_CHARS].rstrip()) if record.input.strip() else None
    quoted = found[1] if found else ""
    is_one = len(unicode_tokens(quoted)) < MIN_WORDS or stands_in(quoted, record.input)
    return None if is_one else f"double_input: {quoted[:60]}"


def answering_input(record: Record, min_share: float = 0.65) -> str | None:
    """Refuses tasks whose input is their answer: code for a program to be written, a text that answers a question.

    `What is the largest planet?` with the input `The largest planet is Jupiter. It has rings.`: the first sentence
    holds `min_share` of the question's words (function words apart), and the question does not point at it. English
    only.
    """
    question, given = record.instruction[:MAX_CHARS].strip(), record.input[:MAX_CHARS].strip()
    if _WRITE_CODE.match(question) and _IS_CODE.match(given) and not _USES.search(question):
        return "answering_input: code"
    if not question.endswith("?") or _POINTS.search(question) or not _is_english(question):
        return None
    asked, first = _telling(question), {*unicode_tokens(_SENTENCE_END.split(given, maxsplit=1)[0])}
    answers = len(asked) > 1 and len(asked & first) >= min_share * len(asked)
    return "answering_input: it answers the question" if answers else None


def _telling(text: str) -> set[str]:
    return {word for word in unicode_tokens(text) if word not in FUNCTION_WORDS["en"]}


def stands_in(part: str, whole: str) -> bool:
    """Does `part`, of MIN_WORDS words or more, stand in `whole` word by word?"""
    words = unicode_tokens(part[:MAX_CHARS])
    return len(words) >= MIN_WORDS and f" {' '.join(words)} " in f" {' '.join(unicode_tokens(whole[:MAX_CHARS]))} "


def has_material(instruction: str) -> bool:
    """Does the instruction itself hold what it is about: a quotation, a list, something after a colon or a line end?"""
    return len(instruction) > MAX_CHARS or bool(_INLINE.search(instruction.strip()))


def stands_for_input(text: str) -> bool:
    """Does an input describe what ought to stand there?"""
    if "\n" in text.strip() or len(text.split()) > 30 or len(text) > MAX_CHARS:
        return False
    if _STANDS_FOR.fullmatch(text):
        return True
    bracketed = _BRACKETED.fullmatch(text) and len(text.split()) > 2 and not re.search(r"\d|[,;=\"']", text)
    return bool(bracketed or (_DESCRIBES.fullmatch(text) and not _FINITE.search(text) and ":" not in text))


def mixed_language(record: Record, min_words: int = 4, min_share: float = 0.2) -> str | None:
    """Refuses instructions that change script or language within a sentence. Quotations and brackets are left out.

    The second script or language must hold `min_words` words and `min_share` of the words that tell.
    """
    text = _QUOTED.sub(" ", record.instruction[:MAX_CHARS])
    for counts in (_scripts(text), _languages(text)):
        ranked = counts.most_common(2)
        if len(ranked) == 2 and ranked[1][1] >= min_words and ranked[1][1] >= min_share * counts.total():
            return f"mixed_language: {ranked[0][0].lower()} and {ranked[1][0].lower()}"
    return None


_SPACELESS = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "CJK": "CJK", "THAI": "THAI"}


def _scripts(text: str) -> Counter[str]:
    """The longest run of words in each script; in scripts without spaces two characters count as a word.

    A run, since names and terms of another script (JSON, SQL, a brand) stand alone within a sentence.
    """
    longest: Counter[str] = Counter()
    run, before = 0.0, ""
    for word in re.findall(r"[^\W\d_]+", text):
        found = script_of(word[0]) or ""
        script = _SPACELESS.get(found, found)
        run = (run if script == before else 0.0) + (len(word) / 2 if script in _SPACELESS else 1)
        longest[script], before = max(longest[script], int(run)), script
    return longest


def _languages(text: str) -> Counter[str]:
    """Function words of exactly one language among those of the text's script, by language."""
    candidates = SCRIPTS.get(main_script(text) or "", ())
    found: Counter[str] = Counter()
    for word in unicode_tokens(text):
        owners = [code for code in candidates if word in FUNCTION_WORDS.get(code, ())]
        if len(owners) == 1:
            found[owners[0]] += 1
    return found


def gibberish(record: Record, max_share: float = 0.3) -> str | None:
    """Refuses tasks that are no language.

    In the instruction symbols or mangled words make up more than `max_share`, words are repeated, punctuation marks
    follow each other, or 12 and more words hold no function word of any language; the input holds a word twice in a
    row; either breaks off, or closes a bracket that was not opened.
    """
    text = _QUOTED.sub(" ", record.instruction[:MAX_CHARS])
    letters = sum(char.isalnum() or unicodedata.category(char)[0] == "M" for char in text)
    visible = sum(not char.isspace() for char in text)
    words = unicode_tokens(text)
    if visible >= 8 and letters < (1 - 2 * max_share) * visible:
        return "gibberish: symbols"
    if words and sum(map(_is_mangled, words)) > max_share * len(words):
        return "gibberish: no words"
    if len(words) >= 8 and Counter(words).most_common(1)[0][1] > 0.5 * len(words):
        return "gibberish: one word repeated"
    sentences = [] if "\n" in record.instruction else re.split(r"[.!?]\s", text)
    if any(_repeats(unicode_tokens(sentence)) for sentence in sentences):
        return "gibberish: words repeated"
    spoken = _QUOTED.sub("Q", record.instruction[:MAX_CHARS])
    broken = next((detail for detail, pattern in _BROKEN if pattern.search(spoken)), None)
    if broken:
        return f"gibberish: {broken}"
    if any(_is_crossed(given[:MAX_CHARS]) for given in (record.instruction, record.input)):
        return "gibberish: brackets"
    if _CUT_INPUT.search(record.input[:MAX_CHARS]) and len(record.input) < MAX_CHARS:
        return "gibberish: the input breaks off"
    if _TWICE.search(record.input[:MAX_CHARS]):
        return "gibberish: words repeated"
    known = {word for code in SCRIPTS.get(main_script(text) or "", ()) for word in FUNCTION_WORDS.get(code, ())}
    if known and set(_scripts(text)) <= {"LATIN"} and len(words) >= 12 and not any(word in known for word in words):
        return "gibberish: no sentence"
    return None


_OPENED_BY = {")": "(", "]": "[", "}": "{"}
_LIST_MARK = re.compile(r"(?m)(?:^|\s)\(?\w{1,3}\)|[:;]-?[)(]")


def _is_crossed(text: str) -> bool:
    """Is a bracket closed that was not opened, or not last? One left open may be what a task is about."""
    opened: list[str] = []
    for char in _LIST_MARK.sub(" ", text):
        if char in _OPENED_BY.values():
            opened.append(char)
        elif char in _OPENED_BY and (not opened or opened.pop() != _OPENED_BY[char]):
            return True
    return False


def _repeats(words: list[str]) -> bool:
    """Do five words come again in their order, or three at once?"""
    fives = [tuple(words[at : at + 5]) for at in range(len(words) - 4)]
    at_once = any(words[at : at + 3] == words[at + 3 : at + 6] for at in range(len(words) - 5))
    return at_once or len(set(fives)) < len(fives)


_BROKEN = (
    ("punctuation", re.compile(r"[,;:]\s*[,;]|,\s*\.(?!\.)|[!?]{3,}")),
    (
        "it breaks off",
        re.compile(
            r"(?:[,;(\[{«&=]|\b(?:and|or|the|of|an?|my|your|his|its|their|because|than|which|using|from|by|into|that|if|when|as|was))\s*$"
        ),
    ),
)
"""What hardly any sentence has, whatever its language; each was counted on tasks that people wrote."""


_CUT_INPUT = re.compile(r"[,(\[{«&=]\s*\Z")
_TWICE = re.compile(r"\b([^\W\d_]{5,30}) \1\b", re.IGNORECASE)


def _is_mangled(word: str) -> bool:
    """Is it too long for a word, or letters with digits inside, or consonants without end?"""
    return len(word) > 30 or bool(re.search(r"[a-z]\d+[a-z]|[bcdfghjklmnpqrstvwxz]{6}|(.)\1{3}", word))


CHECKS: dict[str, Callable[..., Any]] = {
    "not_a_task": not_a_task,
    "missing_input": missing_input,
    "double_input": double_input,
    "answering_input": answering_input,
    "mixed_language": mixed_language,
    "gibberish": gibberish,
}
