"""Bootstrap with a scripted teacher: counts, order, cost, and what a failure costs."""

from __future__ import annotations

import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import (
    VERBS,
    Reply,
    Results,
    Scripted,
    collect,
    draw_for,
    inventive,
    jitter,
    kind_of,
    new_task,
    prompt_of,
)

from synth.errors import CredentialsError, RequestRefused
from synth.models.base import ChatRequest, Completion
from synth.records import Instance, Record, Rejection, SeedTask
from synth.stages.bootstrap import BootstrapSettings, bootstrap
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parents[2] / "seed_tasks" / "seed_tasks.jsonl")
METHODS = ("self_instruct", "alpaca", "diverse")


def run(folder: Path, model: Scripted, seeds: list[SeedTask] = SEEDS, **settings: object) -> Results:
    options = {name: settings.pop(name) for name in ("concurrency", "kind", "run_seed") if name in settings}
    chosen = BootstrapSettings(**settings)  # type: ignore[arg-type]
    return collect(folder, model, lambda engine: bootstrap(engine, seeds, chosen), **options)  # type: ignore[arg-type]


def kept(results: Results) -> list[Record]:
    return [one for batch in results for one in batch if isinstance(one, Record)]


def rejected(results: Results) -> Counter[str]:
    return Counter(one.reason for batch in results for one in batch if isinstance(one, Rejection))


