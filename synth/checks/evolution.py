"""Checks of an evolved record against the one it was made from: the eliminations a program can decide.

WizardLM (arXiv 2304.12244, section 3.2) names four: no gain, hard to answer, only stop words, words of the prompt in
the result. Auto Evol-Instruct (arXiv 2406.00770) adds: asks back, loses what the task was about. Whether a task really
got harder is for a judge. Each check is made by a function of its options and looks at `(parent, child)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from synth.checks import improbable as improbability
from synth.metrics import count_words, rouge_l_tokens
from synth.records import Record
from synth.tokens import unicode_tokens
from synth.verify.language import FUNCTION_WORDS, detect_language

_PROMPT_WORDS = re.compile(
    r"#?\b(?:given|rewritten|rewritted|created|evolved|original|new) prompt\b#?|\bthe (?:above|previous) prompt\b"
    r"|\b(?:rewritten|evolved|original|given) instruction\b|\brewrit(?:e|ing) (?:the|this) (?:prompt|instruction)\b",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"^\W*(?:(?:the|my) (?:correct |final )?(?:answer|result|solution)s? (?:is|are|would be|to this)\b"
    r"|(?:answer|solution)\s*:"
    r"|(?:sure|certainly|of course|absolutely|great question)\b[,!.:]|here(?: is|['’]s| are) (?:the|my|your|an?|some) "
    r"(?:answer|solution|result|list|response|code|poem|summary|story)\b|as an ai\b)",
    re.IGNORECASE,
)
_ASKS_BACK = re.compile(
    r"\b(?:could|can|would) you (?:please |kindly )?(?:provide|clarify|share|specify|give me) (?:me )?"
    r"(?:more|further|additional|which|what|some more)\b"
    r"|\bplease (?:provide|share|clarify|specify) (?:more|further|additional|the (?:prompt|instruction|text|input))\b"
    r"|\bI (?:need|would need|require) (?:more|further|additional) (?:information|details|context)\b"
    r"|\b(?:thank you|thanks) for\b|\blet me know (?:if|what|which)\b|\bwhat would you like\b",
    re.IGNORECASE,
)
_TASK_HEAD = re.compile(
    r"^[ \t#*>-]{0,12}(?:task|prompt|question|instruction|version|option|variant)\s*#?\s*(?:\d+|[A-D])\s*[:.)*]",
    re.IGNORECASE | re.MULTILINE,
)
_THING = r"(?:input|table|text|code|data|list|passage|sentence|article|e-?mail|material|paragraph|numbers?|values?)"
_REFERS = re.compile(
    rf"[\s\"'`*_<(\[]{{0,9}}(?:input:?\s)?(?:(?:the )?same(?: {_THING})?(?: (?:as|to) [\w ]{{1,40}})?"
    r"|(?:[\w ]{1,40} )?(?:is |are |was |left |kept |remains? )?(?:unchanged|not changed|the same)"
    r"|no changes?(?: needed| made)?|(?:[\w ]{1,40} )?as (?:given|above|before|provided|it is|is)(?: [\w ]{1,30})?"
    r"|(?:see|use) (?:above|the [\w ]{1,30} above)"
    rf"|(?:the )?(?:original|given|above|previous) {_THING}(?: above)?)[\s\"'`*_>)\].]{{0,9}}",
    re.IGNORECASE,
)
"""An input that only names another one."""
_CUT = re.compile(
    r"^[ \t|>*-]{0,9}(?:\.{3,9}|…|\[(?:\.{3}|…)\]|[\[(](?:the )?(?:rest|remaining|other|more|further|continued?)\b"
    r"[^\])\n]{0,60}[\])])[ \t|.…]{0,60}$",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that stands for lines left out."""
_MATERIAL = re.compile(r"```.*?```|`[^`\n]{8,}`|\"[^\"\n]{12,}\"|“[^”\n]{12,}”|«[^»\n]{12,}»|https?://\S+", re.DOTALL)


def evolved_input(parent: str, given: str, may_change: bool) -> str:
    """The input of an evolved task, of what the reply gives as such.

    An operator that may not change the input keeps the parent's, and so does a reply that only refers to it:
    "(unchanged)", "Same as above", "[Table as given]".
    """
    refers = len(given) < 120 and bool(_REFERS.fullmatch(given))
    if parent and (refers or not may_change):
        return parent
    return "" if refers else given


def unchanged(parent: Record, child: Record, max_changed: int = 2, min_score: float = 0.9) -> str | None:
    """Refuses a child with the parent's words, or one that differs in so few words and scores so high in ROUGE-L."""
    old, new = unicode_tokens(_task(parent)), unicode_tokens(_task(child))
    if old == new:
        return "unchanged"
    score = rouge_l_tokens(old, new)
    changed = (len(old) + len(new)) * (1 - score)
    return f"near_copy: ROUGE-L {score:.3f}" if score >= min_score and changed <= max_changed + 0.5 else None


