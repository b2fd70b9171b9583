"""Workers over shards of their own, without Ray: in this process, each with its own engine, told and asked by messages."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import synth
from runs import KEY, FaultServer, made, write_recipe

from synth.engine.audit import ledger_problems
from synth.engine.budget import Reservation
from synth.engine.crew import Crew
from synth.engine.entries import Entry
from synth.engine.ledger import RUN_ID, Ledger, LedgerReader
from synth.engine.lock import run_lock
from synth.engine.progress import StageProgress
from synth.engine.run import Engine
from synth.engine.shards import FOLDER, left_behind, merge, merged
from synth.errors import BudgetReached, StorageError, UsageError
from synth.models.base import Completion, Usage
from synth.pipeline import Interrupted, data, run
from synth.pipeline.on_ray import RayWorker, connection, shares, spec_of, worker_options
from synth.recipe import Recipe, build_recipe, read_recipe

SPENT = Reservation(7, 5, 0.5)
ASKED = Entry("k", "respond", "i", "teacher", "m", "e", "{}", 1)
ANSWERED = ASKED.answered(Completion("yes", usage=Usage(7, 5)), SPENT, 1, 1.0, 2.0)
LOST = replace(ASKED, resent=1)


class Hiring:
    """Workers in this process; `hire` is a crew's way to have one."""

    def __init__(self, spec: Any) -> None:
        self.spec, self.workers = spec, 0

    async def hire(self, place: int, read: Any, after: str) -> tuple[str, Any]:
        name = f"{self.spec.session}-{self.workers}"
        self.workers += 1
        share = (place, self.spec.share[1])
        worker = RayWorker(replace(self.spec, shard=name, share=share, after=after, skip=tuple(read)))
        for refusal in await worker.open():
            raise refusal
        return name, worker


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """`on: ray` stands for workers in this process."""

    @asynccontextmanager
    async def crew(recipe: Recipe, run_dir: Path, engine: Engine) -> AsyncIterator[Crew]:
        yield Crew(engine, Hiring(await spec_of(recipe, run_dir, engine)).hire, recipe.engine.workers)

    monkeypatch.setattr(data, "crew_on_ray", crew)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer("--latency", "0.02", "--spread", "0.5") as one:
        yield one


def answering(tmp_path: Path, server: FaultServer, count: int = 8, **engine: Any) -> Recipe:
    """A recipe whose stage `respond` answers so many tasks, one of them twice."""
    rows = [{"instruction": f"Count to {n}.", "input": ""} for n in range(2, count)]
    (tmp_path / "tasks.json").write_text(json.dumps([*rows, rows[0] | {"input": "Aloud."}, rows[0]]))
    server.set_faults()
    teacher = {"backend": "openai", "model": "m", "base_url": server.url, "concurrency": 4}
    about = {"input": str(tmp_path / "tasks.json"), "respond": {}, "select": None, "report": None, "export": None}
    return build_recipe(about | {"teacher": teacher, "engine": {"on": "ray", "workers": 3} | engine})


def reader_of(run_dir: Path, ask: Callable[[LedgerReader], Any]) -> Any:
    reader = LedgerReader(run_dir)
    try:
        return ask(reader)
    finally:
        reader.close()


def test_many_workers_make_the_same_bytes_as_one_process_and_ask_no_more(
    in_process: None, server: FaultServer, tmp_path: Path
) -> None:
    server.set_faults()
    recipe = read_recipe(write_recipe(tmp_path, server.url))
    run(recipe, tmp_path / "here")
    asked = server.stats()["requests"]
    server.set_faults()
    engine = recipe.engine.model_copy(update={"on": "ray", "workers": 3})
    result = run(recipe.model_copy(update={"engine": engine}), tmp_path / "away")
    assert made(tmp_path / "away") == made(tmp_path / "here")
    assert server.stats()["requests"] == asked == result.progress.requests
    assert server.stats()["again"] == 0 == result.progress.in_flight
    assert ledger_problems(tmp_path / "away") == []
    assert not (tmp_path / "away" / FOLDER).exists()


