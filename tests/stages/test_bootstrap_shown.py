"""What bootstrap deals and shows: kinds and domains like cards, examples in one language, short ones first."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synth.records import Instance, SeedTask
from synth.stages.bootstrap import BootstrapSettings
from synth.stages.bootstrap.attributes import DOMAINS, KINDS, draw_attributes, kind_of
from synth.stages.bootstrap.examples import MAX_WORDS, OF_A_KIND
from synth.stages.bootstrap.methods import METHODS, Request
from synth.stages.bootstrap.pool import Example, Pool, seed_example
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parents[2] / "seed_tasks" / "seed_tasks.jsonl")
BY_ID = {seed.id: seed_example(seed) for seed in SEEDS}


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


@pytest.mark.parametrize("method", METHODS)
def test_a_prompt_shows_tasks_in_the_commonest_language_only(method: str) -> None:
    assert {seed.language for seed in SEEDS} > {"en", "it"}
    assert {one.language for request in requests(method, range(150)) for one in shown(request)} == {"en"}


@pytest.mark.parametrize("method", METHODS)
def test_a_prompt_shows_tasks_in_the_language_wanted(method: str) -> None:
    """Where seeds in that language are few, few are shown; where there are none, any."""
    found = [one.language for request in requests(method, range(40), language=["it"]) for one in shown(request)]
    assert found and set(found) == {"it"}
    assert all(request.parents for request in requests(method, range(3), language=["ko"]))


@pytest.mark.parametrize("method", ["alpaca", "self_instruct"])
def test_long_tasks_are_not_shown(method: str) -> None:
    assert max(one.num_words for one in BY_ID.values()) > 3 * MAX_WORDS
    assert max(one.num_words for request in requests(method, range(150)) for one in shown(request)) <= MAX_WORDS


def test_where_all_tasks_are_long_the_shortest_are_shown() -> None:
    long = [
        SeedTask(f"seed_{n}", "", " ".join(["word"] * (100 + n)), (Instance("", "x"),), False, language="en")
        for n in range(20)
    ]
    parents = {parent for request in requests("alpaca", range(60), long) for parent in request.parents}
    assert parents == {f"seed_{n}" for n in range(8)}


def test_half_of_what_diverse_shows_is_of_the_kind_wanted_and_stands_last() -> None:
    by_kind: dict[str, list[int]] = {}
    for one in sorted(BY_ID.values(), key=lambda one: one.num_words):
        if one.language == "en":
            by_kind.setdefault(one.category, []).append(one.num_words)
    for request in requests("diverse", range(300)):
        wanted, examples = request.notes[0]["category"], shown(request)
        same = min(2, len(by_kind[wanted]))
        assert [one.category == wanted for one in examples] == [False] * (4 - same) + [True] * same
        limits = [by_kind[wanted][:OF_A_KIND][-1] if one.category == wanted else MAX_WORDS for one in examples]
        assert all(one.num_words <= limit for one, limit in zip(examples, limits, strict=True))


def test_examples_stay_for_hundreds_of_requests_and_then_change_so_that_a_prefix_cache_serves_them() -> None:
    asked = requests("diverse", range(800))
    heads = {str(request.prompt.messages[:5]) for request in asked}
    assert len(heads) <= 3  # two examples that all kinds share, but for the kinds of these two
    whole = {(request.notes[0]["category"], str(request.prompt.messages[:-1])) for request in asked}
    assert len(whole) == len({request.notes[0]["category"] for request in asked})
    later = requests("diverse", range(32 * len(KINDS), 32 * len(KINDS) + 50))
    assert str(later[0].prompt.messages[:5]) not in heads


def test_an_example_is_asked_for_as_the_wanted_task_is() -> None:
    seeds = [replace(seed, category="sql", name="late_trains") for seed in SEEDS if seed.category == "sql"]
    messages = requests("diverse", range(1), seeds)[0].prompt.messages
    turns = [message["content"] for message in messages if message["role"] == "user"]
    assert len(turns) > 1 and all(KINDS["sql"].phrase in turn for turn in turns)
    assert all("about late trains" in turn for turn in turns[:-1])


@pytest.mark.parametrize("method", METHODS)
def test_the_same_number_gives_the_same_request_whatever_was_asked_before(method: str) -> None:
    assert requests(method, range(9, 10)) == requests(method, range(10))[9:]
