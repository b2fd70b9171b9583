"""The checks that real models made necessary: what they refuse, what they leave alone, and how rarely they are wrong."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_checks import said

from synth.checks import build_checks
from synth.checks.improbable import improbable
from synth.checks.tasks import CHECKS
from synth.parsing import clean_input
from synth.records import Record
from synth.stages.seeds import read_seed_tasks

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
NEUTRAL = "17, 4, 9"
"""An input for files that have none: nothing is said about what is missing there."""


# -- not_a_task --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "brainstorm; hair styling; medium; long",
        "translate; ferry; hard; short.",
        "Kind: translate a text into another language.",
        "Topic: ferry",
        "### Input: none",
        "arithmetic",
        "The harder instruction",
        "the new instruction",
        "The history of the Roman Empire.",
        "Personal finance and budgeting",
        "A recipe for a vegan chocolate cake.",
        "Sure! Here is a new task for you.",
        "Certainly, I can do that.",
        "As an AI language model, I cannot do this.",
        "Here are three new tasks:",
        "I've added a constraint to the prompt.",
        "The new task requires more steps of reasoning.",
        "This rewritten prompt asks for more detail.",
        "New task:",
        "Rewritten instruction",
        "...",
        "1. 2. 3.",
        "---",
    ],
)
def test_a_label_a_topic_a_noun_phrase_and_talk_about_the_task_are_no_tasks(text: str) -> None:
    assert said("not_a_task", text) == "not_a_task"


@pytest.mark.parametrize(
    "text",
    [
        "What is to be done?",
        "Sort the list.",
        "Apply the rule to the caller.",
        "Multiply them.",
        "Please, a short poem about rain",
        "I need a name for my bakery.",
        "Could you tell me when the last ferry leaves?",
        "Given two numbers, add them up.",
        "You are a tour guide. Tell me about the cathedral.",
        "Roses are red, violets are ...",
        "The capital of France is ____.",
        "Is the following sentence a question?",
        "Each of these words has a mistake in it; correct it.",
        "Instructions for a board game have to be shortened. Keep the rules.",
        "Topics for a first date: list five.",
        "Explain; do not just name; the three kinds of heat transfer.",
        "Fais la liste des ingrédients de cette recette.",
        "Erkläre, warum der Himmel blau ist.",
        "写一首关于长江的短诗。",
        "اشرح لطفل صغير لماذا تمطر السماء في الشتاء.",
        "Объясни ребёнку, почему небо днём голубое.",
    ],
)
def test_what_asks_for_something_is_a_task(text: str) -> None:
    assert said("not_a_task", text) is None


# -- gibberish and mixed_language --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "@@##!! %%^^ &&** (()) ~~ ++== {}[] <>|| $$",
        "xkcdqrst vbnmlkjh wrtpsdfg qwrtpsdf",
        "the the the the the the the the the",
        "aaaaaaa bbbbbbb ccccccc",
        "w0rk5f1ow a1b2c3 zz9yx4k pq7rs",
        "supercalifragilisticexpialidociousnesslessness",
        "water fridge carpet mango window seven purple dancing lamp quickly steel orange paper",
        "Help a hospital want to plan, what to do, what to do, your priorities.",
        "The ward is one of those that care about us and they are those that care about us all.",
        "Say where to go,; then write it down.",
        "Explain how the ferry is fed by the",
        "Write a rhyme about the sea} and two ships.",
    ],
)
def test_what_no_language_says_is_gibberish(text: str) -> None:
    assert said("gibberish", text) == "gibberish"


@pytest.mark.parametrize(
    "text",
    [
        "Sort the list.",
        "Solve 3x + 4 = 19.",
        "What does `@#$%^&*(){}[]<>~!|\\` mean in a shell?",
        'Explain what the regular expression "^[a-z]+\\.(com|org)$" matches.',
        "Convert MP3 files to FLAC with ffmpeg on Ubuntu 22.04.",
        "Was ist ein Rechtsschutzversicherungsvertrag?",
        "Describe rhythms, crypts and lynxes.",
        'Say which is right: "yes", "no," "maybe."',
        "写一首关于长江的短诗,要有四句。",
        "एक बच्चे को समझाइए कि आकाश नीला क्यों होता है।",
        "اشرح لطفل صغير لماذا تمطر السماء في الشتاء.",
        "날씨에 대해 짧은 시를 쓰세요.",
    ],
)
def test_what_some_language_says_is_no_gibberish(text: str) -> None:
    assert said("gibberish", text) is None


def test_an_input_may_leave_a_bracket_open_but_closes_none_that_is_not() -> None:
    assert said("gibberish", "Explain the code.", "tip'],trying to modify the line {c.add(34,5)") == "gibberish"
    assert said("gibberish", "Mend the code.", "print(sorted(rows)") is None
    assert said("gibberish", "Choose one.", "a) tea\nb) coffee (black)\nc) none :)") is None


@pytest.mark.parametrize(
    "text",
    [
        "Schreibe der Stadt einen Brief und frage nicht mit dem Namen, die du auch hast, and ask them when the road will be repaired and who is going to pay for it.",
        "Write a letter to 请给市政府写一封信询问道路 about the road.",
        "Explain to the child почему небо днём бывает голубым and not green.",
        "Напиши короткое письмо учителю and say that you will be late to school.",
    ],
)
def test_two_languages_within_an_instruction_are_told(text: str) -> None:
    assert said("mixed_language", text) == "mixed_language"


@pytest.mark.parametrize(
    "text",
    [
        'Translate "Wir sind nicht mehr in der Stadt und das ist auch gut so" into English.',
        "Translate into German (the answer begins with Ich habe das nicht und die Stadt auch nicht).",
        "Explain the term déjà vu to a child.",
        "用 Python 写一个函数来读取 CSV 文件并输出 JSON。",
        "Напиши на SQL запрос к таблице orders.",
        "What does the word фотография mean?",
        "Schreibe ein Skript mit dem Tool Docker Compose für die Website.",
    ],
)
def test_a_quotation_a_term_and_a_name_of_another_language_are_left_alone(text: str) -> None:
    assert said("mixed_language", text) is None


# -- laws and false alarms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_gets_a_verdict_that_begins_with_the_reason(name: str, instruction: str, given: str) -> None:
    verdict = CHECKS[name](Record(instruction, given))
    assert verdict is None or verdict.startswith(f"{name}: ")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("piece", ["the ", "following ", "a, ", "[(", "< ", "\"' ", "list of ", "a b: "])
def test_long_texts_are_judged_at_once(name: str, piece: str) -> None:
    check, text, started = CHECKS[name], piece * 20_000, time.thread_time()
    check(Record(text, text))
    check(Record("a " + text[:1900] + "!"))
    assert time.thread_time() - started < 1


def _seeds() -> list[Record]:
    return [
        Record(seed.instruction, one.input)
        for seed in read_seed_tasks(ROOT / "seed_tasks" / "seed_tasks.jsonl")
        for one in seed.instances
    ]


def _held_out() -> list[Record]:
    rows = map(json.loads, (ROOT / "seed_tasks" / "eval_tasks.jsonl").read_text("utf-8").splitlines())
    return [Record(row["instruction"], row["instances"][0]["input"]) for row in rows]


def _demo() -> list[Record]:
    return [
        Record(row["instruction"], clean_input(row["input"]))
        for row in json.loads((DATA / "alpaca_en_demo.json").read_bytes())
    ]


def _instructions(name: str) -> list[Record]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for number, line in enumerate(lines) if number % 10 == 0]
    return [Record(row["instruction"], NEUTRAL) for row in rows]


SOURCES: dict[str, tuple[str, Callable[[], list[Record]]]] = {
    "seeds": ("", _seeds),
    "held out": ("", _held_out),
    "demo": ("alpaca_en_demo.json", _demo),
    "instructions": ("alpaca_52k_instructions.jsonl.gz", lambda: _instructions("alpaca_52k_instructions.jsonl.gz")),
}


@cache
def good(source: str) -> list[Record]:
    """Tasks that people wrote or that were read by people."""
    name, read = SOURCES[source]
    if name and not (DATA / name).exists():
        pytest.skip(f"../shared/data/{name} is not here, so false alarms on it are not measured")
    return read()


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("source", SOURCES)
def test_at_most_one_good_task_in_two_hundred_is_refused(name: str, source: str) -> None:
    if (source, name) == ("instructions", "double_input"):
        pytest.skip("the file has no inputs; with any input at all its quotations would be refused rightly")
    check, records = CHECKS[name], good(source)
    refused = [record.instruction[:80] for record in records if check(record)]
    assert len(records) >= 100
    assert len(refused) <= 0.005 * len(records), refused[:20]


# -- gibberish: signals of a broken sentence ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("Write a letter to the,, mayor about the park.", "punctuation"),
        ("Write a letter to the mayor about the", "it breaks off"),
        ("Name five ways to get to work that do not involve using", "it breaks off"),
        ("List three rivers) of the country and their length.", "brackets"),
        ("Say what the word means in the town, and say what the word means in the village.", "words repeated"),
    ],
)
def test_a_broken_sentence_is_gibberish_and_says_why(text: str, detail: str) -> None:
    assert CHECKS["gibberish"](Record(text)) == f"gibberish: {detail}"


@pytest.mark.parametrize(
    "given", ["for fruit in basket.items(", "typescript array,", "the answer answer of the reader"]
)
def test_an_input_that_breaks_off_or_stammers_is_gibberish(given: str) -> None:
    assert said("gibberish", "Say in one sentence what this is.", given) == "gibberish"


# -- improbable --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noted", "reason"), [(-2.31, "improbable: -2.31 nats a token"), (-2.1, None)])
def test_a_task_whose_words_were_improbable_to_its_teacher_is_rejected(noted: float, reason: str | None) -> None:
    assert improbable(Record("Sail the sixth spoon.", meta={"mean_logprob": noted})) == reason


def test_a_task_of_which_nobody_told_how_probable_it_was_is_left_alone() -> None:
    [(_, strict)] = build_checks([{"improbable": {"min_logprob": -0.1}}])
    assert strict(Record("Sort the list.")) is None and strict(Record("Sort.", meta={"mean_logprob": -0.2}))
