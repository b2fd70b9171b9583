"""Checks of the answer, and of inputs no answer can be true to: the known dirt of machine-made instruction data.

Sources of the list: AlpacaDataCleaned's classes of defects, WizardLM's eliminations (arXiv 2304.12244), the filters of
open-instruct. A record without an answer passes all checks of answers but `empty_output`. Nothing here knows whether an
answer is right; that is for a judge or `synth.verify`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from synth.checks import phrases
from synth.checks.base import full_text
from synth.metrics import count_words
from synth.records import Record
from synth.tokens import unicode_tokens
from synth.verify.language import FUNCTION_WORDS, detect_language

_URL_ONLY = re.compile(r"\s*<?(?:https?://|www\.)\S+>?\s*")
_ABOUT_ADDRESSES = re.compile(
    r"\b(?:urls?|uri|domain|host ?name|protocol|path|parameters?|query|shorten|encode|parse|valid\w*)\b", re.IGNORECASE
)
_READS_PAGES = re.compile(r"\b(?:summar\w+|article|read|content|review|page|website|visit|describe)\b", re.IGNORECASE)
_NO_LAST_WORDS = """the a an and or of to in with for by from that which is are was were as at but on if because into
than its their his her le la les de du des et un une que el los las y der die das und ein eine zu mit il lo gli e di"""
_DANGLING = frozenset(_NO_LAST_WORDS.split())
_SENTENCE_END = re.compile(r"(?<!\d)[.!?。！？؟।]['\"”’»)\]*_]*\s+")
_ENDED = re.compile(r"[.!?…。！？؟।:;：]['\"”’»)\]*_]*$")
_SYMBOLS = re.compile(r"\b(?:punctuation|symbols?|operators?|emoji|morse|ascii)\b", re.IGNORECASE)
_REPEATING = re.compile(
    r"\b(?:repeat\w*|chant|chorus|lyrics|song|\d+ times|(?:five|ten|hundred) times)\b", re.IGNORECASE
)
_WANTS_JSON = re.compile(r"\bJSON\b", re.IGNORECASE)
_ABOUT_BROKEN = re.compile(
    r"\b(?:invalid|broken|malformed|fix|repair|error|wrong|template|schema|JSON5|JSONL|JSON ?lines)\b", re.IGNORECASE
)
_FENCED_JSON = re.compile(r"^[ \t]*```[ \t]*json[ \t]*\n(.*?)^[ \t]*```", re.IGNORECASE | re.MULTILINE | re.DOTALL)

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufff9-\uffff\u202a-\u202e\u2066-\u2069]"
)

_ALL_FUNCTION_WORDS = frozenset().union(*FUNCTION_WORDS.values())


def empty_output(record: Record) -> str | None:
    """Refuses records without an answer."""
    return None if record.output.strip() else "empty_output"


def refusal(record: Record, first_chars: int = 200, on_principle: bool = False) -> str | None:
    """Refuses answers that begin by saying that they cannot (looked for in the first characters), in six languages.

    Left alone are tasks that can call for one, such as a letter or an excuse, and refusals on principle: those that
    speak of harm or law are what a model should learn, unless `on_principle` is true.
    """
    found = _found("refusal", phrases.REFUSAL, record.output[:first_chars])
    return None if found and _may_refuse(record, on_principle) else found


def _may_refuse(record: Record, on_principle: bool) -> bool:
    """Whether the task may be answered so: it calls for an apology, or harm or law are given as the reason."""
    if phrases.MODEL_EXCUSE.search(record.output):
        return False
    if phrases.ON_PRINCIPLE.search(record.output):
        return not on_principle
    return bool(phrases.ABOUT_APOLOGY.search(f"{record.instruction} {record.input}"))


def as_an_ai(record: Record) -> str | None:
    """Refuses answers in which a model speaks of itself as one."""
    return _found("as_an_ai", phrases.AS_AN_AI, record.output)


def short_apology(record: Record, max_words: int = 80) -> str | None:
    """Refuses short answers that say sorry (WizardLM: fewer than 80 words).

    Left alone are tasks that can call for an apology, and refusals on principle.
    """
    found = _found("short_apology", phrases.APOLOGY, record.output)
    return found if found and count_words(record.output) < max_words and not _may_refuse(record, False) else None


def asks_back(record: Record, max_words: int = 60) -> str | None:
    """Refuses short answers that ask for what the task should have given, where the task has no input."""
    if record.input.strip() or count_words(record.output) > max_words:
        return None
    return _found("asks_back", phrases.ASKS_BACK, record.output)


def acknowledges(record: Record, max_words: int = 25) -> str | None:
    """Refuses short answers that only say that the task was understood (Auto Evol-Instruct: "Understood", "Thanks")."""
    found = _found("acknowledges", phrases.ACKNOWLEDGES, record.output)
    return found if found and count_words(record.output) <= max_words else None


def no_content(record: Record) -> str | None:
    """Refuses answers of one punctuation mark repeated, or of four and more words, all function words (WizardLM)."""
    marks = {c for c in record.output if not c.isspace()}
    if len(marks) == 1 and unicodedata.category(min(marks))[0] == "P" and not _SYMBOLS.search(record.instruction):
        return "no_content: punctuation only"
    words = unicode_tokens(record.output)
    if len(words) >= 4 and all(word in _ALL_FUNCTION_WORDS for word in words):
        stops = FUNCTION_WORDS.get(detect_language(record.output) or "", frozenset())
        if all(word in stops for word in words):
            return "no_content: function words only"
    return None


def prompt_leak(record: Record) -> str | None:
    """Refuses records that carry the frame of a prompt: section heads, chat tokens, or a second task in the answer.

    A task about such tokens may name them.
    """
    merged = _found("merged_tasks", phrases.MERGED, record.output)
    text = full_text(record)
    if phrases.ABOUT_TOKENS.search(record.instruction):
        text = phrases.CHAT_TOKEN.sub("", text)
    return merged or _found("prompt_leak", phrases.LEAK, text)


def truncated(record: Record) -> str | None:
    """Refuses answers that stop in the middle of a sentence, or of a word that is no end: "the", "of", a comma.

    A sentence is known to be one by those before it: in the same line, or in all the other lines. Tables, verse and
    lists without full stops are left alone, so not every cut is seen; the teacher's finish reason is the surer sign.
    """
    lines = [line.strip() for line in record.output.splitlines() if line.strip()]
    if not lines or "```" in lines[-1] or "|" in lines[-1] or _ENDED.search(lines[-1]):
        return None
    words = lines[-1].split()
    cut = len(words) >= 4 and (words[-1] in _DANGLING or words[-1][-1] in ",–")
    return f"truncated: …{lines[-1][-40:]}" if cut or _breaks_off(lines) else None


def _breaks_off(lines: list[str]) -> bool:
    """Whether the last line starts a sentence after whole ones, or is the only line of prose without an end."""
    start = _SENTENCE_END.split(lines[-1])
    words = start[-1].split()
    if not words or ":" in start[-1] or not words[-1][-1].isalnum():
        return False
    if len(start) > 1 and not re.match(r"[\d*•-]", lines[-1]):
        return len(words) >= 3 or (len(words) == 2 and words[-1].islower())
    prose = [line for line in lines[:-1] if len(line.split()) >= 5]
    return len(words) >= 4 and len(prose) >= 3 and all(_ENDED.search(line) for line in prose)


def repeats_instruction(record: Record, min_words: int = 8) -> str | None:
    """Refuses answers that are, or begin with, the whole instruction or input (of at least `min_words` words)."""
    given, output = record.input.strip(), record.output.strip()
    if given and given in (output, output.partition("\n\n")[2].strip()):  # the second: after "Here it is:"
        return "echoes_input"
    answer = unicode_tokens(record.output)
    task = unicode_tokens(record.instruction)
    if answer == task and task:
        return "repeats_instruction"
    if len(task) >= min_words and answer[: len(task)] == task:
        return "repeats_instruction"
    return None


def repetition(record: Record, min_words: int = 30, share: float = 0.5) -> str | None:
    """Refuses answers caught in a loop: a run of up to 40 words that, repeated on end, is more than `share` of them.

    A run counts from four times on; a line from five. A task that asks for repetition is left alone.
    """
    words = unicode_tokens(record.output)
    if len(words) < min_words or _REPEATING.search(record.instruction):
        return None
    # Four times the same in more than this share of the words leaves room for so many different runs of three.
    may_loop = len(set(zip(words, words[1:], words[2:], strict=False))) <= (1 - 0.75 * share) * len(words)
    for period in range(1, 41) if may_loop else ():
        longest = _longest_period(words, period)
        if longest >= 4 * period and longest > max(share * len(words), min_words * share):
            return f"repetition: {longest // period} times {' '.join(words[-period:])[:60]}"
    lines = Counter(line.strip() for line in record.output.splitlines() if len(line.split()) >= 4)
    line, times = lines.most_common(1)[0] if lines else ("", 0)
    return f"repetition: {times} times {line[:60]}" if times >= 5 and times > share * lines.total() else None


def _longest_period(words: Sequence[str], period: int) -> int:
    """Length of the longest stretch in which each word is the one `period` words before it."""
    best = run = 0
    for one, two in zip(words, words[period:], strict=False):
        run = run + 1 if one == two else 0
        best = max(best, run)
    return best + period if best else 0


def broken_fence(record: Record) -> str | None:
    """Refuses answers with a code fence that is opened and never closed."""
    fences = re.findall(r"^[ \t]*(?:[*-][ \t]+|\d+[.)][ \t]+)?(```+|~~~+)", record.output, re.MULTILINE)
    return "broken_fence" if len(fences) % 2 else None


def broken_json(record: Record) -> str | None:
    """Where the task speaks of JSON: refuses answers whose JSON (all of it, or each ```json block) does not parse."""
    if not _WANTS_JSON.search(record.instruction) or _ABOUT_BROKEN.search(record.instruction):
        return None
    answer = record.output.strip()
    for text in _FENCED_JSON.findall(answer) or (
        [answer] if answer[:1] in ("{", "[") and answer[-1:] in "}],;'" else []
    ):
        try:
            json.loads(text)
        except ValueError as error:
            return f"broken_json: {error}"
        except RecursionError:
            return "broken_json: nested too deeply"
    return None


def url_input(record: Record) -> str | None:
    """Refuses inputs that are nothing but the address of a page, unless the task is about addresses."""
    if not _URL_ONLY.fullmatch(record.input):
        return None
    about = _ABOUT_ADDRESSES.search(record.instruction) and not _READS_PAGES.search(record.instruction)
    return None if about else f"url_input: {record.input.strip()[:80]}"


def invented_source(record: Record) -> str | None:
    """Refuses answers that cite a page ("according to https://...") the task does not name: models make them up."""
    found = phrases.CITED_PAGE.search(record.output)
    if found and found[1].rstrip(".,)") not in f"{record.instruction} {record.input}":
        return f"invented_source: {found[1][:80]}"
    return None


def agreement(record: Record, min_share: float = 0.5) -> str | None:
    """Refuses answers on which fewer of several draws agreed (self-consistency, arXiv 2203.11171; `respond.num_draws`).

    It reads the share that respond or converse noted, so thresholds can be tried without a call; a record without a
    note passes.
    """
    share = record.meta.get("agreement")
    if isinstance(share, int | float) and share < min_share:
        return f"draws_disagree: {share:.0%} agree"
    return None


def control_characters(record: Record) -> str | None:
    """Refuses text with control characters, lone surrogates, private-use characters or overrides of direction."""
    found = _CONTROL.search(full_text(record))
    return f"control_characters: U+{ord(found[0]):04X}" if found else None


def mojibake(record: Record) -> str | None:
    """Refuses text decoded with the wrong table: runs of odd letters that are UTF-8 read as Windows-1252 or 1251."""
    for run in re.findall(r"[^\x00-\x7f]{2,}", full_text(record)):
        for table in ("cp1252", "cp1251", "latin-1"):
            if _misread(run, table):
                return f"mojibake: {run[:20]}"
    return None


def _misread(run: str, table: str) -> bool:
    """Whether the run is UTF-8 that was read with this table, to letters or common marks."""
    try:
        meant = run.encode(table).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return False
    return all(unicodedata.category(c)[0] in "LPSNMZ" for c in meant)


def self_identity(record: Record) -> str | None:
    """Refuses answers in which a model names its maker or the end of its knowledge."""
    return _found("vendor_identity", phrases.IDENTITY, record.output) or _found(
        "knowledge_cutoff", phrases.CUTOFF, record.output
    )


def _found(reason: str, pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return f"{reason}: {' '.join(found[0].split())[:80]}" if found else None


CHECKS: dict[str, Callable[..., Any]] = {
    check.__name__: check
    for check in (
        empty_output, refusal, as_an_ai, short_apology, asks_back, acknowledges, no_content, prompt_leak, truncated,
        repeats_instruction, repetition, broken_fence, broken_json, url_input, invented_source, agreement,
        control_characters, mojibake, self_identity,
    )
}  # fmt: skip
