"""The life and death of a vLLM server, its orphans, and its answers.

The server here is `fake_vllm.py`, a real process with vLLM's flags and answers. The real one: tests/vllm.
"""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Command
from vllm_client import GIVEN, ask, ask_and_be_killed, pid_of, using, wait_for

from synth.errors import CredentialsError, RequestRefused, RetryableError, SynthError
from synth.models import connect
from synth.models.base import ChatRequest
from synth.models.replicas import servers_of
from synth.models.vllm import VllmModel, managed, traces
from synth.models.vllm.server import CPU_NICENESS, PORTS, Server, free_port


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Traces in a folder of the test; nothing may be left running after it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(managed, "BACKOFF_S", 0.01)
    monkeypatch.setattr(traces, "GROUP_S", 0.3)
    yield
    left = [trace for path in traces.folder().glob("*.json") if traces.is_running(trace := read_trace(path))]
    for trace in left:
        traces.end(trace, term_s=1)
    assert not left


def read_trace(path: Path) -> traces.Trace:
    return traces.Trace(**json.loads(path.read_text()))


# -- a server's life -------------------------------------------------------------------------------------------------


def test_the_server_starts_with_the_first_request_and_ends_with_close(vllm: str) -> None:
    async def work(found: VllmModel) -> tuple[int, Any, Any]:
        assert not list(traces.folder().glob("*.json")) and await found.load() is None
        pids = await asyncio.gather(*(pid_of(found) for _ in range(8)))
        assert len(set(pids)) == 1
        assert len(traces.group(pids[0])) == 2
        return pids[0], await found.facts(), await found.load()

    pid, facts, load = using({"executable": vllm}, work)
    assert facts["version"] == "0.32.0" and facts["max_model_len"] == 1000 and load.waiting == 56
    assert not traces.group(pid) and not [p for p in traces.folder().iterdir() if p.suffix in (".json", ".log")]


def test_a_server_on_a_cpu_gives_way_to_who_asks(vllm: str) -> None:
    async def work(found: VllmModel) -> list[int]:
        return [os.getpriority(os.PRIO_PROCESS, pid) for pid in traces.group(await pid_of(found))]

    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert using({"executable": vllm, "device": "cpu"}, work) == [min(own + CPU_NICENESS, 19)] * 2
    assert using({"executable": vllm, "device": "gpu"}, work) == [own] * 2


def test_closing_what_was_never_used_starts_nothing(vllm: str) -> None:
    async def work(found: VllmModel) -> None:
        await found.close()

    using({"executable": vllm}, work)
    assert not list(traces.folder().iterdir())


def test_no_key_is_on_disk_but_for_the_log_and_none_is_shown(vllm: str) -> None:
    async def work(found: VllmModel) -> None:
        await pid_of(found)
        [path] = traces.folder().glob("*.json")
        trace = read_trace(path)
        key = Path(trace.log_path).read_text().split()[-1]
        assert len(key) > 20 and key not in path.read_text()
        assert Server(trace, key).tail(1) == ["INFO [engine] loading org/model with the key [key]"]

    using({"executable": vllm}, work)


def test_a_server_that_cannot_start_tells_why_and_what_to_do(vllm: str) -> None:
    with pytest.raises(SynthError) as raised:
        using({"executable": vllm, "env": {"FAKE_START": "no_memory"}}, pid_of)
    assert raised.value.exit_code == 1 and "CUDA out of memory" in raised.value.message
    assert "exit code 1" in raised.value.message and "gpu_memory_utilization" in raised.value.hint


