"""Answers a program can check: a `check` says, as data, what a right answer is; `verify` says whether one is right.

    {"kind": "exact", "answer": "Lima"}                             the whole answer but for case, spaces, last stop
    {"kind": "numeric", "answer": 12.5, "tolerance": 0.005}         the last number of the answer; 1,234.5 or 12,5
    {"kind": "json", "answer": {"a": [1]}}                          the first JSON value of the answer, fenced or not
    {"kind": "set", "answer": ["a", "b"], "ordered": false}         the items of a list in any usual form
    {"kind": "label", "answer": "Spam", "labels": ["Spam", "Ham"]}  the one label that the answer names
    {"kind": "regex", "pattern": "..."}                             re.search finds it
    {"kind": "constraints", "constraints": [{"type": ...}, ...]}    IFEval's constraints, see ifeval.py

Nothing of an answer is ever run as code. A pattern comes from a seed file and is trusted to be cheap.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synth.metrics import is_number
from synth.verify.ifeval import constraint_mistakes, follows
from synth.verify.numbers import last_number as last_number
from synth.verify.numbers import number_readings

Check = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer passed; `reason` says in a few words why not (empty when it passed)."""

    passed: bool
    reason: str = ""


def verify(answer: str, check: Check, *, loose: bool = False) -> Verdict:
    """Whether `answer` is right by `check`, which must have no `check_mistakes`.

    `loose` is IFEval's lenient mode and changes only the kind `constraints`.
    """
    if not answer.strip():
        return Verdict(False, "the answer is empty")
    if check["kind"] == "constraints":
        return _verify_constraints(answer, check, loose)
    return KINDS[check["kind"]][1](answer, check)


def check_mistakes(check: Any) -> list[str]:
    """What is wrong with a check itself, one line a mistake; an empty list where nothing is."""
    if not isinstance(check, dict) or check.get("kind") not in KINDS:
        return [f"`check` must be an object whose `kind` is one of: {', '.join(KINDS)}"]
    allowed, _, mistakes = KINDS[check["kind"]]
    unknown = [key for key in check if key != "kind" and key not in allowed]
    return [f"`check` of kind {check['kind']} has no key `{key}`; remove it" for key in unknown] + mistakes(check)


def _plain(text: str) -> str:
    """Text for comparing: compatible characters made equal, case folded, spaces collapsed, last full stop gone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).removesuffix(".").strip()


# --- exact -----------------------------------------------------------------------------------------------------------


def _verify_exact(answer: str, check: Check) -> Verdict:
    passed = _plain(answer) == _plain(check["answer"])
    return Verdict(passed, "" if passed else "the answer is another text")


def _text_mistakes(check: Check) -> list[str]:
    is_text = isinstance(check.get("answer"), str) and check["answer"].strip()
    return [] if is_text else ["`check.answer` must be a text that is not empty"]


# --- numeric ---------------------------------------------------------------------------------------------------------


def _verify_numeric(answer: str, check: Check) -> Verdict:
    readings = number_readings(answer)
    if not readings:
        return Verdict(False, "the answer has no number")
    wanted = check["answer"]
    tolerance = check.get("tolerance", 1e-9 * max(1.0, abs(wanted)))
    passed = any(abs(number - wanted) <= tolerance * (1 + 1e-9) for number in readings)
    return Verdict(passed, "" if passed else f"the last number is {readings[0]:g}, not {wanted:g}")


def _numeric_mistakes(check: Check) -> list[str]:
    mistakes = [] if is_number(check.get("answer")) else ["`check.answer` must be a number"]
    tolerance = check.get("tolerance", 0)
    if not is_number(tolerance) or tolerance < 0:
        mistakes.append("`check.tolerance` must be a number, 0 or more")
    return mistakes


# --- json ------------------------------------------------------------------------------------------------------------

_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_MAX_STARTS = 200  # places in one answer where a JSON value is looked for


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def first_json(text: str) -> tuple[bool, Any]:
    """(found, value): the whole text, else the first fenced block, else the first object or array that can be read."""
    for whole in (text, *_FENCE.findall(text)):
        try:
            return True, _DECODER.decode(whole.strip())
        except (ValueError, RecursionError):
            continue
    for start in [match.start() for match in re.finditer(r"[{\[]", text)][:_MAX_STARTS]:
        try:
            return True, _DECODER.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    return False, None


def _is_same_json(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not, the order of keys is free."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _verify_json(answer: str, check: Check) -> Verdict:
    found, value = first_json(answer)
    if not found:
        return Verdict(False, "the answer has no JSON that can be read")
    passed = _is_same_json(value, check["answer"])
    return Verdict(passed, "" if passed else "the JSON has another value")


def _json_mistakes(check: Check) -> list[str]:
    return [] if "answer" in check else ["`check.answer` must be the JSON value"]


# --- set -------------------------------------------------------------------------------------------------------------

_BULLET = re.compile(r"^\s*(?:[-*+•–—]\s+|\(?\d{1,3}[.)]\s+|\(?[a-z][.)]\s+)", re.IGNORECASE)
_LIST_SEPARATORS = (";", ",", "、", "，", "；", "،")
_CHAIN_SEPARATORS = (" > ", " < ", "→", "->", " ≥ ", " ≤ ")


def list_items(text: str, expected: list[str], ordered: bool = False) -> list[str]:
    """The items of a list written with lines, commas, semicolons or (ordered) arrows, each in plain form.

    A separator that is part of an expected item separates nothing. Bullets, numbers, quotation marks, emphasis, a
    leading "and", and a first line that ends with a colon are not part of the items.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].rstrip().endswith((":", "：")):
        lines = lines[1:]
    separators = _LIST_SEPARATORS + (_CHAIN_SEPARATORS if ordered else ())
    usable = [re.escape(sign) for sign in separators if not any(sign.strip() in item for item in expected)]
    pieces = [piece for line in lines for piece in re.split("|".join(usable) or r"\Z", _BULLET.sub("", line))]
    return [item for item in map(_plain_item, pieces) if item]


