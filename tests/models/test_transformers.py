"""The transformers backend: a real, very small student that answers chats and completions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="the extra [train] is not installed")

from synth.errors import RequestRefused, UsageError
from synth.models import connect
from synth.models.base import ChatModel, ChatRequest, Completion, Sampling
from synth.student.templates import TEMPLATES
from synth.student.tiny import make_model, make_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    folder = tmp_path_factory.mktemp("student")
    tokenizer = make_tokenizer(["Name a river."] * 2)
    tokenizer.chat_template = TEMPLATES["short"].jinja("")
    tokenizer.save_pretrained(folder)
    make_model(320, seed=0, hidden=16, layers=1, heads=2).save_pretrained(folder)
    return connect("transformers", {"model": str(folder), "num_threads": 1})


def ask(model: ChatModel, sampling: Sampling, **changes: object) -> Completion:
    request = ChatRequest(({"role": "user", "content": "Name a river."},), sampling, **changes)  # type: ignore[arg-type]
    return asyncio.run(model.complete(request))


def test_an_answer_has_its_length_its_end_and_its_usage(model: ChatModel) -> None:
    told = ask(model, Sampling(max_tokens=5))
    assert told.finish_reason in ("stop", "length")
    assert told.usage.completion_tokens is not None and told.usage.completion_tokens <= 5
    assert told.usage.prompt_tokens == 18


def test_equal_requests_have_equal_answers_and_other_draws_others(model: ChatModel) -> None:
    warm = Sampling(temperature=1.0, max_tokens=12, seed=3)
    assert ask(model, warm) == ask(model, warm)
    assert ask(model, warm, draw=1) != ask(model, warm)
    several = ask(model, warm, num_choices=3)
    assert len(set(several.choices)) == 3 and several.text == several.choices[0]


def test_a_stop_text_ends_the_answer_before_it(model: ChatModel) -> None:
    whole = ask(model, Sampling(max_tokens=12), kind="completion").text
    mark = whole[2:4]
    cut = ask(model, Sampling(max_tokens=12, stop=(mark,)), kind="completion")
    assert cut.text == whole[: whole.index(mark)].strip() and cut.finish_reason == "stop"


def test_what_it_cannot_do_is_refused(model: ChatModel) -> None:
    with pytest.raises(RequestRefused, match="no JSON schemas"):
        ask(model, Sampling(), schema={"type": "object"})
    with pytest.raises(RequestRefused, match="the model holds 4096"):
        ask(model, Sampling(max_tokens=5000))
    with pytest.raises(UsageError, match="needs a model"):
        connect("transformers", {})
    with pytest.raises(UsageError, match="no model can be loaded"):
        asyncio.run(connect("transformers", {"model": str(Path("no/such/folder"))}).complete(ChatRequest(())))
