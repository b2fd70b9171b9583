"""Answers by batches: the same records as one by one, nothing sent twice, whatever a batch API does."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import Command, synth
from served import ServedTeacher, serving, stand_in
from workshop import answer_all, engine_over

from synth.embedded.draws import Draw
from synth.embedded.generate import Wish, draw_task
from synth.embedded.server import TeacherServer
from synth.engine.batch_journal import PREFIX, BatchJournal
from synth.engine.batches import Batches, BatchSettings
from synth.engine.ledger import LedgerReader
from synth.engine.run import Engine
from synth.errors import SynthError
from synth.models.base import ChatRequest, Completion
from synth.models.openai import Settings, connect
from synth.records import Record, Rejection

QUICK = {"max_requests": 40, "linger_s": 0.05, "max_poll_s": 0.05}


@asynccontextmanager
async def by_batches(
    folder: Path, faults: str = "", batch_faults: str = "", said: list[str] | None = None, **about: Any
) -> AsyncIterator[tuple[Engine, TeacherServer]]:
    """An engine whose teacher answers in batches, and the server in this event loop."""
    async with (
        serving(stand_in, faults, batch_faults=batch_faults, **about.pop("server", {})) as (url, server),
        engine_by_batches(folder, url, [] if said is None else said, **about) as engine,
    ):
        yield engine, server


@asynccontextmanager
async def engine_by_batches(folder: Path, url: str, said: list[str], **about: Any) -> AsyncIterator[Engine]:
    """An engine whose teacher answers in batches."""
    settings, model = BatchSettings(**(QUICK | about.pop("batch", {}))), connect(Settings("embedded", base_url=url))
    patience_s = about.pop("patience_s", 60.0)
    async with engine_over(folder, model, slots=200, **about) as engine:
        journal = BatchJournal(engine.ledger, "m")
        batches = Batches(model.batch_api(), journal, settings, said.append, max_attempts=3, deadline_s=patience_s)
        engine.roles["teacher"].batches = batches
        try:
            yield engine
        finally:
            engine.stop(SynthError("over"))
            await batches.close()


def answered(folder: Path, count: int, **about: Any) -> tuple[list[Record | Rejection], dict[str, Any]]:
    async def run() -> tuple[list[Record | Rejection], dict[str, Any]]:
        async with by_batches(folder, **about) as (engine, server):
            records = [Record(f"mark the number {number}") for number in range(count)]
            return await answer_all(engine, records), server.stats()

    return asyncio.run(run())


def outputs(results: list[Record | Rejection]) -> list[str]:
    return [one.output for one in results if isinstance(one, Record)]


def test_rows_out_of_order_twice_broken_and_missing_are_the_same_records_as_none_of_it(tmp_path: Path) -> None:
    plain, stats = answered(tmp_path / "plain", 100)
    assert all(isinstance(one, Record) for one in plain) and (stats["admitted"], stats["answered"]) == (100, 100)
    faulty, stats = answered(
        tmp_path / "faulty",
        100,
        faults="server_error=0.1",
        batch_faults="shuffled,twice=0.1,missing=0.1,broken=0.1,expired=2",
    )
    assert outputs(faulty) == outputs(plain) and len(set(outputs(plain))) == 100
    assert stats["admitted"] > 115 and stats["answered_again"] == 0


def test_a_request_that_never_comes_back_costs_its_item_after_the_attempts_it_has(tmp_path: Path) -> None:
    results, stats = answered(tmp_path, 5, batch_faults="missing", max_attempts=2)
    assert stats["admitted"] == 10
    assert {one.reason for one in results if isinstance(one, Rejection)} == {"no_row"} and len(results) == 5


def test_a_file_holds_no_more_requests_and_bytes_than_is_allowed(tmp_path: Path) -> None:
    said: list[str] = []
    answered(tmp_path / "a", 100, said=said)
    counts = [int(line.split(": ")[1].split()[0]) for line in said if "is sent" in line]
    assert sum(counts) == 100 and max(counts) <= 40
    said.clear()
    answered(tmp_path / "b", 100, said=said, batch={"max_bytes": 10_000, "max_requests": 1000})
    assert len([line for line in said if "is sent" in line]) > 2


def test_a_file_of_some_megabytes_is_sent(tmp_path: Path) -> None:
    async def run() -> int:
        async with by_batches(tmp_path, batch={"max_requests": 1000}) as (engine, _):
            records = [Record(f"mark {number} " + "longestwords " * 20_000) for number in range(10)]
            return len(outputs(await answer_all(engine, records)))

    assert asyncio.run(run()) == 10


def test_a_server_without_a_batch_api_is_told_in_one_sentence_and_asked_nothing(tmp_path: Path) -> None:
    with pytest.raises(SynthError, match="has no batch API") as told:
        answered(tmp_path, 5, batch_faults="absent")
    assert "api: chat" in told.value.hint and told.value.exit_code == 2


def test_a_batch_refused_as_a_whole_stops_the_run_with_the_providers_words(tmp_path: Path) -> None:
    with pytest.raises(SynthError, match="refused batch batch-1: Enqueued token limit reached") as told:
        answered(tmp_path, 5, batch_faults="failed=1")
    assert "max_requests lower" in told.value.hint


def test_a_batch_for_which_the_queue_is_full_waits_until_another_is_over(tmp_path: Path) -> None:
    async def run() -> tuple[int, int]:
        said: list[str] = []
        slow = {"batch_s": 3600.0}
        async with by_batches(tmp_path, "", "failed=2", said, server=slow) as (engine, server):
            asking = asyncio.create_task(answer_all(engine, [Record(f"mark {number}") for number in range(80)]))
            while not any("has to wait until another is over" in line for line in said):
                await asyncio.sleep(0.01)
            assert len(server.batches.made) == 2
            while not asking.done():
                for batch in server.batches.made.values():
                    batch.go.set()
                await asyncio.sleep(0.01)
            return len(outputs(await asking)), server.stats()["admitted"]

    assert asyncio.run(run()) == (80, 80)


def test_a_stop_leaves_a_batch_to_the_provider_and_the_next_engine_takes_its_answers(tmp_path: Path) -> None:
    records = [Record(f"mark {number}") for number in range(20)]

    async def run() -> tuple[int, dict[str, Any]]:
        said: list[str] = []
        async with serving(stand_in, batch_s=3600.0) as (url, server):
            async with engine_by_batches(tmp_path, url, said) as engine:
                asking = asyncio.create_task(answer_all(engine, records))
                while not said:
                    await asyncio.sleep(0.01)
                assert engine.in_batches[1] == 1
                engine.stop(SynthError("enough"))
                with pytest.raises(SynthError, match="enough"):
                    await asking
            for batch in server.batches.made.values():
                batch.go.set()
            server.batches.seconds = 0.0
            async with engine_by_batches(tmp_path, url, said) as engine:
                return len(outputs(await answer_all(engine, records))), server.stats()

    found, stats = asyncio.run(run())
    assert found == stats["admitted"] == 20


def test_a_provider_that_goes_away_ends_the_run_and_the_batch_stays_noted(tmp_path: Path) -> None:
    async def run() -> tuple[str, int]:
        said: list[str] = []
        async with AsyncExitStack() as there:
            url, _ = await there.enter_async_context(serving(stand_in, batch_s=3600.0))
            async with engine_by_batches(tmp_path, url, said, patience_s=0.2) as engine:
                asking = asyncio.create_task(answer_all(engine, [Record("mark")]))
                while not said:
                    await asyncio.sleep(0.01)
                await there.aclose()
                with pytest.raises(SynthError, match="could not be made or followed") as told:
                    await asking
                await engine.ledger.flush()
                return told.value.hint, len(BatchJournal(engine.ledger, "m").read())

    hint, noted = asyncio.run(run())
    assert "picked up" in hint and noted == 1


def test_no_file_goes_while_the_ledger_is_at_work(tmp_path: Path) -> None:
    async def run() -> int:
        said: list[str] = []
        async with by_batches(tmp_path, said=said, batch={"linger_s": 0.0}) as (engine, _):
            batches = engine.roles["teacher"].batches
            assert batches is not None
            with batches.working():
                asking = asyncio.create_task(answer_all(engine, [Record("mark")]))
                while not batches.filling:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                assert said == []
            return len(outputs(await asking))

    assert asyncio.run(run()) == 1


def test_the_journal_lets_go_of_batches_whose_answers_are_stored(tmp_path: Path) -> None:
    async def run() -> int:
        async with by_batches(tmp_path) as (engine, _):
            for turn in range(5):
                await answer_all(engine, [Record(f"mark {turn} {number}") for number in range(10)])
            return len(engine.ledger.query("SELECT 1 FROM meta WHERE key LIKE ?", f"{PREFIX}%"))

    assert asyncio.run(run()) <= 2


# -- across processes --------------------------------------------------------------------------------------------------


def write_recipe(folder: Path, count: int, **batch: Any) -> Path:
    """Answers and grades of `count` tasks; the address of the teacher is given by flag."""
    made = [draw_task(Draw("batches", number), Wish()) for number in range(count)]
    rows = [{"instruction": task.instruction, "input": task.input, "output": ""} for task in made]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "recipe.yaml"
    path.write_text(
        f"""name: answers
