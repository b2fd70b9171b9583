"""What every backend must do, run against each: the embedded teacher in process, and served over HTTP.

Backends that need a download or a GPU are listed in ELSEWHERE and run the same functions from their own tests.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from served import ServedTeacher, prompt_for

from synth.errors import CredentialsError, RequestRefused, SynthError
from synth.models import connect, list_backends
from synth.models.base import ChatModel, ChatRequest, Completion, Sampling

ELSEWHERE = {"vllm", "transformers"}
T = TypeVar("T")
Connect = Callable[[], ChatModel]

TABLE = "item,price\nbread,2.50\nmilk,1.20\njam,3.10"
EXAMPLES = [
    {"instruction": "Add up the prices of all items in the table.", "input": TABLE, "output": "6.80"},
    {"instruction": "Sort the words by length: fig, cherry, plum.", "input": "", "output": "fig, plum, cherry"},
    {"instruction": "How many days are there from 3 March to 9 April?", "input": "", "output": "37"},
]
PROPOSE = prompt_for("diverse")
SCHEMA = {
    "type": "object",
    "properties": {
        "tasks": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"instruction": {"type": "string"}, "input": {"type": "string"}},
                "required": ["instruction", "input"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["tasks"],
    "additionalProperties": False,
}


@contextmanager
def embedded() -> Iterator[Connect]:
    yield lambda: connect("embedded", {})


@contextmanager
def openai() -> Iterator[Connect]:
    with ServedTeacher() as teacher:
        yield lambda: connect("openai", {"model": teacher.model, "base_url": teacher.url, "api_key_env": "NO_KEY"})


BACKENDS = {"embedded": embedded, "openai": openai}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Iterator[Connect]:
    with BACKENDS[request.param]() as found:
        yield found


def using(backend: Connect, work: Callable[[ChatModel], Awaitable[T]]) -> T:
    """Run `work` on a fresh model and close it."""

    async def run() -> T:
        model = backend()
        try:
            return await work(model)
        finally:
            await model.close()

    return asyncio.run(run())


def ask(backend: Connect, **fields: Any) -> Completion:
    request = ChatRequest(**{"messages": PROPOSE.messages, **fields})
    return using(backend, lambda model: model.complete(request))


def test_every_backend_is_under_the_contract() -> None:
    assert set(list_backends()) <= set(BACKENDS) | ELSEWHERE


def test_an_answer_has_text_and_an_end_and_counted_tokens(backend: Connect) -> None:
    answer = ask(backend)
    assert answer.text.strip() and answer.finish_reason == "stop"
    assert answer.usage.prompt_tokens and answer.usage.completion_tokens
    assert answer.model


def test_the_same_request_gets_the_same_answer_and_another_draw_another(backend: Connect) -> None:
    sampling = Sampling(temperature=1.0, seed=7)
    first, again = ask(backend, sampling=sampling), ask(backend, sampling=sampling)
    assert first.text == again.text
    assert len({ask(backend, sampling=sampling, draw=draw).text for draw in range(4)}) > 1
    assert len({ask(backend, sampling=Sampling(temperature=1.0, seed=seed)).text for seed in range(4)}) > 1


def test_a_draw_differs_without_a_seed_too(backend: Connect) -> None:
    assert len({ask(backend, draw=draw).text for draw in range(4)}) > 1


def test_several_choices_come_in_one_reply(backend: Connect) -> None:
    answer = ask(backend, num_choices=3, sampling=Sampling(temperature=1.0, seed=1))
    assert len(answer.choices) == 3 and answer.choices[0] == answer.text
    assert all(text.strip() for text in answer.choices)


def test_a_stop_string_ends_the_answer_and_is_not_in_it(backend: Connect) -> None:
    whole = ask(backend).text
    cut = ask(backend, sampling=Sampling(stop=("## Task 2",))).text
    assert "## Task 2" in whole and "## Task 2" not in cut
    assert cut.strip()


def test_max_tokens_cuts_and_says_so(backend: Connect) -> None:
    whole = ask(backend, sampling=Sampling(temperature=0.0, seed=1, max_tokens=64))
    limit = min(5, (whole.usage.completion_tokens or 0) // 2)  # a small model may end by itself after a word or two
    answer = ask(backend, sampling=Sampling(temperature=0.0, seed=1, max_tokens=limit))
    assert answer.finish_reason == "length" and answer.usage.completion_tokens == limit > 0
    assert len(answer.text) < len(whole.text)


def test_a_schema_is_kept(backend: Connect) -> None:
    data = json.loads(ask(backend, schema=SCHEMA).text)
    assert len(data["tasks"]) == 2
    assert all(set(task) == {"instruction", "input"} for task in data["tasks"])


def test_a_plain_prompt_can_be_completed(backend: Connect) -> None:
    prompt = prompt_for("self_instruct", instructions=[example["instruction"] for example in EXAMPLES])
    assert ask(backend, messages=prompt.messages, kind="completion").text.strip()


def test_answers_do_not_depend_on_company(backend: Connect) -> None:
    requests = [ChatRequest(PROPOSE.messages, Sampling(seed=seed)) for seed in range(16)]

    async def together(model: ChatModel) -> list[str]:
        return [answer.text for answer in await asyncio.gather(*map(model.complete, requests))]

    async def one_by_one(model: ChatModel) -> list[str]:
        return [(await model.complete(request)).text for request in reversed(requests)][::-1]

    assert using(backend, together) == using(backend, one_by_one)


def test_a_task_beyond_the_teacher_is_declined_and_not_invented(backend: Connect) -> None:
    async def decline(model: ChatModel) -> str:
        request = ChatRequest(({"role": "user", "content": "Write a poem about the sea at night."},))
        try:
            return (await model.complete(request)).finish_reason
        except RequestRefused as error:
            return error.reason

    assert using(backend, decline) == "unsupported"


def test_name_and_endpoint_say_who_answers_and_hold_no_secret(backend: Connect) -> None:
    async def who(model: ChatModel) -> tuple[str, str]:
        return model.name, model.endpoint

    name, endpoint = using(backend, who)
    assert name and endpoint and "@" not in endpoint


def test_closing_twice_does_no_harm(backend: Connect) -> None:
    async def work(model: ChatModel) -> None:
        await model.complete(ChatRequest(PROPOSE.messages))
        await model.close()

    using(backend, work)


def test_errors_are_ours() -> None:
    with ServedTeacher("--api-key-env", "SERVER_KEY", env={"SERVER_KEY": "right"}) as teacher:
        options = {"model": teacher.model, "base_url": teacher.url, "api_key_env": "NO_KEY"}
        with pytest.raises(SynthError) as raised:
            ask(lambda: connect("openai", options))
    assert isinstance(raised.value, CredentialsError)


def test_served_and_embedded_give_the_same_answers() -> None:
    requests = [
        ChatRequest(PROPOSE.messages, Sampling(temperature=0.7, seed=seed, max_tokens=900), draw=draw)
        for seed in (None, 3)
        for draw in range(3)
    ]

    async def answers(model: ChatModel) -> list[Completion]:
        return [await model.complete(request) for request in requests]

    with embedded() as here, openai() as there:
        assert using(here, answers) == using(there, answers)
