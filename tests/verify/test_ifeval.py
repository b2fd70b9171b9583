"""The 25 constraints of IFEval, each with answers that follow it and answers that do not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.verify import verify
from synth.verify.ifeval import CONSTRAINTS, constraint_mistakes, follows, loose_variants
from synth.verify.sentences import split_sentences

MOST = {"relation": "at least"}
FEW = {"relation": "less than"}

# id, arguments, answers that follow, answers that do not
CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "keywords:existence",
        {"keywords": ["tide", "C++"]},
        ["High TIDE in c++", "tides, C++"],
        ["tide only", "C and tide"],
    ),
    ("keywords:frequency", {"keyword": "oak", "frequency": 2, **MOST}, ["Oak, oak", "oaks and oak"], ["oak", "elm"]),
    ("keywords:frequency", {"keyword": "oak", "frequency": 2, **FEW}, ["oak", "elm"], ["oak oak"]),
    (
        "keywords:forbidden_words",
        {"forbidden_words": ["very", "nice"]},
        ["veryfine", "good"],
        ["Very good", "so nice."],
    ),
    ("keywords:letter_frequency", {"letter": "e", "let_frequency": 3, "let_relation": "at least"}, ["EeE"], ["ee"]),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 1, "let_relation": "less than"}, ["a"], ["#a"]),
    (
        "language:response_language",
        {"language": "de"},
        ["Das ist ein kurzer Satz und er ist auf Deutsch.", "Wir gehen morgen mit den Kindern an den See."],
        [
            "This is a short sentence and it is in English.",
            "Это короткое предложение.",
            "Il fait beau et nous sommes là.",
        ],
    ),
    (
        "language:response_language",
        {"language": "hi"},
        ["यह एक छोटा वाक्य है।"],
        ["हे एक लहान वाक्य आहे आणि ते मराठीत आहे.", "Hello"],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, **MOST},
        ["Bo bid. Cy did! Ed fit?"],
        ["Dr. Oh met Mr. Lee. Fine."],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, **FEW},
        ["About 3.5 km, 5 p.m. by bus"],
        ["One. Two."],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a\n***\nb", "***\na\n***\nb\n***"],
        ["a", "a\n***\n \n***\nb"],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 4, **MOST},
        ["one two three four", "it's a-b"],
        ["one two three"],
    ),
    ("length_constraints:number_words", {"num_words": 4, **FEW}, ["one two three"], ["one two three four"]),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Later"},
        ["Now.\n\nLater, we left.", 'A\n\n"Later" it was'],
        ["Now.\n\nAfter", "Later", "a\n\nLater\n\nb"],
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[name] and [city]"], ["[name]", "none"]),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Bye.\nP.S. Eat", "p. s. so"],
        ["PS none", "bye"],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["P.P.S. hi", "P. P. S hi"], ["P.S. hi"]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "- a\n  - b"],
        ["* a", "**bold**\n- a", "- a\n- b\n- c"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is yes.", "Well. My answer is maybe."],
        ["Yes.", "My answer is yes"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* b *c*", "**a** *b*"],
        ["**a**", "* a\nb", "****"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Part", "num_sections": 2},
        ["Part 1\na\nPart 2\nb"],
        ["Part 1\na", "Part one\nPart two"],
    ),
    ("detectable_format:json_format", {}, ['{"a": 1}', '```json\n["a"]\n```', "3"], ["{a: 1}", 'Here: {"a": 1}']),
    ("detectable_format:title", {}, ["<<The harbour>>\ntext"], ["<The harbour>", "<< >>", "The <<harbour\n>>"]),
    ("combination:two_responses", {}, ["One way.\n******\nAnother way."], ["a", "a******a", "a******b******c"]),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Name a fish."},
        ["Name a fish. Trout.", "name a fish.\nEel"],
        ["Trout."],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "That is all."},
        ["Done. That is all.", '"so that IS all."'],
        ["That is all. Bye"],
    ),
    ("startend:quotation", {}, ['"All of it."', ' "a" '], ['"', 'a "b"', "'a'"]),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["STOP the BUS", "DON'T", "A dog, U.S. made"],
        ["Stop the BUS", "AC/DC plays"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "less than"},
        ["I went"],
        ["I KNOW"],
    ),
    (
        "change_case:english_capital",
        {},
        ["THIS IS THE END OF IT."],
        ["This is the end.", "DAS IST DER TAG UND DIE NACHT"],
    ),
    (
        "change_case:english_lowercase",
        {},
        ["this is the end of it."],
        ["This is the end.", "das ist der tag und die nacht"],
    ),
    ("punctuation:no_comma", {}, ["No comma here."], ["Well, no."]),
]


def test_the_cases_cover_all_25_constraints() -> None:
    assert len(CONSTRAINTS) == 25 == len({case[0] for case in CASES})


@pytest.mark.parametrize(("name", "arguments", "right", "wrong"), CASES, ids=[case[0] for case in CASES])
def test_each_constraint_tells_right_from_wrong(
    name: str, arguments: dict[str, Any], right: list[str], wrong: list[str]
) -> None:
    constraint = {"type": name, **arguments}
    assert constraint_mistakes(constraint) == []
    assert [answer for answer in right if not follows(answer, constraint)] == []
    assert [answer for answer in wrong if follows(answer, constraint)] == []
    assert all(follows(answer, constraint, loose=True) for answer in right)
    assert not follows("  \n ", constraint) and not follows("", constraint, loose=True)


def test_arguments_that_are_null_count_as_not_given() -> None:
    assert constraint_mistakes({"type": "detectable_format:title", "num_words": None}) == []
    assert constraint_mistakes({"type": "detectable_format:number_bullet_lists", "num_bullets": None}) != []


@pytest.mark.parametrize(
    "constraint",
    [
        "punctuation:no_comma",
        {"type": "length_constraints:number_words", "num_words": 5},
        {"type": "length_constraints:number_words", "num_words": "5", "relation": "at least"},
        {"type": "length_constraints:number_words", "num_words": 5, "relation": "at most"},
        {"type": "keywords:existence", "keywords": "tide"},
        {"type": "punctuation:no_comma", "keywords": ["a"]},
    ],
)
def test_wrong_arguments_are_refused(constraint: Any) -> None:
    assert constraint_mistakes(constraint) != []


def test_loose_mode_forgives_an_opening_line_a_closing_line_and_asterisks() -> None:
    capital = {"kind": "constraints", "constraints": [{"type": "change_case:english_capital"}]}
    answer = "Sure, here it is:\nTHIS IS **ALL** OF IT\nI hope that helps"
    assert not verify(answer, capital).passed
    assert verify(answer, capital, loose=True).passed
    assert len(loose_variants(answer)) == 8 == len(set(loose_variants(answer)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Dr. Oh lives at 3.5 Main St. in town. She works.", 2),
        ("J. R. Hall wrote it. Really?! Yes.", 3),
        ("1. Stir.\n2. Wait.\n3. Eat.", 6),
        ("今日は晴れです。明日は雨？はい！", 3),
        ("यह एक है। वह दो है।", 2),
        ('He said "Go." Then he left.', 2),
        ("no full stop", 1),
        ("The answer is no. They left at 5 p.m. It rained.", 3),
        ("all small. so it goes.", 2),
        ("Wait... what? It is 5 p.m. now.", 2),
        ("", 0),
    ],
)
def test_sentences_are_counted_as_punkt_does(text: str, number: int) -> None:
    assert len(split_sentences(text)) == number


@given(st.text("<>*- a\n\r", max_size=12))
@settings(deadline=None)
def test_titles_and_bullets_are_found_as_by_the_expressions_of_the_benchmark(text: str) -> None:
    titles = re.findall(r"<<[^\n]+>>", text)
    assert follows(text, {"type": "detectable_format:title"}) == any(
        one.lstrip("<").rstrip(">").strip() for one in titles
    )
    bullets = sum(len(re.findall(rf"^\s*{mark}.*$", text, re.MULTILINE)) for mark in (r"\*[^*]", "-"))
    wanted = {"type": "detectable_format:number_bullet_lists", "num_bullets": bullets}
    assert follows(text, wanted) == bool(text.strip())


def test_a_megabyte_without_a_title_or_a_bullet_is_read_in_one_pass() -> None:
    assert not follows("<" * 1_000_000, {"type": "detectable_format:title"})
    empty = "a" + "\n" * 1_000_000 + "b"
    assert follows(empty, {"type": "detectable_format:number_bullet_lists", "num_bullets": 0})
