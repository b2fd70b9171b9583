"""What bootstrap deals and shows: kinds and domains like cards, examples in one language, short ones first."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synth.prompts.domains import DOMAINS
from synth.records import Instance, SeedTask
from synth.stages.bootstrap import BootstrapSettings
from synth.stages.bootstrap.attributes import KINDS, draw_attributes, kind_of
from synth.stages.bootstrap.examples import MAX_WORDS
from synth.stages.bootstrap.methods import METHODS, USES, Request
from synth.stages.bootstrap.pool import Example, Pool, seed_example
from synth.stages.bootstrap.worked import WORKED, WORKED_IDS
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parents[2] / "seed_tasks" / "seed_tasks.jsonl")
AGES = (range(USES), range(USES, 2 * USES))
BY_ID = {one.id: one for one in (*map(seed_example, SEEDS), *WORKED)}


def requests(method: str, numbers: range, seeds: list[SeedTask] = SEEDS, **settings: Any) -> list[Request]:
    """The requests with these numbers, on an empty pool."""
    chosen = BootstrapSettings(method=method, **settings)  # type: ignore[arg-type]
    made, pool = METHODS[method](seeds, chosen, run_seed=5), Pool(seeds, chosen)
    return [made.request(pool, random.Random(number), number) for number in numbers]


def shown(request: Request) -> list[Example]:
    return [BY_ID[parent] for parent in request.parents]


# -- dealing -----------------------------------------------------------------------------------------------------------


def dealt(run_seed: int, tasks_per_request: int = 5) -> dict[str, list[str]]:
    """The kinds and domains of some hundred tasks, in order."""
    settings = BootstrapSettings(tasks_per_request=tasks_per_request)
    numbers = range(600 // tasks_per_request)
    rows = [row for n in numbers for row in draw_attributes(settings, list(KINDS), run_seed, n, random.Random(n))]
    return {name: [row[name] for row in rows] for name in ("category", "domain")}


@pytest.mark.parametrize(("name", "cards"), [("category", list(KINDS)), ("domain", list(DOMAINS))])
def test_each_kind_and_each_domain_comes_once_before_any_comes_again(name: str, cards: list[str]) -> None:
    row = dealt(1)[name]
    packs = [row[at : at + len(cards)] for at in range(0, len(row) - len(cards) + 1, len(cards))]
    assert len(packs) >= 5 and all(sorted(pack) == sorted(cards) for pack in packs)
    assert len({tuple(pack) for pack in packs}) == len(packs)


def test_what_is_dealt_depends_on_the_run_and_on_the_place_alone() -> None:
    assert dealt(1) == dealt(1) == dealt(1, tasks_per_request=1)
    assert dealt(1) != dealt(2)


def test_kinds_and_domains_are_not_dealt_in_step() -> None:
    pairs = Counter(zip(*dealt(3).values(), strict=True))
    assert max(pairs.values()) <= 4 and len(pairs) > 500


def test_a_topic_of_the_users_takes_the_place_of_domains() -> None:
    rows = draw_attributes(BootstrapSettings(topic="tea"), ["sql"], 0, 0, random.Random(0))
    assert rows == [{"category": "sql"}]


def test_a_category_of_the_users_own_is_named_by_its_own_words() -> None:
    assert kind_of("sort_rank_compare") == kind_of("sort rank compare") == KINDS["sort_rank_compare"]
    assert "haiku contest" in kind_of("haiku_contest").phrase


# -- which examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_a_prompt_shows_tasks_in_the_commonest_language_only(method: str) -> None:
    assert {seed.language for seed in SEEDS} > {"en", "it"}
    made = requests(method, range(150), examples_from="seeds")
    assert {one.language for request in made for one in shown(request)} == {"en"}


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_a_prompt_shows_tasks_in_the_language_wanted(method: str) -> None:
    """Where seeds in that language are few, few are shown; where there are none, any."""
    found = [one.language for request in requests(method, range(40), language=["it"]) for one in shown(request)]
    assert found and set(found) == {"it"}
    assert all(request.parents for request in requests(method, range(3), language=["ko"]))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_long_tasks_are_not_shown(method: str) -> None:
    assert max(one.num_words for one in BY_ID.values()) > 3 * MAX_WORDS
    made = requests(method, range(150), examples_from="seeds")
    assert max(one.num_words for request in made for one in shown(request)) <= MAX_WORDS


def test_where_all_tasks_are_long_the_shortest_are_shown() -> None:
    long = [
        SeedTask(f"seed_{n}", "", " ".join(["word"] * (100 + n)), (Instance("", "x"),), False, language="en")
        for n in range(20)
    ]
    parents = {parent for request in requests("alpaca", range(60), long) for parent in request.parents}
    assert parents == {f"seed_{n}" for n in range(8)}


@pytest.mark.parametrize("source", ["plain", "seeds"])
def test_diverse_shows_five_kinds_with_an_input_where_the_wanted_task_has_one_and_without_where_not(
    source: str,
) -> None:
    for request in requests("diverse", range(300), examples_from=source):
        examples = shown(request)
        with_input = bool(kind_of(request.notes[0]["category"]).material)
        assert len({one.category for one in examples}) == 5 and not any(one.is_classification for one in examples)
        if with_input:
            assert all(one.input for one in examples)
    none = [request for request in requests("diverse", range(27)) if request.notes[0]["category"] == "fiction_verse"]
    assert not any(one.input for one in shown(none[0]))


def test_examples_stay_for_hundreds_of_requests_and_then_change_so_that_a_prefix_cache_serves_them() -> None:
    """Two sets of five, each of which another takes the place of where its own kind is wanted."""
    heads = [{str(request.prompt.messages[:-1]) for request in requests("diverse", numbers)} for numbers in AGES]
    assert [len(found) for found in heads] == [12, 12] and not heads[0] & heads[1]


@pytest.mark.parametrize(
    ("method", "instruction", "category", "is_plain"),
    [
        ("diverse", "What does the sea sound like at night?", None, True),
        ("diverse", "What does the sea sound like at night?", "marine_biology", False),
        ("diverse", "Wie klingt das Meer in der Nacht, und wer hat es so beschrieben?", None, False),
        ("alpaca", "What does the sea sound like at night?", None, False),
    ],
)
def test_seeds_are_shown_unless_plain_tasks_of_their_kinds_can_stand_for_them(
    method: str, instruction: str, category: str | None, is_plain: bool
) -> None:
    seeds = [replace(SEEDS[0], instruction=instruction, category=category, language=None)] * 9
    request = requests(method, range(1), seeds)[0]
    assert all(one in WORKED_IDS for one in request.parents) is is_plain


def test_an_example_is_asked_for_as_the_wanted_task_is() -> None:
    seeds = [replace(seed, category="sql", name="late_trains") for seed in SEEDS if seed.category == "sql"]
    messages = requests("diverse", range(1), seeds, examples_from="seeds")[0].prompt.messages
    turns = [message["content"] for message in messages if message["role"] == "user"]
    assert len(turns) > 1 and all(KINDS["sql"].phrase in turn for turn in turns)
    assert all("about late trains" in turn for turn in turns[:-1])


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_the_same_number_gives_the_same_request_whatever_was_asked_before(method: str) -> None:
    assert requests(method, range(9, 10)) == requests(method, range(10))[9:]


def test_self_instruct_lists_as_many_plain_tasks_as_seeds_of_unknown_kinds() -> None:
    seeds = [SeedTask(f"s{n}", "", f"Do this thing number {n}", (Instance("", "done"),), False) for n in range(9)]
    pool = Pool(seeds, BootstrapSettings(method="self_instruct"))
    shown = METHODS["self_instruct"](seeds, pool.settings).request(pool, random.Random(1)).parents
    assert len(shown) == 8 and len(WORKED_IDS.intersection(shown)) == 4