def test_a_port_that_was_taken_meanwhile_is_replaced_a_few_times(vllm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = [taken.getsockname()[1]] * 2 + [free_port()]
        monkeypatch.setattr("synth.models.vllm.server.free_port", lambda: ports.pop(0))
        using({"executable": vllm}, pid_of)
        ports += [taken.getsockname()[1]] * 9
        with pytest.raises(SynthError, match="Address already in use"):
            using({"executable": vllm}, pid_of)
        assert len(ports) == 9 - PORTS


def test_the_cause_is_picked_from_a_long_log_and_what_followed_from_it_is_not(tmp_path: Path) -> None:
    log = tmp_path / "vllm.log"
    told = [
        "INFO Engine 000: CPU KV cache usage: 0.1%, running 2",
        "WARNING fd limit errors like `OSError: [Errno 24] Too many open files`",
        "(Worker pid=3) ERROR torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        *[f"  File {number}, in step" for number in range(40)],
        "ERROR vllm.v1.engine.exceptions.EngineDeadError: See stack trace (above) for the root cause.",
        "INFO [shutdown] MPClient: complete",
    ]
    log.write_text("\n".join(told))
    error = Server(traces.Trace(1, "", 1, "", 1, "", "m", str(log)), "key-of-the-server").ended("it died")
    assert error.message.splitlines()[1].strip() == told[2] and "[shutdown]" not in error.message
    assert "gpu_memory_utilization" in error.hint


@pytest.mark.parametrize(("number", "word"), [(4, "dtype: float32"), (9, "out of memory"), (7, "signal")])
def test_a_worker_that_a_signal_ended_is_named_with_what_to_set(tmp_path: Path, number: int, word: str) -> None:
    log = tmp_path / "vllm.log"
    died = f"ERROR [multiproc_executor.py] Worker proc VllmWorker-0 died unexpectedly (exit code: -{number}), shutting down"
    log.write_text(f"INFO ready\n{died}\nINFO [shutdown] MPClient: complete\n")
    error = Server(traces.Trace(1, "", 1, "", 1, "", "m", str(log)), "key-of-the-server").ended("it died")
    assert f"exit code: -{number}" in error.message and word in error.hint


def test_a_server_that_never_becomes_ready_is_ended(vllm: str) -> None:
    with pytest.raises(SynthError, match="vllm serve was not ready after 0 s"):
        using({"executable": vllm, "start_timeout_s": 0.5, "env": {"FAKE_START": "never_ready"}}, pid_of)


def test_closing_during_the_start_leaves_nothing_running(vllm: str) -> None:
    async def work(found: VllmModel) -> None:
        waiting = asyncio.create_task(pid_of(found))
        await asyncio.sleep(0.5)
        await found.close()
        with pytest.raises(RetryableError, match="called off"):
            await waiting

    using({"executable": vllm, "env": {"FAKE_START": "never_ready"}}, work)


def test_a_start_can_be_called_off_and_leaves_nothing_running(vllm: str) -> None:
    async def work(found: VllmModel) -> None:
        waiting = [asyncio.create_task(pid_of(found)) for _ in range(4)]
        await asyncio.sleep(0.5)
        found.stop_starting()
        for one in waiting:
            with pytest.raises(RetryableError, match="called off"):
                await one

    started = time.monotonic()
    using({"executable": vllm, "env": {"FAKE_START": "never_ready"}}, work)
    assert time.monotonic() - started < 60  # it would never be ready


def test_ctrl_c_while_the_server_starts_ends_the_run_at_once(vllm: str, tmp_path: Path) -> None:
    teacher = GIVEN | {"backend": "vllm", "executable": vllm, "env": {"FAKE_START": "never_ready"}}
    recipe = {"teacher": teacher, "judge": teacher, "bootstrap": {"num_tasks": 5}, "respond": None}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run = Command("run", tmp_path / "recipe.yaml", "--run", tmp_path / "run")
    wait_for(lambda: bool(list(traces.folder().glob("*.json"))), 30)
    [trace] = map(read_trace, traces.folder().glob("*.json"))
    time.sleep(0.5)
    asked = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.wait() == 130 and time.monotonic() - asked < 60, run.stderr
    assert not traces.is_running(trace)
    with sqlite3.connect(tmp_path / "run" / "ledger.sqlite") as ledger:
        assert not ledger.execute("SELECT count(*) FROM requests WHERE state = 'sent'").fetchone()[0]


# -- one server for several models -----------------------------------------------------------------------------------


def test_models_with_equal_settings_share_a_server_until_the_last_has_closed(vllm: str) -> None:
    async def work(teacher: VllmModel) -> int:
        judge = connect("vllm", GIVEN | {"executable": vllm, "extra_body": {"top_k": 1}})
        assert isinstance(judge, VllmModel)
        pids = await asyncio.gather(*(pid_of(one) for one in (teacher, judge, teacher, judge)))
        assert len(set(pids)) == 1
        await judge.close()
        assert await pid_of(teacher) == pids[0]
        return pids[0]

    assert not traces.group(using({"executable": vllm}, work))


def test_several_managed_servers_divide_requests_and_gpus_and_end_together(
    vllm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.models.vllm.visible_gpus", lambda: ["4", "5"])

    async def run() -> list[int]:
        found = connect("vllm", GIVEN | {"executable": vllm, "num_servers": 2})
        try:
            answers = await asyncio.gather(*(server.complete(ask()) for server in servers_of(found)))
        finally:
            pids = {int(answer.text.split()[0]) for answer in answers}
            seen = {Path(f"/proc/{pid}/environ").read_bytes().count(b"CUDA_VISIBLE_DEVICES=4") for pid in pids}
            assert seen == {0, 1}
            await found.close()
        return list(pids)

    pids = asyncio.run(run())
    assert len(pids) == 2 and not any(traces.group(pid) for pid in pids)


def test_a_shared_server_that_dies_is_replaced_once(vllm: str) -> None:
    async def work(teacher: VllmModel) -> None:
        judge = connect("vllm", GIVEN | {"executable": vllm})
        assert isinstance(judge, VllmModel)
        first = await pid_of(judge)
        with pytest.raises(RetryableError):
            await teacher.complete(ask("die"))
        pids = await asyncio.gather(*(pid_of(one) for one in (teacher, judge, teacher, judge)))
        assert len(set(pids)) == 1 and first not in pids
        assert teacher.restarts == judge.restarts == 1
        await judge.close()

    using({"executable": vllm}, work)


def test_models_with_other_settings_have_servers_of_their_own(vllm: str) -> None:
    async def work(teacher: VllmModel) -> None:
        judge = connect("vllm", GIVEN | {"executable": vllm, "max_model_len": 500})
        assert isinstance(judge, VllmModel)
        assert await pid_of(judge) != await pid_of(teacher)
        await judge.close()

    using({"executable": vllm}, work)


@pytest.mark.parametrize("word", ["die", "freeze"])
def test_a_server_that_dies_costs_the_answers_in_flight_and_is_replaced(
    vllm: str, word: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(managed, "RECOVERY_S", 0.2)

    async def work(found: VllmModel) -> None:
        first = await pid_of(found)
        with pytest.raises(RetryableError):
            await found.complete(ask(word))
        assert await pid_of(found) != first
        assert found.restarts == 1 and not traces.group(first)

    using({"executable": vllm}, work)
    said = capfd.readouterr().err
    assert "restart 1 of 3" in said and "loading org/model" in said


def test_a_failure_of_a_healthy_server_restarts_nothing(vllm: str) -> None:
    async def work(found: VllmModel) -> None:
        first = await pid_of(found)
        with pytest.raises(RetryableError):
            await found.complete(ask("stumble"))
        assert await pid_of(found) == first and found.restarts == 0

    using({"executable": vllm}, work)


def test_restarts_end_with_exit_1_and_the_last_lines(vllm: str, tmp_path: Path) -> None:
    async def work(found: VllmModel) -> None:
        with pytest.raises(RetryableError):
            await found.complete(ask("die"))
        for _ in range(2):
            with pytest.raises(SynthError, match=r"restarted 2 time\(s\)(.|\n)*") as raised:
                await found.complete(ask())
            assert raised.value.exit_code == 1 and "initialization failed" in raised.value.message

    env = {"FAKE_START": "only_once", "FAKE_MARKER": str(tmp_path / "marker")}
    using({"executable": vllm, "max_restarts": 2, "env": env}, work)


# -- orphans ---------------------------------------------------------------------------------------------------------


def left_behind(options: dict[str, Any]) -> int:
    """The server of a process that was killed with -9."""
    killed = Command(json.dumps(GIVEN | options), main=ask_and_be_killed)
    assert killed.wait() == -signal.SIGKILL, killed.stderr
    pid = int(killed.stdout)
    assert traces.group(pid)
    return pid


def test_the_server_of_a_killed_run_is_used_again_when_the_arguments_are_the_same(vllm: str) -> None:
    pid = left_behind({"executable": vllm})
    assert using({"executable": vllm}, pid_of) == pid
    assert not traces.group(pid)


def test_the_server_of_a_killed_run_is_ended_when_the_arguments_differ(vllm: str) -> None:
    pid = left_behind({"executable": vllm, "max_model_len": 500})
    assert using({"executable": vllm}, pid_of) != pid
    assert not traces.group(pid)


def test_what_is_left_of_a_dead_servers_group_is_ended_too(vllm: str) -> None:
    pid = left_behind({"executable": vllm})
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: traces.identity(pid) is None)
    assert traces.group(pid)
    assert using({"executable": vllm}, pid_of) != pid
    assert not traces.group(pid)


def test_the_server_of_another_run_that_lives_is_left_alone(vllm: str) -> None:
    async def work(first: VllmModel) -> None:
        pid = await pid_of(first)
        assert left_behind({"executable": vllm}) != pid
        assert await pid_of(first) == pid

    using({"executable": vllm}, work)
    assert using({"executable": vllm}, pid_of)  # ends what the killed run left


def test_a_process_that_got_the_number_of_a_dead_server_is_not_touched() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    trace = traces.Trace(bystander.pid, "another boot 1", 1, "gone", 1, "f", "m", str(traces.folder() / "x.log"))
    trace.path.write_text(json.dumps({name: getattr(trace, name) for name in trace.__dataclass_fields__}))
    assert traces.orphans() == [] and not trace.path.exists()
    traces.end(trace)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_broken_trace_is_thrown_away() -> None:
    (traces.folder() / "1.json").write_text("{not json")
    assert traces.orphans() == [] and not (traces.folder() / "1.json").exists()


# -- answers ---------------------------------------------------------------------------------------------------------


def test_a_prompt_too_long_is_refused_with_its_numbers_and_others_go_on(vllm: str) -> None:
    async def work(found: VllmModel) -> None:
        with pytest.raises(RequestRefused) as raised:
            await found.complete(ask("word " * 95))
        assert raised.value.reason == "context_overflow" and "95 tokens" in raised.value.message
        assert "100" in raised.value.message
        assert (await found.complete(ask())).text

    using({"executable": vllm, "max_model_len": 100}, work)


def test_max_tokens_is_cut_to_the_room_behind_the_prompt(vllm: str) -> None:
    async def cap(found: VllmModel, text: str, max_tokens: int | None) -> str:
        return str((await found.complete(ask(text, max_tokens=max_tokens))).text.split()[1])

    async def work(found: VllmModel) -> list[str]:
        return [
            await cap(found, "word " * 60, 2048),
            await cap(found, "word " * 60, 20),
            await cap(found, "word " * 60, None),
        ]

    assert using({"executable": vllm, "max_model_len": 100}, work) == ["40", "20", "None"]


def test_a_base_model_asked_to_chat_stops_the_run_and_says_what_to_set(vllm: str) -> None:
    with pytest.raises(CredentialsError) as raised:
        using({"executable": vllm}, lambda found: found.complete(ask("template")))
    assert "api: completion" in raised.value.hint


def test_an_old_name_of_structured_outputs_is_refused(vllm: str) -> None:
    request = ChatRequest(ask().messages, extra_body={"guided_json": {}})
    with pytest.raises(RequestRefused, match="structured_outputs"):
        using({"executable": vllm}, lambda found: found.complete(request))
