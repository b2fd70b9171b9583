"""A real vLLM server, through the backend: answers, limits, structured outputs, LoRA, load (`make test-vllm`)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from synth.engine.retry import with_retries
from synth.engine.throttle import Throttle
from synth.errors import CredentialsError, RequestRefused, SynthError
from synth.models import connect
from synth.models.base import ChatRequest, Completion, Sampling
from synth.models.checkup import check_up, sample_request
from synth.models.vllm import VllmModel, traces
from synth.models.vllm.metrics import Load

pytestmark = pytest.mark.vllm
CONTRACT = Path(__file__).parent.parent / "models" / "test_contract.py"
SCHEMA = {
    "type": "object",
    "properties": {
        "instruction": {"type": "string", "minLength": 5, "maxLength": 60},
        "kind": {"enum": ["list", "question"]},
        "steps": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 99},
            "minItems": 1,
            "maxItems": 3,
        },
    },
    "required": ["instruction", "kind", "steps"],
    "additionalProperties": False,
}


def chat(text: str = "Write five tasks.", **fields: Any) -> ChatRequest:
    fields.setdefault("sampling", Sampling(temperature=1.0, max_tokens=64, seed=1))
    return ChatRequest(({"role": "user", "content": text},), **fields)


def using(options: dict[str, Any], work: Callable[[VllmModel], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        model = connect("vllm", options)
        assert isinstance(model, VllmModel)
        try:
            return await work(model)
        finally:
            await model.close()

    return asyncio.run(run())


async def until(model: VllmModel, is_so: Callable[[Load], bool]) -> Load:
    """The server's load as soon as it is as wanted, in at most 300 looks."""
    load = None
    for _ in range(300):
        load = await model.load()
        if load is not None and is_so(load):
            return load
        await asyncio.sleep(0.05)
    raise AssertionError(f"never so, at last {load}")


@pytest.mark.parametrize(
    "name",
    [
        "test_several_choices_come_in_one_reply",
        "test_max_tokens_cuts_and_says_so",
        "test_a_plain_prompt_can_be_completed",
        "test_name_and_endpoint_say_who_answers_and_hold_no_secret",
        "test_closing_twice_does_no_harm",
    ],
)
def test_the_contract_of_all_backends_is_kept(served: dict[str, Any], name: str) -> None:
    spec = util.spec_from_file_location("contract", CONTRACT)
    assert spec and spec.loader
    contract = util.module_from_spec(spec)
    spec.loader.exec_module(contract)
    getattr(contract, name)(lambda: connect("vllm", served))


