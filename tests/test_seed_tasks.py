"""The two sets of tasks that come with synth: their sizes, their mix, and how far they are from each other."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from synth.metrics import count_words, mean, rouge_l
from synth.records import SeedTask
from synth.stages.seed_stats import card_block, put_in_card, stats
from synth.stages.seeds import read_seed_tasks
from synth.verify import verify
from synth.verify.language import detect_language

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "seed_tasks"
PUBLISHED = ROOT.parent / "shared" / "data" / "self_instruct_seed_tasks.jsonl"
SEEDS = read_seed_tasks(FOLDER / "seed_tasks.jsonl")
EVALS = read_seed_tasks(FOLDER / "eval_tasks.jsonl")
NOT_LATIN = {"ar", "hi", "ja", "ko", "ru", "uk", "zh"}

needs_published = pytest.mark.skipif(
    not PUBLISHED.is_file(), reason=f"{PUBLISHED} is not here: the distance to the published seeds is NOT checked"
)


def answers(task: SeedTask) -> list[str]:
    return [instance.output for instance in task.instances]


def test_there_are_175_seeds_with_ids_in_order_and_names_of_their_own() -> None:
    assert [task.id for task in SEEDS] == [f"seed_task_{number}" for number in range(175)]
    assert [task.id for task in EVALS] == [f"eval_task_{number}" for number in range(120)]
    names = [task.name for task in SEEDS + EVALS]
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name) for name in names)
    assert [name for name, number in Counter(task.name for task in SEEDS).items() if number > 1] == []


def test_the_mix_of_seeds_is_as_promised() -> None:
    measures = stats(SEEDS)
    assert 26 <= measures["classification"] <= 36
    assert 45 <= measures["empty_input"] <= 65
    assert measures["with_check"] >= 60
    assert measures["outputs_over_120_words"] >= 15
    assert measures["inputs_over_100_words"] >= 6
    assert 40 <= measures["words"]["output"]["mean"] <= 55


def test_there_are_enough_categories_and_neighbours_differ() -> None:
    counts = Counter(task.category for task in SEEDS)
    assert len([name for name, number in counts.items() if name and number >= 4]) >= 22 and None not in counts
    assert all(one.category != other.category for one, other in pairwise(SEEDS))


def test_ten_seeds_and_more_are_in_other_languages() -> None:
    others = [task for task in SEEDS if task.language != "en"]
    assert len(others) >= 10
    assert len({task.language for task in others}) >= 5
    assert len({task.language for task in others} & NOT_LATIN) >= 2


def test_the_language_of_a_task_is_the_one_it_names() -> None:
    found = {task.name: (task.language, detect_language(task.instruction)) for task in SEEDS + EVALS}
    assert {name: pair for name, pair in found.items() if pair[1] not in (pair[0], None)} == {}


def test_a_classification_names_its_labels_in_the_instruction() -> None:
    for task in (task for task in SEEDS + EVALS if task.is_classification):
        assert task.check is not None and task.check["kind"] == "label", task.name
        wording = " ".join(f"{task.instruction} {task.instances[0].input}".split()).casefold()
        assert [label for label in task.check["labels"] if label.casefold() not in wording] == [], task.name


@pytest.mark.parametrize("tasks", [SEEDS, EVALS], ids=["seeds", "held out"])
def test_an_answer_passes_its_check_and_the_empty_or_another_task_s_answer_does_not(tasks: list[SeedTask]) -> None:
    for task in tasks:
        if task.check is None:
            continue
        assert verify(answers(task)[0], task.check).passed, task.name
        assert not verify("", task.check).passed, task.name
        if task.check["kind"] != "constraints":
            others = [other for other in SEEDS if other.category != task.category and answers(other) != answers(task)]
            share = mean([verify(answers(other)[0], task.check).passed for other in others])
            assert share <= 0.03, task.name


def test_no_seed_has_filler_or_stray_space() -> None:
    filler = re.compile(r"(?i)^(sure|of course|certainly|here is|here are)\b|as an ai|language model|i hope this helps")
    for task in SEEDS + EVALS:
        assert not filler.search(answers(task)[0]), task.name
        for text in (task.instruction, task.instances[0].input, answers(task)[0]):
            assert text == text.strip() and "\r" not in text and "\ufffd" not in text, task.name


def test_the_held_out_tasks_are_60_checkable_30_with_a_reference_and_30_with_constraints() -> None:
    kinds = [task.check["kind"] if task.check else "reference" for task in EVALS]
    assert kinds.count("reference") == kinds.count("constraints") == 30
    assert len(kinds) - 60 == 60
    used = {one["type"] for task in EVALS if task.check for one in task.check.get("constraints", ())}
    assert len(used) == 25


def highest(tasks: list[SeedTask], others: list[SeedTask]) -> float:
    return max(rouge_l(a.instruction, b.instruction) for a in tasks for b in others if a is not b)


def test_no_two_seeds_and_no_held_out_task_are_near_each_other() -> None:
    assert highest(SEEDS, SEEDS) <= 0.55
    assert highest(EVALS, SEEDS) <= 0.55
    assert highest(EVALS, EVALS) <= 0.55


@needs_published
def test_nothing_is_near_a_published_seed_and_no_sentence_is_reused() -> None:
    published = read_seed_tasks(PUBLISHED)
    assert highest(SEEDS, published) <= 0.6
    assert highest(EVALS, published) <= 0.6
    assert sentences(published) & sentences(SEEDS + EVALS) == set()


def sentences(tasks: list[SeedTask]) -> set[str]:
    texts = [text for task in tasks for text in (task.instruction, task.instances[0].input, *answers(task))]
    pieces = (" ".join(piece.split()).casefold() for text in texts for piece in re.split(r"(?<=[.!?])\s+|\n", text))
    return {piece for piece in pieces if count_words(piece) >= 4}


@pytest.mark.parametrize(("name", "tasks"), [("seed_tasks.jsonl", SEEDS), ("eval_tasks.jsonl", EVALS)])
def test_the_tables_of_the_card_are_current(name: str, tasks: list[SeedTask]) -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert put_in_card(card, name, card_block(stats(tasks))) == card, f"run: synth seeds stats {name} --card README.md"
