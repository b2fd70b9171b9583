"""Checks of language, by the light detector of `synth.verify.language`: a text too short to tell is believed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from synth.checks.base import Check
from synth.metrics import count_words
from synth.records import Record
from synth.tokens import unicode_tokens
from synth.verify.language import FUNCTION_WORDS, SCRIPTS, detect_language, main_script

_OTHER_LANGUAGE = re.compile(
    r"\b(?:translat\w*|locali[sz]\w*|languages?|traduc\w*|tradui\w*|übersetz\w*|перев\w+|say|phrase|english|french|german|spanish|italian|portuguese|"
    r"dutch|polish|czech|russian|ukrainian|greek|turkish|arabic|persian|hebrew|hindi|bengali|tamil|thai|vietnamese|indonesian|"
    r"chinese|mandarin|japanese|korean|latin|swedish|danish|norwegian|finnish|romanian|hungarian|swahili|romanized|pinyin)\b"
    r"|翻译|语|文|訳|번역|अनुवाद|ترجم",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"```|^\s*(?:[{\[<#]|def |class |import |from \w+ import|SELECT\b|public |function )|[;{}]\s*$", re.MULTILINE
)


def language(languages: Sequence[str] = ("en",)) -> Check:
    """Refuses instructions that are surely in none of these languages (ISO 639-1).

    Sure is another script, or two and more function words of another language and three times as many as of these.
    """
    wanted = {code.lower().split("-")[0] for code in languages}

    def check(record: Record) -> str | None:
        text = record.instruction
        found, script = detect_language(text), main_script(text)
        if script is None or found in wanted:
            return None
        if not wanted & set(SCRIPTS[script]):
            return f"wrong_language: {found or script}"
        if found is None:
            return None
        other, own = _num_function_words(text, found), max(_num_function_words(text, code) for code in wanted)
        if own and _OTHER_LANGUAGE.search(text):
            return None
        return f"wrong_language: {found}" if other >= max(2, 3 * own) else None

    return check


def answer_language(record: Record, min_words: int = 12, min_share: float = 0.15) -> str | None:
    """Refuses answers surely in another language than instruction and input, where the task names no language.

    Sure is another script, or the same script with at least `min_share` of all words function words of the other
    language, and three times as many as of the task's. Code and answers of fewer words are believed.
    """
    task = f"{record.instruction}\n{record.input}"
    if count_words(record.output) < min_words or _OTHER_LANGUAGE.search(task) or _CODE.search(record.output):
        return None
    answered = detect_language(record.output)
    asked = {detect_language(part) for part in (record.instruction, record.input, task)} - {None}
    if answered is None or not asked or answered in asked:
        return None
    other = _num_function_words(record.output, answered)
    foreign_script = not any(set(SCRIPTS[main_script(record.output) or ""]) & {code} for code in asked)
    own = max(_num_function_words(record.output, code) for code in asked if code)
    sure = other >= max(min_share * len(unicode_tokens(record.output)), 3 * own)
    return f"wrong_answer_language: {answered}" if foreign_script or sure else None


def _num_function_words(text: str, language: str) -> int:
    """How many of the words of `text` are function words of the language."""
    known = FUNCTION_WORDS.get(language, frozenset())
    return sum(word in known for word in unicode_tokens(text))


CHECKS: dict[str, Callable[..., Any]] = {"language": language, "answer_language": answer_language}