def test_an_answer_has_text_tokens_and_the_servers_facts(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> tuple[Completion, dict[str, Any]]:
        return await model.complete(chat()), await model.facts()

    answer, facts = using(served, work)
    assert answer.text.strip() and answer.usage.prompt_tokens and answer.usage.completion_tokens
    assert facts["max_model_len"] == 2048 and facts["version"]


def test_the_same_seed_gives_the_same_answer_and_another_draw_another(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> list[str]:
        draws = [await model.complete(chat(draw=draw)) for draw in (0, 0, 1, 2)]
        return [answer.text for answer in draws]

    first, again, *others = using(served, work)
    assert first == again and first not in others


def test_long_prompts_with_seeds_do_not_kill_a_server_on_a_cpu(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> list[Completion]:
        long = "Write five tasks about the words: " + "bread milk jam " * 60
        requests = [chat(f"{n} {long}", sampling=Sampling(max_tokens=8, seed=n)) for n in range(32)]
        return await asyncio.gather(*map(model.complete, requests))

    assert len(using(served, work)) == 32


def test_structured_outputs_that_come_to_an_end_fit_their_schema(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> list[Completion]:
        sampling = [Sampling(temperature=0.7, max_tokens=200, seed=seed) for seed in range(8)]
        return await asyncio.gather(*(model.complete(chat(sampling=one, schema=SCHEMA)) for one in sampling))

    whole = [answer for answer in using(served, work) if answer.finish_reason == "stop"]
    assert len(whole) >= 4
    for answer in whole:
        found = json.loads(answer.text)
        assert set(found) == {"instruction", "kind", "steps"} and found["kind"] in ("list", "question")
        assert 5 <= len(found["instruction"]) <= 60 and all(isinstance(step, int) for step in found["steps"])


def test_a_choice_is_kept_and_its_old_name_refused(served: dict[str, Any]) -> None:
    async def ask(model: VllmModel, **extra_body: Any) -> str:
        return (await model.complete(chat(extra_body=extra_body))).text

    assert using(served, lambda model: ask(model, structured_outputs={"choice": ["yes", "no"]})) in ("yes", "no")
    with pytest.raises(RequestRefused, match="structured_outputs"):
        using(served, lambda model: ask(model, guided_choice=["yes", "no"]))


def test_a_broken_schema_costs_one_request(served: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused):
        using(served, lambda model: model.complete(chat(schema={"type": "nonsense"})))


def test_a_prompt_beyond_the_context_is_refused_with_its_numbers(served: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as raised:
        using(served, lambda model: model.complete(chat("bread " * 3000)))
    assert raised.value.reason == "context_overflow"
    assert re.search(r"[36]0\d\d tokens", raised.value.message) and "2048" in raised.value.message


def test_max_tokens_is_cut_so_that_prompt_and_answer_fit(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> Completion:
        sampling = Sampling(max_tokens=4096, seed=1, stop=(".", ",", "\n"))
        return await model.complete(chat("bread " * 900, sampling=sampling))

    usage = using(served, work).usage
    assert usage.prompt_tokens > 900 and usage.prompt_tokens + usage.completion_tokens <= 2048


def test_a_base_model_is_asked_by_completion(served: dict[str, Any]) -> None:
    request = ChatRequest(({"role": "user", "content": "## List\n\n1."},), Sampling(max_tokens=40), kind="completion")
    assert using(served, lambda model: model.complete(request)).text.strip()


def test_an_adapter_answers_otherwise_than_its_base(served: dict[str, Any]) -> None:
    greedy = chat(sampling=Sampling(temperature=0.0, max_tokens=48))
    base = using(served, lambda model: model.complete(greedy)).text
    adapted = using(served | {"model": "ada"}, lambda model: model.complete(greedy))
    assert adapted.model == "ada" and adapted.text != base


def test_a_wrong_name_and_a_wrong_key_end_the_run(served: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CredentialsError) as raised:
        using(served | {"model": "nope"}, lambda model: model.complete(chat()))
    assert "ada" in raised.value.message
    monkeypatch.setenv("VLLM_API_KEY", "wrong")
    with pytest.raises(CredentialsError, match="refuses the key"):
        using(served, lambda model: model.complete(chat()))


def test_the_limit_follows_the_load_to_16_places_and_a_short_queue(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> tuple[list[int], int]:
        throttle, limits, longest = Throttle(servers=[model]), list[int](), 0
        await model.facts()

        async def one(number: int) -> None:
            lane = await throttle.acquire()
            try:
                sampling = Sampling(max_tokens=48, seed=number)
                await with_retries(
                    lambda: model.complete(chat(f"{number}", sampling=sampling, extra_body={"ignore_eos": True})),
                    seed=number,
                    max_attempts=3,
                    deadline_s=60,
                )
            finally:
                limits.append(throttle.limit)
                lane.release()

        tasks = [asyncio.create_task(one(number)) for number in range(160)]
        while not all(task.done() for task in tasks):
            load = await model.load()
            longest = max(longest, load.waiting if load else 0)
            await asyncio.sleep(0.1)
        await asyncio.gather(*tasks)
        return limits, longest

    limits, longest = using(served, work)
    assert min(limits[-40:]) >= 16 and max(limits[-40:]) <= 20, limits[-40:]
    assert longest <= 48


def test_prompts_of_a_stage_find_their_beginning_in_the_servers_cache(served: dict[str, Any]) -> None:
    async def work(model: VllmModel) -> float:
        await model.complete(sample_request(0))
        before = await model.load()
        await asyncio.gather(*(model.complete(sample_request(number)) for number in range(1, 17)))
        after = await model.load()
        assert before and after
        return (after.prefix_hits - before.prefix_hits) / (after.prefix_queries - before.prefix_queries)

    assert using(served, work) > 0.4  # whole blocks of 128 tokens are found, and a prompt is two of them and a rest


def test_the_doctor_finds_a_small_model_working_but_its_server_narrow(served: dict[str, Any]) -> None:
    found = {one.name: one for one in using(served, lambda model: check_up(model, "chat"))}
    assert found["answers"].state == "fine" and "2,048 tokens" in found["context"].said
    structured = found["structured"].figures
    assert structured and structured["fitting"] + structured["cut"] >= 3  # its text can end in the middle of a letter
    assert found["throughput"].figures and found["throughput"].figures["at_once"]["failed"] == 0
    assert found["throughput"].figures["waited"] > 0


def test_cancelled_requests_free_their_places_and_leave_the_queue(served: dict[str, Any]) -> None:
    """Told by what the server wrote, not by the clock: less than half of what the running ones alone would have."""
    number, places, length = 96, 16, 1900

    async def work(model: VllmModel) -> int:
        sampling = Sampling(max_tokens=length)
        requests = [chat(f"{n}", sampling=sampling, extra_body={"ignore_eos": True}) for n in range(number)]
        await model.facts()
        before = await model.load()
        tasks = [asyncio.create_task(model.complete(request)) for request in requests]
        await until(model, lambda load: load.running == places and load.waiting > places)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        after = await until(model, lambda load: load.running == load.waiting == 0)
        assert before
        return after.generated_tokens - before.generated_tokens

    assert using(served, work) < places * length / 2


def test_a_student_is_served_and_chatted_with(managed: dict[str, Any], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from synth.cli.chat import chat as command
    from synth.student.tiny import make_tiny

    folder = make_tiny(["sort the words", "sort the list"] * 9, tmp_path / "student", heads=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    tokenizer.save_pretrained(folder)
    app = typer.Typer()
    app.command()(command)
    words = ["--backend", "vllm", "--executable", managed["executable"], "--max-tokens", "9", "--json"]
    done = CliRunner().invoke(app, [str(tmp_path), "sort the words", *words])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["completion_tokens"] in range(1, 10)


def test_a_teacher_and_a_judge_with_equal_settings_share_one_server(managed: dict[str, Any]) -> None:
    async def work(teacher: VllmModel) -> None:
        judge = connect("vllm", managed | {"extra_body": {"top_k": 1}})
        assert isinstance(judge, VllmModel)
        before = set(traces.folder().glob("*.json"))
        await asyncio.gather(teacher.complete(chat()), judge.complete(chat()))
        [path] = set(traces.folder().glob("*.json")) - before
        await teacher.close()
        assert (await judge.complete(chat())).text and path.exists()
        await judge.close()
        assert not path.exists()

    using(managed, work)


def test_a_model_that_is_not_there_ends_the_start_and_says_so(managed: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["NoSuchModel"], "model_type": "llama"}')
    with pytest.raises(SynthError) as raised:
        using(managed | {"model": str(tmp_path)}, lambda model: model.complete(chat()))
    assert "exit code" in raised.value.message and raised.value.exit_code == 1