def lost_input(parent: Record, child: Record, min_share: float = 0.6) -> str | None:
    """Refuses a child without the parent's material: its input, or quotations, code and addresses in its instruction.

    At least `min_share` of that material's words must be found in the child, and all of it where the child's input has
    a line of dots that the parent's has not. A task in breadth brings its own.
    """
    if _in_breadth(child):
        return None
    words = set(unicode_tokens(_task(child)))
    share = _kept(parent.input, words)
    if share < min_share:
        return f"lost_input: {share:.0%} of its words kept"
    if share < 1 and _CUT.search(child.input) and not _CUT.search(parent.input):
        return f"cut_input: {share:.0%} of its words kept"
    for material in _MATERIAL.findall(parent.instruction):
        if _kept(material, words) < min_share:
            return f"lost_material: {' '.join(material.split())[:60]}"
    return None


def answered(parent: Record, child: Record, max_overlap: float = 0.9) -> str | None:
    """Refuses a child that answers the parent: it opens like an answer, or it is the parent's answer."""
    found = _ANSWER.search(child.instruction)
    if found and not _ANSWER.search(parent.instruction):
        return f"answered: {found[0].strip()}"
    known = unicode_tokens(parent.output)
    same = len(known) >= 4 and rouge_l_tokens(known, unicode_tokens(child.instruction)) >= max_overlap
    return "answered: the parent's answer" if same else None


def grew(parent: Record, child: Record, max_added: int = 80) -> str | None:
    """Refuses an instruction that got longer by more words. The prompts ask for 10 to 20 more."""
    added = count_words(child.instruction) - count_words(parent.instruction)
    return f"grew: {added} words more" if added > max_added else None


def drift(parent: Record, child: Record, min_share: float = 0.12, min_words: int = 4) -> str | None:
    """Refuses a child in depth that keeps too small a share of the parent's content words, or changes the language.

    Words count as kept when their first five letters are found. Parents with few content words are left alone.
    """
    if _in_breadth(child):
        return None
    language, other = detect_language(parent.instruction), detect_language(child.instruction)
    asked = "translat" in f"{parent.instruction} {child.instruction}".lower()
    if language and other and language != other and not asked and count_words(child.instruction) >= 8:
        return f"language_changed: {language} to {other}"
    stops = FUNCTION_WORDS.get(language or "", frozenset())
    words = {word[:5] for word in unicode_tokens(parent.instruction) if word not in stops}
    if len(words) < min_words:
        return None
    kept = words & {word[:5] for word in unicode_tokens(child.instruction)}
    return f"drift: {len(kept)} of {len(words)} words kept" if len(kept) < min_share * len(words) else None


def asks_back(parent: Record, child: Record) -> str | None:
    """Refuses a child that asks for more information, or thanks, where the parent does not."""
    return _new_phrase("asks_back", _ASKS_BACK, parent, child)


def merged(parent: Record, child: Record, max_heads: int = 1) -> str | None:
    """Refuses a child of several tasks: more heads such as "Task 1:" than this, and than the parent has."""
    heads = len(_TASK_HEAD.findall(child.instruction))
    return f"merged: {heads} tasks" if heads > max(max_heads, len(_TASK_HEAD.findall(parent.instruction))) else None


def prompt_words(parent: Record, child: Record) -> str | None:
    """Refuses a child that speaks of the rewriting ("#Rewritten Prompt#") where the parent does not."""
    return _new_phrase("prompt_words", _PROMPT_WORDS, parent, child)


def improbable(parent: Record, child: Record, min_logprob: float = improbability.MIN_LOGPROB) -> str | None:
    """Refuses a child whose tokens had a lower mean log-probability, in nats, when the teacher drew them."""
    return improbability.improbable(child, min_logprob)


def _new_phrase(reason: str, pattern: re.Pattern[str], parent: Record, child: Record) -> str | None:
    found = pattern.search(_task(child))
    return f"{reason}: {found[0]}" if found and not pattern.search(_task(parent)) else None


def _task(record: Record) -> str:
    return f"{record.instruction}\n{record.input}"


def _in_breadth(child: Record) -> bool:
    return "breadth" in (child.lineage.operator or "")


def _kept(material: str, found: set[str]) -> float:
    """Share of the different words of `material` that are among those `found`."""
    words = set(unicode_tokens(material))
    return len(words & found) / len(words) if words else 1.0


EVOLUTION_CHECKS: dict[str, Callable[..., Any]] = {
    check.__name__: check
    for check in (unchanged, prompt_words, answered, asks_back, lost_input, merged, grew, drift, improbable)
}
