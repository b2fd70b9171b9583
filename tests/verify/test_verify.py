"""Each kind of check: what passes, what does not, and which checks are refused themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.verify import check_mistakes, first_json, last_number, verify

EXACT = {"kind": "exact", "answer": "Lima"}
NUMERIC = {"kind": "numeric", "answer": 12.5, "tolerance": 0.005}
JSON = {"kind": "json", "answer": {"a": [1, 2.0], "b": None}}
SET = {"kind": "set", "answer": ["red fox", "owl", "Bee"]}
ORDERED = {"kind": "set", "answer": ["red fox", "owl", "Bee"], "ordered": True}
LABEL = {"kind": "label", "answer": "Spam", "labels": ["Spam", "Not spam"]}
LETTER = {"kind": "label", "answer": "B", "labels": ["A", "B", "C"]}
REGEX = {"kind": "regex", "pattern": r"^\d{4}-\d{2}$"}
WORDS = {
    "kind": "constraints",
    "constraints": [{"type": "punctuation:no_comma"}, {"type": "change_case:english_capital"}],
}
ALL = (EXACT, NUMERIC, JSON, SET, ORDERED, LABEL, LETTER, REGEX, WORDS)

PASSES: list[tuple[dict[str, Any], str]] = [
    (EXACT, "  LIMA.\n"),
    (NUMERIC, "12.5"),
    (NUMERIC, "First 3, then 4: 12,5 kg."),
    (NUMERIC, "about **12.504**"),
    ({"kind": "numeric", "answer": 1234567.5}, "It is $1,234,567.50."),
    ({"kind": "numeric", "answer": 1234567}, "1 234 567 people"),
    ({"kind": "numeric", "answer": -3}, "x = −3"),
    ({"kind": "numeric", "answer": 40}, "40 mg of CO2"),
    ({"kind": "numeric", "answer": 25}, "٢٥"),
    ({"kind": "numeric", "answer": 0.5}, "p is .5"),
    ({"kind": "numeric", "answer": 3e8}, "3e8 m/s"),
    (JSON, 'Here:\n```json\n{"b": null, "a": [1.0, 2]}\n```\nDone.'),
    (JSON, 'The value {"b": null, "a": [1, 2]} it is'),
    ({"kind": "json", "answer": [True]}, "[true]"),
    (SET, "- Bee\n- red fox\n- Owl"),
    (SET, "owl, red fox, and bee."),
    (ORDERED, "1. **Red fox**\n2. Owl\n3. Bee"),
    (ORDERED, "The order is:\nred fox → owl → bee"),
    ({"kind": "set", "answer": ["Smith, J.", "Lee, K."]}, "Lee, K.; Smith, J."),
    ({"kind": "set", "answer": ["春", "夏"]}, "夏、春"),
    (LABEL, "Spam"),
    (LABEL, "**Spam**\nIt asks for a password."),
    (LABEL, "This is clearly spam: it asks for money."),
    ({**LABEL, "answer": "Not spam"}, "I would say it is not spam."),
    (LETTER, "B"),
    (LETTER, "A good reader picks:\nB"),
    ({"kind": "label", "answer": "Ham", "labels": ["Spam", "Ham"]}, "It is not spam, it is ham."),
    ({"kind": "label", "answer": "积极", "labels": ["积极", "消极"]}, "情感是积极的"),
    (REGEX, "2031-05"),
    (WORDS, "THIS IS THE WAY TO DO IT."),
]

FAILS: list[tuple[dict[str, Any], str]] = [
    (EXACT, "Lima is the capital"),
    (NUMERIC, "12.5 of 30"),
    (NUMERIC, "twelve and a half"),
    (NUMERIC, "12.51"),
    (JSON, '{"a": [1, 2]}'),
    (JSON, "no JSON here {"),
    ({"kind": "json", "answer": 1}, "true"),
    ({"kind": "json", "answer": [1]}, "[NaN]"),
    (SET, "owl, bee"),
    (SET, "owl, bee, red fox, wolf"),
    (SET, "owl, owl, bee, red fox"),
    (ORDERED, "owl, red fox, bee"),
    (LABEL, "Not spam"),
    (LABEL, "Either spam or not spam."),
    (LABEL, "Unclear"),
    (LETTER, "C"),
    (REGEX, "2031-5"),
    (WORDS, "THIS, TOO, IS THE WAY."),
    (WORDS, "this is the way"),
]


@pytest.mark.parametrize(("check", "answer"), PASSES)
def test_right_answers_pass(check: dict[str, Any], answer: str) -> None:
    assert check_mistakes(check) == []
    assert verify(answer, check).passed, verify(answer, check).reason


@pytest.mark.parametrize(("check", "answer"), FAILS)
def test_wrong_answers_fail_with_a_reason(check: dict[str, Any], answer: str) -> None:
    verdict = verify(answer, check)
    assert not verdict.passed and verdict.reason


@pytest.mark.parametrize("check", ALL)
def test_an_empty_answer_is_never_right(check: dict[str, Any]) -> None:
    assert not verify(" \n", check).passed


@pytest.mark.parametrize("check", ALL)
@settings(max_examples=50, deadline=None)
@given(answer=st.text())
def test_no_answer_raises(check: dict[str, Any], answer: str) -> None:
    verify(answer, check)


def test_deeply_nested_brackets_are_only_a_failed_answer() -> None:
    assert not verify("[" * 200_000, JSON).passed


@pytest.mark.parametrize(
    "check",
    [
        None,
        [],
        {},
        {"kind": "magic"},
        {"kind": "exact", "answer": ""},
        {"kind": "exact", "answer": "x", "tolerance": 1},
        {"kind": "numeric", "answer": "12"},
        {"kind": "numeric", "answer": True},
        {"kind": "numeric", "answer": 1, "tolerance": -1},
        {"kind": "json"},
        {"kind": "set", "answer": []},
        {"kind": "set", "answer": ["a"], "ordered": "yes"},
        {"kind": "label", "answer": "c", "labels": ["a", "b"]},
        {"kind": "label", "answer": "a", "labels": ["a", "A"]},
        {"kind": "label", "answer": "a", "labels": ["a"]},
        {"kind": "regex", "pattern": "("},
        {"kind": "regex"},
        {"kind": "constraints", "constraints": []},
        {"kind": "constraints", "constraints": [{"type": "made:up"}]},
    ],
)
def test_a_wrong_check_is_refused_with_words(check: Any) -> None:
    mistakes = check_mistakes(check)
    assert mistakes and all(isinstance(mistake, str) and mistake for mistake in mistakes)


@settings(deadline=None)
@given(st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: round(value, 4)))
def test_every_number_is_read_back_with_and_without_separators(number: float) -> None:
    for text in (f"{number:.4f}", f"{number:,.4f}"):
        assert last_number(f"The result is {text}.") == pytest.approx(number, abs=1e-4)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=JSON_VALUES.filter(lambda value: isinstance(value, dict | list)))
def test_json_is_found_in_a_fence_and_in_a_sentence(value: Any) -> None:
    text = json.dumps(value)
    assert first_json(f"```json\n{text}\n```") == (True, value)
    assert first_json(f"Sure: {text} as asked") == (True, value)


NUMBERS = {
    "The price is 1.299,00 €.": 1299,
    "1.234.567,5": 1234567.5,
    "The primes are 2,5,8,11": 11,
    "101 103 107": 107,
    "12 345 678": 12345678,
    "It takes 15 minutes (step 3).": 15,
    "It is 15, as step 3 shows": 15,
    "Step 3: the total is 15.": 15,
    "3/4": 0.75,
    "1 3/4 cups": 1.75,
    "2½": 2.5,
    r"\frac{3}{4}": 0.75,
    "4.2 × 10^3": 4200,
    "4.2 x 10³ m": 4200,
    "6.02 × 10^{-2}": 0.0602,
    "−7.5": -7.5,
    "1,234": 1234,
    "12,5": 12.5,
}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_read_as_people_write_them(text: str) -> None:
    assert verify(text, {"kind": "numeric", "answer": NUMBERS[text], "tolerance": 1e-9}).passed


@pytest.mark.parametrize(
    ("text", "wrong"), [("2,5,8,11", 2.5), ("15 minutes (step 3)", 3), ("3/4", 4), ("1.299,00", 1.299)]
)
def test_the_other_reading_of_a_number_is_wrong(text: str, wrong: float) -> None:
    assert not verify(text, {"kind": "numeric", "answer": wrong}).passed