def _plain_item(piece: str) -> str:
    bare = _plain(_BULLET.sub("", piece).strip().strip("*_`\"'“”‘’「」"))
    return bare.removeprefix("and ").removeprefix("or ").strip("*_`\"'“”‘’「」 。")


def _verify_set(answer: str, check: Check) -> Verdict:
    ordered = check.get("ordered", False)
    items = list_items(answer, check["answer"], ordered)
    wanted = [_plain_item(item) for item in check["answer"]]
    if ordered:
        return Verdict(items == wanted, "" if items == wanted else "the items or their order are others")
    missing, extra = Counter(wanted) - Counter(items), Counter(items) - Counter(wanted)
    reason = f"{missing.total()} items are missing, {extra.total()} too many" if missing or extra else ""
    return Verdict(not reason, reason)


def _set_mistakes(check: Check) -> list[str]:
    answer = check.get("answer")
    mistakes = []
    if not (isinstance(answer, list) and answer and all(isinstance(item, str) and item.strip() for item in answer)):
        mistakes.append("`check.answer` must be a list of texts, not empty")
    if not isinstance(check.get("ordered", False), bool):
        mistakes.append("`check.ordered` must be true or false")
    return mistakes


# --- label -----------------------------------------------------------------------------------------------------------


def said_labels(answer: str, labels: list[str]) -> set[str]:
    """The labels that `answer` gives.

    The whole answer, its first or its last line being a label settles it; otherwise every label named as a whole word
    counts, longer ones first (so "not spam" is not also "spam"), except after "not". A label of one letter is looked
    for as a capital only.
    """
    lines = [line for line in answer.splitlines() if line.strip()]
    plain = {_bare_label(label): label for label in labels}
    for places in ([answer], [lines[0], lines[-1]]):
        hits = {plain[_bare_label(place)] for place in places if _bare_label(place) in plain}
        if hits:
            return hits
    rest, said = answer, set()
    for label in sorted(labels, key=len, reverse=True):
        flags = re.IGNORECASE if len(label) > 1 else 0
        name = re.escape(label).replace(r"\ ", r"\s+")
        rest = re.sub(rf"(?:\bnot|n['’]t)\s+(?:an?\s+|the\s+)?{name}(?!\w)", " | ", rest, flags=flags)
        rest, number = re.subn(_whole_word(label, name), " | ", rest, flags=flags)
        if number:
            said.add(label)
    return said


def _bare_label(text: str) -> str:
    return _plain(_plain(text).strip("*_`\"'“”‘’「」()[] 。!:").removeprefix("label:").removeprefix("answer:"))


def _whole_word(label: str, pattern: str) -> str:
    """Scripts without spaces between words have no word borders to ask for."""
    return rf"(?<!\w){pattern}(?!\w)" if label.isascii() else pattern


def _verify_label(answer: str, check: Check) -> Verdict:
    said = said_labels(answer, check["labels"])
    if len(said) != 1:
        return Verdict(False, "the answer names no label" if not said else "the answer names several labels")
    passed = said == {check["answer"]}
    return Verdict(passed, "" if passed else "the answer names another label")


def _label_mistakes(check: Check) -> list[str]:
    labels = check.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) and label.strip() for label in labels):
        return ["`check.labels` must be a list of texts"]
    if len({_bare_label(label) for label in labels}) < max(2, len(labels)):
        return ["`check.labels` must be two or more labels that differ by more than case and punctuation"]
    return [] if check.get("answer") in labels else ["`check.answer` must be one of `check.labels`"]


# --- regex and constraints -------------------------------------------------------------------------------------------


def _verify_regex(answer: str, check: Check) -> Verdict:
    passed = re.search(check["pattern"], answer) is not None
    return Verdict(passed, "" if passed else "the pattern is not found")


def _regex_mistakes(check: Check) -> list[str]:
    pattern = check.get("pattern")
    if not isinstance(pattern, str) or not pattern:
        return ["`check.pattern` must be a text that is not empty"]
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return [f"`check.pattern` must be a regular expression of Python's re module ({error})"]
    return []


def _verify_constraints(answer: str, check: Check, loose: bool = False) -> Verdict:
    broken = [one["type"] for one in check["constraints"] if not follows(answer, one, loose=loose)]
    return Verdict(not broken, "not followed: " + ", ".join(broken) if broken else "")


def _constraints_mistakes(check: Check) -> list[str]:
    constraints = check.get("constraints")
    if not isinstance(constraints, list) or not constraints:
        return ["`check.constraints` must be a list of constraints, not empty"]
    return [mistake for one in constraints for mistake in constraint_mistakes(one)]


# kind -> (its keys, how an answer is verified, how the check itself is checked)
KINDS: dict[str, tuple[tuple[str, ...], Callable[[str, Check], Verdict], Callable[[Check], list[str]]]] = {
    "exact": (("answer",), _verify_exact, _text_mistakes),
    "numeric": (("answer", "tolerance"), _verify_numeric, _numeric_mistakes),
    "json": (("answer",), _verify_json, _json_mistakes),
    "set": (("answer", "ordered"), _verify_set, _set_mistakes),
    "label": (("answer", "labels"), _verify_label, _label_mistakes),
    "regex": (("pattern",), _verify_regex, _regex_mistakes),
    "constraints": (("constraints",), _verify_constraints, _constraints_mistakes),
}