def tasks(results: Results) -> list[str]:
    return list(dict.fromkeys(record.instruction for record in kept(results)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_tasks", [1, 37, 80])
def test_exactly_as_many_tasks_are_accepted_as_wanted(tmp_path: Path, method: str, num_tasks: int) -> None:
    assert len(tasks(run(tmp_path, Scripted(inventive), method=method, num_tasks=num_tasks))) == num_tasks


@pytest.mark.parametrize("method", METHODS)
def test_neither_concurrency_nor_the_order_of_answers_changes_anything(tmp_path: Path, method: str) -> None:
    def all_of(concurrency: int) -> Results:
        model = Scripted(repetitive, jitter)
        return run(tmp_path / str(concurrency), model, method=method, num_tasks=60, concurrency=concurrency)

    alone = all_of(1)
    assert rejected(alone)["too_similar"] > 2
    assert alone == all_of(8) == all_of(64)


def repetitive(request: ChatRequest) -> str:
    """As `inventive`, but some tasks come again and again, and some instances are missing."""
    text, rng = inventive(request), draw_for(request, "again")
    if kind_of(request) in ("instances", "labels") and rng.random() < 0.2:
        return "I would rather not."
    old = [new_task(random.Random(n)) for n in range(40)]
    return swapped(text, lambda task: task if rng.random() < 0.6 else rng.choice(old))


def swapped(text: str, other: Callable[[str], str]) -> str:
    """The reply with `other` in place of each instruction."""
    return re.sub(rf"\b({'|'.join(VERBS)}) [a-z ]+\.", lambda match: other(match[0]), text)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_broken_off_and_continued_ends_like_one_that_never_was(tmp_path: Path, method: str) -> None:
    whole = Scripted(repetitive)
    wanted = run(tmp_path / "whole", whole, method=method, num_tasks=50)
    paid: list[ChatRequest] = []
    for limit in (3, 9, 30, 10_000):
        with contextlib.suppress(CredentialsError):
            model = Scripted(with_quota(limit, paid), jitter)
            results = run(tmp_path / "broken", model, method=method, num_tasks=50)
    assert results == wanted
    assert Counter(map(repr, paid)) == Counter(map(repr, whole.requests))


def with_quota(limit: int, paid: list[ChatRequest]) -> Reply:
    """`repetitive` for so many requests, which are noted in `paid`; then the run has to end."""
    last = len(paid) + limit

    def reply(request: ChatRequest) -> str:
        if len(paid) >= last:
            raise CredentialsError("the quota is used up")
        paid.append(request)
        return repetitive(request)

    return reply


@pytest.mark.parametrize(
    ("method", "good", "num_tasks"),
    [("diverse", 0.6, 300), *(pytest.param(m, g, 1000, marks=pytest.mark.slow) for m in METHODS for g in (1, 0.6))],
)
def test_many_tasks_cost_little_more_than_the_ideal(tmp_path: Path, method: str, good: float, num_tasks: int) -> None:
    def some(request: ChatRequest) -> str:
        text, rng = inventive(request), draw_for(request, "good")
        bad = new_task(random.Random(0))
        proposes = kind_of(request) in ("list", "tasks", "full_tasks")
        return swapped(text, lambda task: bad if rng.random() > good else task) if proposes else text

    model, num_instances = Scripted(some), 2 if method == "self_instruct" else 1
    results = run(tmp_path, model, method=method, num_tasks=num_tasks, instances_per_task=num_instances)
    needed = 0
    accepted = 0
    for batch in results:
        needed += 1
        accepted += len({one.instruction for one in batch if isinstance(one, Record)})
        if accepted == num_tasks:
            break
    ideal = needed + (2 * num_tasks if method == "self_instruct" else 0)
    assert accepted == num_tasks
    assert len(model.requests) <= ideal / 0.9


def test_instances_are_asked_for_novel_tasks_only(tmp_path: Path) -> None:
    model = Scripted(repetitive)
    results = run(tmp_path, model, method="self_instruct", num_tasks=60)
    admitted = {one.instruction for one in kept(results)}
    admitted |= {
        one.record.instruction
        for batch in results
        for one in batch
        if isinstance(one, Rejection) and one.check == "instance"
    }
    assert len(model.prompts("classify")) == len(admitted)


def test_every_candidate_is_kept_or_rejected_with_a_reason(tmp_path: Path) -> None:
    model = Scripted(repetitive)
    results = run(tmp_path, model, method="alpaca", num_tasks=50)
    assert sum(map(len, results)) == 3 * len(model.requests)
    assert all(one.reason for batch in results for one in batch if isinstance(one, Rejection))
    assert set(rejected(results)) <= {"too_similar", "surplus", "no_output"}


def test_a_failed_request_costs_its_own_tasks_only(tmp_path: Path) -> None:
    def failing(request: ChatRequest) -> str:
        if draw_for(request, "fail").random() < 0.2:
            raise RequestRefused("no", "bad_request")
        return inventive(request)

    results = run(tmp_path, Scripted(failing, jitter), method="self_instruct", num_tasks=60)
    assert len(tasks(results)) == 60
    lost = [one for batch in results for one in batch if isinstance(one, Rejection) and one.reason == "bad_request"]
    assert {bool(one.record.instruction) for one in lost} == {True, False}


def test_an_unreadable_classification_is_asked_again_and_then_quarantined_and_never_no(tmp_path: Path) -> None:
    def vague(request: ChatRequest) -> str:
        prompt = prompt_of(request)
        if kind_of(request) != "classify":
            return inventive(request)
        hard = len(prompt.rpartition("Task: ")[2]) % 3
        if hard == 0:
            return "That depends."
        return "Hard to say" if hard == 1 and request.draw == 0 else "Yes"

    model = Scripted(vague)
    results = run(tmp_path, model, method="self_instruct", num_tasks=40)
    unread = [
        one for batch in results for one in batch if isinstance(one, Rejection) and one.reason == "unreadable_answer"
    ]
    assert unread and all(one.check == "request" and "That depends." in one.detail for one in unread)
    assert all(record.meta["is_classification"] for record in kept(results))
    asked = Counter(prompt for prompt in model.prompts("classify"))
    assert set(asked.values()) == {1, 2}


def test_the_last_item_of_a_cut_reply_is_dropped_and_no_other(tmp_path: Path) -> None:
    def cut(request: ChatRequest) -> Completion:
        return Completion(inventive(request)[:-5], "length", model="scripted")

    results = run(tmp_path, Scripted(cut), method="diverse", tasks_per_request=7, num_tasks=35)
    assert all(Counter(type(one) for one in batch)[Record] >= 6 for batch in results[:4])
    assert rejected(results)["cut_off"] == len(results)


def test_five_seeds_are_enough(tmp_path: Path) -> None:
    five = [SeedTask(f"s{n}", "", new_task(random.Random(n)), (Instance("", "Done."),), False) for n in range(5)]
    for method in METHODS:
        assert len(tasks(run(tmp_path / method, Scripted(inventive), five, method=method, num_tasks=30))) == 30


@pytest.mark.parametrize("method", METHODS)
def test_requests_of_the_same_words_are_asked_each_for_itself(tmp_path: Path, method: str) -> None:
    """One seed, one category and a topic: every prompt is the same, and brings other tasks each time."""
    one = SeedTask("s", "", new_task(random.Random(1)), (Instance("", "Done."),), False, category="sql")
    model = Scripted(inventive)
    results = run(tmp_path, model, [one], method=method, topic="tea", num_machine_examples=0, num_tasks=25)
    assert len(tasks(results)) == 25


def test_provenance_leads_to_the_seeds_the_prompt_and_the_request(tmp_path: Path) -> None:
    model = Scripted(inventive)
    results = run(tmp_path, model, method="self_instruct", num_tasks=120, examples_from="seeds")
    ids = {seed.id for seed in SEEDS} | {record.id for record in kept(results)}
    for record in kept(results):
        line = record.lineage
        assert (line.origin, line.operator, line.model) == ("bootstrap", "self_instruct", "scripted")
        assert len(line.parents) == 8 and set(line.parents) <= ids
        assert line.prompt and line.prompt.startswith("self_instruct@")
        assert len(line.completion_keys) == 2
    assert any(not parent.startswith("seed_task") for record in kept(results) for parent in record.lineage.parents)
