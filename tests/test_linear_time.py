"""No text takes a parser or a check long: twenty times as much of a hostile shape costs about twenty times as much."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from synth.checks import CHECKS, EVOLUTION_CHECKS, build_checks, build_pair_checks
from synth.parsing import (
    clean_input,
    find_json,
    parse_choice,
    parse_instances,
    parse_numbered,
    parse_reason,
    parse_rewrite,
    parse_score,
    parse_tasks,
    parse_yes_no,
    split_thoughts,
)
from synth.records import Record
from synth.verify import verify

MEGABYTE, LONG, SHORT = 1_000_000, 60_000, 3_000
SHAPES = (
    *(
        " ",
        " \n\t",
        "#",
        "###\n",
        '"\\',
        "{",
        ",\n  ",
        "```\n",
        "`",
        "1",
        "1. ",
        "1.\n",
        "### Instruction\nx\n",
        "Task 1:\n",
    ),
    *(
        '{"instruction": "a", ',
        "{'a':1,",
        "</think>",
        "<|channel|>x<|message|>",
        "https://a.b/ ",
        "|a|b",
        "1,234,",
        "a",
    ),
    *("No input, as ", "Class label: a\n", "(I added ", "\nAnswer: a"),
)
PARSERS: dict[str, Callable[[str], object]] = {
    "tasks": lambda text: parse_tasks(text, wants_output=True),
    "instances": parse_instances,
    "labels": lambda text: parse_instances(text, wants_label=True),
    "rewrite": parse_rewrite,
    "numbered": lambda text: parse_numbered(text, 9),
    "json": find_json,
    "input": clean_input,
    "yes or no": parse_yes_no,
    "choice": lambda text: parse_choice(text, "Verdict", ("equal", "different")),
    "score": lambda text: parse_score(text, "Difficulty", 1, 10),
    "reason": parse_reason,
    "thoughts": split_thoughts,
    **{
        f"verify {check['kind']}": lambda text, check=check: verify(text, check)  # type: ignore[misc]
        for check in (
            {"kind": "exact", "answer": "a"},
            {"kind": "numeric", "answer": 1},
            {"kind": "json", "answer": [1]},
            {"kind": "set", "answer": ["a", "b"]},
            {"kind": "label", "answer": "aa", "labels": ["aa", "bb"]},
        )
    },
}
ASKS_A_FILE = {"contamination"}  # needs an evaluation set to be made


def all_of(name: str) -> Callable[[str], object]:
    """The check on a text in each of a record's three places."""
    check = build_checks([name])[0][1]
    return lambda text: [
        check(Record(*texts)) for texts in (("Do it, please.", "", text), ("Do it.", text, "yes"), (text, "", "y"))
    ]


def pair_of(name: str) -> Callable[[str], object]:
    check = build_pair_checks([name])[0][1]
    asked = Record("Say in three words what the old harbour is for.", "x", "y")
    return lambda text: [check(asked, Record(text)), check(Record(text, text), asked)]


USES = PARSERS | {f"check {name}": all_of(name) for name in CHECKS if name not in ASKS_A_FILE}
USES |= {f"pair {name}": pair_of(name) for name in EVOLUTION_CHECKS}


def seconds(use: Callable[[str], object], text: str) -> float:
    """CPU time of one use, without the collections of garbage that the rest of the suite left."""
    gc.disable()
    started = time.process_time()
    try:
        use(text)
        return time.process_time() - started
    finally:
        gc.enable()


def walk(text: str) -> int:
    """Reading a text, character by character."""
    return sum(character == "\n" for character in text)


@pytest.mark.parametrize("name", USES)
def test_time_grows_with_the_length_and_not_faster(name: str) -> None:
    """A quadratic step would cost 400 times as much on 20 times the text; a linear one stays below 60 times."""
    for shape in SHAPES:
        short = max(seconds(USES[name], (shape * SHORT)[:SHORT]), 0.004)
        whole = seconds(USES[name], (shape * LONG)[:LONG])
        assert whole < 60 * short, f"{shape!r}: {whole:.1f} s, and {short:.3f} s for a twentieth"


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_a_megabyte_takes_about_a_second(name: str) -> None:
    """Walking over 1 MB takes about 0.025 s: 1 s is 40 walks. 60 are allowed, in the best of three tries."""
    for shape in SHAPES:
        text = (shape * MEGABYTE)[:MEGABYTE]
        tries = (seconds(USES[name], text) / seconds(walk, text) for _ in range(3))
        assert any(ratio < 60 for ratio in tries), f"{shape!r} takes more than 60 walks"