input: tasks.jsonl
respond: {{}}
select: {{grade: {{}}}}
report: null
export: {{formats: [messages]}}
teacher: {{backend: openai, model: embedded, structured: json_schema, api: batch, batch: {json.dumps(QUICK | batch)}}}
"""
    )
    return path


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The export of the interactive run."""
    folder = tmp_path_factory.mktemp("chat")
    recipe = write_recipe(folder, 24)
    with ServedTeacher("--faults", "server_error=0.03") as teacher:
        done = synth("run", recipe, "--run", folder / "run", *at(teacher), "--set", "teacher.api=chat")
    assert done.returncode == 0, done.stderr
    return exported(folder / "run")


def at(teacher: ServedTeacher) -> tuple[str, str]:
    return ("--set", f"teacher.base_url={teacher.url}")


def exported(run_dir: Path) -> list[Any]:
    """The conversations made, in order."""
    lines = (run_dir / "export" / "messages.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


@pytest.fixture
def teacher() -> Iterator[ServedTeacher]:
    with ServedTeacher("--faults", "server_error=0.03", "--batch-faults", "expired=2,shuffled") as served:
        yield served


@pytest.mark.parametrize("where", [["batch_noted:1", "committed:5"], ["batch_made:1", "answered:30"], ["batch_made:3"]])
def test_a_batch_sent_before_a_crash_is_adopted_and_nothing_is_sent_twice(
    tmp_path: Path, teacher: ServedTeacher, wanted: list[Any], where: list[str]
) -> None:
    recipe = write_recipe(tmp_path, 24, max_requests=16)
    for point in where:
        killed = Command("run", recipe, "--run", tmp_path / "run", *at(teacher), env={"SYNTH_CRASH_AT": point})
        assert killed.wait() == -signal.SIGKILL, killed.stderr
    again = synth("run", recipe, "--run", tmp_path / "run", *at(teacher), "--json")
    assert again.returncode == 0, again.stderr
    found = killed.stderr + again.stderr
    assert ("found again" in found) == any(point.startswith("batch_made") for point in where)
    assert exported(tmp_path / "run") == wanted
    assert teacher.stats()["answered_again"] == 0
    assert json.loads(again.stdout)["possibly_paid_twice"] == 0
    assert synth("verify", tmp_path / "run").returncode == 0


def test_ctrl_c_cancels_batches_only_where_that_is_asked(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 20)
    with ServedTeacher("--batch-s", "3600") as teacher:
        for cancels, status in ((False, "in_progress"), (True, "cancelled")):
            folder = tmp_path / status
            more = ("--set", f"teacher.batch.cancel_on_stop={cancels}")
            run = Command("run", recipe, "--run", folder, *at(teacher), *more)
            while "is sent" not in run.stderr:
                time.sleep(0.01)
            run.send_signal(signal.SIGINT)
            assert run.wait() == 130 and "left to the provider" in run.stderr, run.stderr
            assert ("is cancelled" in run.stderr) == cancels
            with urllib.request.urlopen(f"{teacher.url}/batches", timeout=60) as response:
                assert json.load(response)["data"][0]["status"] == status


def test_a_batch_is_counted_at_half_the_price(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 10)
    with ServedTeacher() as teacher:
        more = ("--price", "embedded=10/10", "--max-cost", "5", "--json", "--until", "respond")
        done = synth("run", recipe, "--run", tmp_path / "run", *at(teacher), *more)
        again = synth("run", recipe, "--run", tmp_path / "run", *at(teacher), *more, "--set", "teacher.api=chat")
    assert json.loads(again.stdout)["requests"] == 0, again.stderr
    asked = json.loads(done.stdout)["stages"]["respond"]
    assert asked["tokens"] > 0 and asked["cost"] == pytest.approx(asked["tokens"] * 10 / 1e6 / 2, abs=1e-6)
    estimates = []
    for api in ("batch", "chat"):
        done = synth("estimate", recipe, "--price", "embedded=10/10", "--set", f"teacher.api={api}", "--json")
        estimates.append(sum(row["cost"] for row in json.loads(done.stdout)["rows"] if row["stage"] == "all"))
    assert estimates[0] == pytest.approx(estimates[1] / 2) and estimates[1] > 0


def test_a_backend_without_batches_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 5)
    done = synth("validate", recipe, "--set", "teacher={backend: embedded, api: batch}")
    assert done.returncode == 2 and "`api: batch` goes with `backend: openai`" in done.stderr


