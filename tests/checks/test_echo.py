"""A reply that repeats its request is told from the request alone, in any language; what may be repeated is left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.checks.echo import Echo, repeats_request, repeats_rules
from synth.prompts import render
from synth.prompts.replies import task_reply
from synth.records import Record
from synth.stages.bootstrap import BootstrapSettings
from synth.stages.bootstrap.methods import METHODS
from synth.stages.bootstrap.pool import Example, Pool
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parents[2] / "seed_tasks" / "seed_tasks.jsonl")
SHOWN = Example(
    "s1", "Name the dishes that both guests praised.", "Ann liked the soup and the plum cake best.", "Soup."
)
ZH = Example("s2", "把这句话翻译成英语，并解释其中的成语。", "他总是画蛇添足，大家都觉得多余。", "")
AR = Example("s3", "رتب الكلمات التالية حسب الحروف الأبجدية.", "تفاح، باب، ثلج، جبل، حصان، خبز", "")
WANTED = {
    "kind": "put a short text into one of a few classes",
    "topic": "the night ferry",
    "language": "",
    "material": "text",
}


def test_an_answer_that_repeats_the_rules_of_a_template_is_refused_and_one_that_quotes_the_task_is_not() -> None:
    task = Record("Say: no talk about the weather, no closing remark of any kind.", system="Be as brief as you can be.")
    rules = "Give the answer alone: no talk about the\nanswer, no closing remark of any kind. Short."
    asked = [*task.earlier(), {"role": "system", "content": rules}, {"role": "user", "content": task.question}]
    check = repeats_rules(asked, task)
    assert check(task.answered("No talk about the answer, no closing remark of any kind.", "k")) == (
        "prompt_echo: output: no talk about the answer no closing remark of any kind"
    )
    for answer in ("No talk about the weather, no closing remark of any kind.", "Be as brief as you can be.", "Short."):
        assert check(task.answered(answer, "k")) is None


def messages(*shown: Example) -> tuple[dict[str, str], ...]:
    """A request of `diverse` that shows these tasks."""
    examples = [{"wanted": [WANTED], "reply": task_reply([one], with_outputs=False, as_json=False)} for one in shown]
    values = {
        "topic": "Small harbours. Nothing about trains.",
        "with_inputs": True,
        "with_outputs": False,
        "wanted_items": [WANTED, WANTED],
    }
    return render("diverse", examples=examples, **values).messages


def verdict(instruction: str, given: str = "", output: str = "") -> str | None:
    return repeats_request(messages(SHOWN, ZH, AR))(Record(instruction, given, output))


@pytest.mark.parametrize(
    "text",
    [
        "A task about the night ferry: the assistant is to put a short text into one of a few classes.",
        "The assistant is to put a short text into one of a few classes",
        "The text stands under Input.",
        "1. A task about the night ferry: the assistant is to put a short text into one of a few classes.",
        "Write 2 new tasks.",
        "New tasks",
        "# New Tasks",
        "Instruction",
        "You do not answer the tasks.",
        "A task is something that a person might really ask,",
        "All tasks are about this:",
        "Small harbours. Nothing about trains.",
        "Small harbours.",
        SHOWN.instruction,
        SHOWN.instruction.upper(),
        SHOWN.instruction.rstrip("."),
        f"Instruction: {SHOWN.instruction}",
        f"### Instruction\n{SHOWN.instruction}\n### Input\n{SHOWN.input}",
        f"{SHOWN.instruction} {SHOWN.input}",
        f"Please note. {SHOWN.instruction}",
        ZH.instruction,
        ZH.instruction.replace("，", ","),
        AR.instruction,
    ],
)
def test_a_line_of_the_request_is_an_echo_however_it_is_set(text: str) -> None:
    said = verdict(text)
    assert said is not None and said.startswith("prompt_echo: instruction: ")


@pytest.mark.parametrize(
    "text",
    [
        "Name the dishes that both guests disliked.",
        "Say whether the note about the night ferry is a complaint, a question or praise.",
        "Write an announcement for a late ferry.",
        "Sort the tasks by the day on which they are due.",
        "把下面的句子翻译成法语。",
        "رتب المدن التالية حسب عدد السكان.",
        "",
    ],
)
def test_a_task_of_its_own_is_none(text: str) -> None:
    assert verdict(text) is None


def test_inputs_and_outputs_that_stand_in_the_request_are_echoes_and_short_ones_are_not() -> None:
    task = "Say which guest was content."
    assert verdict(task, SHOWN.input) == "prompt_echo: input: ann liked the soup and the plum cake best"
    assert str(verdict(task, "Ann", SHOWN.input)).startswith("prompt_echo: output: ")
    assert str(verdict(task, ZH.input)).startswith("prompt_echo: input: ")
    assert str(verdict(task, AR.input)).startswith("prompt_echo: input: ")
    assert verdict(task, "None", "Soup.") is None and verdict(task, "New tasks", "A task") is None


def test_a_given_text_may_be_repeated_and_the_rest_may_not() -> None:
    given = "The ferry was late. Nobody was told why. We waited for two hours."
    asked = [{"role": "system", "content": "You rewrite tasks."}, {"role": "user", "content": f"### Input\n{given}"}]
    check = repeats_request(asked, [given])
    assert check(Record("Say what went wrong.", given)) is None
    assert check(Record("Say what went wrong.", "Nobody was told why. We waited for two hours.")) is None
    assert repeats_request(asked)(Record("Say what went wrong.", given)) is not None
    assert check(Record("You rewrite tasks.", given)) is not None


def test_half_of_the_words_make_an_echo() -> None:
    echo = Echo([{"role": "user", "content": "Sort the words by length.\nThe shop is closed on Sundays."}])
    assert echo.find("Sort the words by length. Then name the longest one.") == "sort the words by length"
    assert echo.find("Sort the words by length. Then name the longest one and say why it is so long.") is None


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_every_turn_of_a_real_request_is_an_echo_and_no_other_seed_is(method: str) -> None:
    settings = BootstrapSettings(method=method)  # type: ignore[arg-type]
    request = METHODS[method](SEEDS, settings).request(Pool(SEEDS, settings), random.Random(1), 1)
    check, echo = repeats_request(request.prompt.messages), Echo(request.prompt.messages)
    for message in request.prompt.messages:
        assert echo.find(message["content"])
        assert all(echo.find(line) for line in message["content"].splitlines() if any(map(str.isalnum, line)))
    for seed in SEEDS:
        record = Record(seed.instruction, seed.instances[0].input if method != "self_instruct" else "")
        assert (check(record) is not None) == (seed.id in request.parents), seed.instruction


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_text_echoes_itself_wherever_it_stands_in_the_request(before: str, text: str) -> None:
    echo = Echo([{"role": "user", "content": f"{before}\n{text}\n"}])
    assert all(echo.find(line) for line in text.split("\n") if any(char.isascii() and char.isalnum() for char in line))
    assert Echo([{"role": "user", "content": before}], [before, text]).find(text) is None