def test_a_finished_run_needs_no_ray(server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(*next(iter(KEY.items())))
    server.set_faults()
    recipe = read_recipe(write_recipe(tmp_path, server.url))
    run(recipe, tmp_path / "run")
    before = made(tmp_path / "run")
    engine = recipe.engine.model_copy(update={"on": "ray://127.0.0.1:1"})
    run(recipe.model_copy(update={"engine": engine}), tmp_path / "run")
    assert made(tmp_path / "run") == before


def test_equal_requests_are_asked_once_by_all_workers_together(
    in_process: None, server: FaultServer, tmp_path: Path
) -> None:
    run(answering(tmp_path, server, 12), tmp_path / "run")
    assert server.stats()["requests"] == server.stats()["distinct"] == 11


def test_a_cap_holds_for_all_workers_together(in_process: None, server: FaultServer, tmp_path: Path) -> None:
    recipe = answering(tmp_path, server, 40, max_tokens_total=3_000)
    with pytest.raises(BudgetReached, match="of 3000 tokens"):
        run(recipe, tmp_path / "run")
    _, tokens = reader_of(tmp_path / "run", lambda reader: reader.spent())
    assert 0 < tokens <= 3_000


def test_a_polite_stop_waits_for_the_workers_answers_and_pays_nothing_twice(
    in_process: None, server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = answering(tmp_path, server, 30)
    stopped = Interrupted(signal.SIGINT)
    committed = StageProgress.committed

    def stop_at_the_fifth(stage: StageProgress, results: Any) -> None:
        committed(stage, results)
        if stage.items == 5:
            engines[0].stop(stopped)

    engines: list[Engine] = []
    opened = Crew.open
    monkeypatch.setattr(Crew, "open", lambda crew: engines.append(crew.engine) or opened(crew))
    monkeypatch.setattr(StageProgress, "committed", stop_at_the_fifth)
    with pytest.raises(Interrupted) as found:
        run(recipe, tmp_path / "run")
    assert found.value is stopped
    run(recipe, tmp_path / "run")
    assert server.stats()["requests"] == server.stats()["distinct"] == 29
    assert reader_of(tmp_path / "run", lambda reader: reader.maybe_paid_twice())[0] == 0


def test_what_a_killed_worker_stored_is_not_asked_again(in_process: None, server: FaultServer, tmp_path: Path) -> None:
    recipe = answering(tmp_path, server)
    run(recipe, tmp_path / "one")
    rows = reader_of(tmp_path / "one", lambda reader: reader.query("SELECT key FROM requests"))

    async def leave_a_shard() -> None:
        whole, shard = Ledger(tmp_path / "one"), Ledger(tmp_path / "two" / FOLDER / "abc-0")
        await shard.save_all([entry for (key,) in rows if (entry := whole.entry(key)) is not None])
        await whole.aclose()
        await shard.aclose()

    asyncio.run(leave_a_shard())
    server.set_faults()
    run(recipe, tmp_path / "two")
    assert "requests" not in server.stats() and not (tmp_path / "two" / FOLDER).exists()
    kept = [reader_of(tmp_path / name, lambda reader: list(reader.results("respond"))) for name in ("one", "two")]
    assert kept[0] == kept[1]


def test_a_shard_of_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    async def look() -> None:
        shard = Ledger(tmp_path / FOLDER / "abc-0")
        await shard.set_meta(RUN_ID, "theirs")
        await shard.save(ANSWERED)
        await shard.aclose()
        async for _ in left_behind(tmp_path, "ours"):
            raise AssertionError

    with pytest.raises(UsageError, match="a shard of another run"):
        asyncio.run(look())
    assert reader_of(tmp_path / FOLDER / "abc-0", lambda reader: reader.query("SELECT count(*) FROM requests")) == [
        (1,)
    ]


def test_shards_of_workers_that_live_or_are_about_to_start_are_left_to_them(tmp_path: Path) -> None:
    async def found(after: str = "") -> list[str]:
        return [folder.name async for folder, _ in left_behind(tmp_path, "ours", "abc", after, skip=["old-1"])]

    (tmp_path / FOLDER / "abc-1").mkdir(parents=True)  # as a worker has it before it holds the lock

    for name in ("abc-0", "old-0", "old-1"):
        (tmp_path / FOLDER / name).mkdir(parents=True)

        async def fill(name: str = name) -> None:
            await Ledger(tmp_path / FOLDER / name).aclose()

        asyncio.run(fill())
    with run_lock(tmp_path / FOLDER / "abc-0"):
        assert asyncio.run(found()) == ["old-0"]
    assert (tmp_path / FOLDER / "abc-1").is_dir()
    assert asyncio.run(found(after="abc-0")) == ["abc-0", "old-0"]


@pytest.mark.parametrize(
    "known, told, now",
    [
        (None, ANSWERED, ANSWERED),
        (None, LOST, LOST),
        (LOST, ANSWERED, ANSWERED),
        (ANSWERED, LOST, None),
        (ANSWERED, ANSWERED, None),
        (ANSWERED, replace(ANSWERED, text="no", answered_at=3.0), replace(ANSWERED, resent=1)),
        (replace(LOST, attempts=2, state="failed"), ASKED, None),
    ],
)
def test_an_answer_is_never_replaced_and_a_second_one_is_counted(
    known: Entry | None, told: Entry, now: Entry | None
) -> None:
    assert merged(known, told) == now


def test_rows_told_twice_change_nothing(tmp_path: Path) -> None:
    async def tell() -> list[int]:
        ledger = Ledger(tmp_path)
        changes = [len(await merge(ledger, [LOST, ANSWERED, LOST])) for _ in range(3)]
        await ledger.aclose()
        return changes

    assert asyncio.run(tell()) == [2, 0, 0]


async def refusal_of(recipe: Recipe, run_dir: Path, /, **about: Any) -> Any:
    """Why a worker does not start."""
    ledger = Ledger(run_dir)
    spec = await spec_of(recipe, run_dir, Engine(ledger, {}, None, None))  # type: ignore[arg-type]
    await ledger.aclose()
    return (await RayWorker(replace(spec, shard="abc-0", **about)).open())[0]


def test_a_worker_with_another_synth_says_so(server: FaultServer, tmp_path: Path) -> None:
    refusal = asyncio.run(refusal_of(answering(tmp_path, server), tmp_path / "run", code="another"))
    assert isinstance(refusal, UsageError) and "another synth" in refusal.message


def test_a_worker_without_the_model_says_so(server: FaultServer, tmp_path: Path) -> None:
    recipe = answering(tmp_path, server)
    its = recipe.model_dump(mode="json") | {"teacher": {"backend": "their_module:model"}}
    refusal = asyncio.run(refusal_of(recipe, tmp_path / "run", recipe=its))
    assert "their_module" in refusal.message and not (tmp_path / "run" / FOLDER).exists()


def test_a_worker_that_cannot_start_ends_the_run_before_anything_is_asked(
    in_process: None, server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = answering(tmp_path, server)
    monkeypatch.setattr(RayWorker, "_folder", property(lambda _worker: tmp_path / "tasks.json" / "no folder"))
    with pytest.raises(StorageError, match="cannot be written"):
        run(recipe, tmp_path / "run")
    assert "requests" not in server.stats()


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "ray://nowhere.invalid:10001", "ray://h:port"])
def test_an_address_without_ray_is_refused_in_one_sentence(address: str) -> None:
    with pytest.raises(UsageError, match=f"there is no Ray at {address}") as refused:
        connection(build_recipe({"engine": {"on": address}}))
    assert "\n" not in refused.value.message


def test_the_slots_are_shared_with_a_driver_that_bootstraps() -> None:
    engine = {"workers": 4}
    assert shares(build_recipe({"engine": engine, "bootstrap": {}})) == 5
    assert shares(build_recipe({"engine": engine, "bootstrap": None})) == 4


def test_a_worker_takes_the_gpus_of_the_recipe_and_follows_its_forerunner() -> None:
    pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: what a worker asks of a cluster is not tested")
    recipe = build_recipe({"engine": {"worker_gpus": 2}})
    first, second = worker_options(recipe, None), worker_options(recipe, "ab" * 28)
    assert (first["num_gpus"], first["num_cpus"], first["scheduling_strategy"]) == (2, 1, "SPREAD")
    assert second["scheduling_strategy"].node_id == "ab" * 28 and second["scheduling_strategy"].soft


def test_on_is_a_word_in_a_recipe_and_survives_the_run_folder(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("bootstrap: {}\nengine: {on: ray, workers: 3}\n")
    recipe = read_recipe(path)
    path.write_text(recipe.to_yaml())
    assert read_recipe(path).engine == recipe.engine and recipe.engine.on == "ray"


def test_the_flag_names_an_address_and_nothing_is_asked_where_no_ray_is(server: FaultServer, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: its absence is said before any address is looked at")
    server.set_faults()
    done = synth(
        "run", write_recipe(tmp_path, server.url), "--run", tmp_path / "run", "--on", "ray://127.0.0.1:1", env=KEY
    )
    assert done.returncode == 2 and "there is no Ray at ray://127.0.0.1:1" in done.stderr
    assert "requests" not in server.stats()