def test_batches_with_workers_elsewhere_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 5)
    more = ("--set", "engine.on=ray://127.0.0.1:1", "--set", "teacher.base_url=http://127.0.0.1:9/v1")
    done = synth("run", recipe, "--run", tmp_path / "run", *more)
    assert done.returncode == 2 and "a batch is filled by one process" in done.stderr, done.stderr


def test_a_teacher_of_a_pool_answers_in_batches_what_it_answers_one_by_one(
    tmp_path: Path, teacher: ServedTeacher
) -> None:
    recipe, made = write_recipe(tmp_path, 12), {}
    for api in ("chat", "batch"):
        one = {"backend": "openai", "model": "embedded", "base_url": teacher.url, "api": api, "batch": QUICK}
        sections = {"teacher": {"backend": "embedded"}, "prefer": {"num_answers": 3, "teachers": {"one": one}}}
        asked = [f"{name}={json.dumps(value)}" for name, value in ({"select": None} | sections).items()]
        flags = [flag for text in asked for flag in ("--set", text)]
        done = synth("run", recipe, "--run", tmp_path / api, *flags)
        assert done.returncode == 0 and ("requests of prefer" in done.stderr) == (api == "batch"), done.stderr
        made[api] = list(LedgerReader(tmp_path / api).records("prefer"))
    assert made["batch"] == made["chat"] and len(made["batch"]) == 12
    refused = synth("run", recipe, "--run", tmp_path / "away", *flags, "--set", "engine.on=ray")
    assert refused.returncode == 2 and "a batch is filled by one process" in refused.stderr


def test_bootstrap_goes_in_waves_and_says_so(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: waves\nbootstrap: {num_tasks: 12, window: 4}\nrespond: null\nselect: null\nreport: null\nteacher: "
        f"{{backend: openai, model: embedded, structured: json_schema, batch: {json.dumps(QUICK)}}}\n"
    )
    made = {}
    with ServedTeacher() as teacher:
        for api in ("chat", "batch"):
            done = synth("run", recipe, "--run", tmp_path / api, *at(teacher), "--set", f"teacher.api={api}")
            assert done.returncode == 0, done.stderr
            assert ("in waves of 4 requests at most" in done.stderr) == (api == "batch")
            made[api] = list(LedgerReader(tmp_path / api).records("bootstrap"))
    assert made["batch"] == made["chat"] and len(made["batch"]) == 12


def test_doctor_says_whether_there_are_batches(tmp_path: Path, teacher: ServedTeacher) -> None:
    recipe = write_recipe(tmp_path, 5)
    done = synth("doctor", recipe, "--option", f"base_url={teacher.url}", "--json")
    assert "a batch API" in done.stdout and done.returncode == 0, done.stdout + done.stderr
    with ServedTeacher("--batch-faults", "absent") as without:
        done = synth("doctor", recipe, "--option", f"base_url={without.url}", "--json")
        assert "no batch API" in done.stdout and done.returncode == 1


def test_an_answer_of_a_batch_is_read_like_any_other() -> None:
    async def run() -> list[Any]:
        async with serving(stand_in) as (url, _):
            api = connect(Settings("m", base_url=url)).batch_api()
            request = ChatRequest(({"role": "user", "content": "Name a colour."},))
            said = [api.read(line, request) for line in (b"", b'{"error": {"message": "gone"}}', OK)]
            await api.close()
            return said

    lost, failed, good = asyncio.run(run())
    assert "no row came back" in lost.message and "gone" in failed.message
    assert (lost.retry_after, failed.retry_after) == (0.0, 0.0)
    assert isinstance(good, Completion) and good.text == "Blue."


OK = json.dumps(
    {"response": {"status_code": 200, "body": {"choices": [{"message": {"content": "Blue."}}], "model": "m"}}}
).encode()
