"""Bodies and statuses to answers and errors, without a network."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import CredentialsError, RequestFailed, RequestRefused, RetryableError, SynthError
from synth.models.base import ChatRequest, Completion
from synth.models.openai_replies import Asked, read_failure, read_reply

ASKED = Asked("http://server/v1", "tiny", "SOME_KEY")
REQUEST = ChatRequest(({"role": "user", "content": "hello"},))


def reply(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> Completion | SynthError:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return read_reply(json.dumps({"choices": [choice], **more}).encode(), REQUEST, ASKED)


def test_a_good_answer_is_read_whole() -> None:
    answer = reply({"content": "Hi — ü"}, usage={"prompt_tokens": 3, "completion_tokens": 2}, model="tiny-2")
    assert isinstance(answer, Completion)
    assert (answer.text, answer.finish_reason, answer.model) == ("Hi — ü", "stop", "tiny-2")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize(
    "usage", [None, [], {"prompt_tokens": -1, "completion_tokens": "many"}, {"prompt_tokens": True}]
)
def test_nonsense_in_usage_is_unknown_usage(usage: Any) -> None:
    answer = reply({"content": "Hi"}, usage=usage)
    assert isinstance(answer, Completion)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (None, None)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_in_its_own_field_is_kept_apart(field: str) -> None:
    answer = reply({"content": "42", field: "hm"})
    assert isinstance(answer, Completion)
    assert (answer.text, answer.reasoning) == ("42", "hm")


def test_half_a_surrogate_pair_does_not_reach_the_text() -> None:
    answer = reply({"content": "a\ud800b 😀"})
    assert isinstance(answer, Completion)
    assert answer.text.encode() == "a�b 😀".encode()


def test_reasoning_that_used_up_all_tokens_is_a_cut_answer() -> None:
    answer = reply({"content": None, "reasoning": "hm"}, finish="length")
    assert isinstance(answer, Completion)
    assert (answer.text, answer.finish_reason) == ("", "length")


@pytest.mark.parametrize(
    ("message", "finish"), [({"refusal": "I will not."}, "stop"), ({"content": None}, "content_filter")]
)
def test_refusals_are_told_apart(message: dict[str, Any], finish: str) -> None:
    answer = reply(message, finish)
    assert isinstance(answer, Completion)
    assert answer.finish_reason == "content_filter"


def test_a_task_the_teacher_cannot_do_is_refused() -> None:
    error = reply({"content": None}, "unsupported")
    assert isinstance(error, RequestRefused)
    assert error.reason == "unsupported"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_body"),
        (b"<html>sign in</html>", "bad_body"),
        (b'{"choices": [{"mess', "bad_body"),
        (b"[" * 100_000, "bad_body"),
        (b'{"n": ' + b"9" * 5000 + b"}", "bad_body"),
        (b'{"choices": [{"message": {"content": "caf\xe9"}}]}', "bad_body"),
        (b"[]", "bad_body"),
        (b'{"choices": 5}', "bad_body"),
        (b'{"choices": [{}]}', "bad_body"),
        (b'{"choices": [null]}', "bad_body"),
        (b"{}", "no_choices"),
        (b'{"choices": []}', "no_choices"),
        (b'{"choices": [{"message": {"content": null}}]}', "empty_answer"),
        (b'{"choices": [{"message": {"content": " "}}]}', "empty_answer"),
        (b'{"choices": [{"message": {"content": "a"}, "finish_reason": "abort"}]}', "broken_off"),
        (b'{"error": "overloaded"}', "error_in_body"),
        (b'{"error": {"message": "no", "code": 502}}', "server_error"),
    ],
)
def test_broken_bodies_are_worth_another_try(body: bytes, reason: str) -> None:
    error = read_reply(body, REQUEST, ASKED)
    assert isinstance(error, RetryableError)
    assert error.reason == reason


def shapes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = ["choices", "message", "content", "finish_reason", "error", "code", "index", "usage", "text", "model"]
    return st.dictionaries(st.sampled_from(names), inner)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | shapes(inner))
)
def test_no_json_breaks_the_reader(data: Any) -> None:
    outcome = read_reply(json.dumps(data).encode(), REQUEST, ASKED)
    assert isinstance(outcome, (Completion, RequestFailed, CredentialsError))


@pytest.mark.parametrize(
    ("status", "said", "kind", "reason"),
    [
        (400, {"error": {"message": "bad"}}, RequestRefused, "bad_request"),
        (400, {"error": {"message": "This model's maximum context length is 8"}}, RequestRefused, "too_long"),
        (400, {"error": {"message": "x", "code": "content_filter"}}, RequestRefused, "content_filter"),
        (403, {"error": {"message": "your input was flagged"}}, RequestRefused, "content_filter"),
        (413, "Payload Too Large", RequestRefused, "too_long"),
        (422, {"detail": [{"msg": "field required"}]}, RequestRefused, "bad_request"),
        (408, "", RetryableError, "timeout"),
        (409, "", RetryableError, "conflict"),
        (429, {"error": {"code": "rate_limit_exceeded"}}, RetryableError, "rate_limit"),
        (500, "<html>", RetryableError, "server_error"),
        (503, {"error": None}, RetryableError, "server_error"),
    ],
)
def test_statuses_of_one_request(status: int, said: Any, kind: type[RequestFailed], reason: str) -> None:
    error = read_failure(status, said, {}, ASKED)
    assert isinstance(error, kind)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, {"error": "Unauthorized"}),
        (402, ""),
        (403, {"error": {"message": "no access to model"}}),
        (404, {"detail": "Not Found"}),
        (405, {"detail": "Method Not Allowed"}),
        (301, ""),
        (429, {"error": {"message": "quota", "type": "insufficient_quota", "code": "insufficient_quota"}}),
        (429, {"error": {"message": "quota", "type": "insufficient_quota", "code": None}}),
    ],
)
def test_what_no_request_can_pass_stops_the_run(status: int, said: Any) -> None:
    error = read_failure(status, said, {}, ASKED)
    assert isinstance(error, CredentialsError)
    assert error.hint


def test_a_429_is_a_throttle_and_a_503_only_with_a_wish() -> None:
    wish = {"retry-after": "3"}
    seen = [read_failure(status, "", headers, ASKED) for status in (429, 503) for headers in ({}, wish)]
    assert [isinstance(e, RetryableError) and (e.is_throttle, e.retry_after) for e in seen] == [
        (True, None),
        (True, 3.0),
        (False, None),
        (True, 3.0),
    ]


def test_a_servers_words_are_short_and_safe_for_a_terminal() -> None:
    error = read_failure(400, {"error": {"message": "\x1b[2J\u202eevil " + "x" * 5000}}, {}, ASKED)
    assert error.message.isprintable()
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("told", "mean"),
    [
        ({"content": [{"logprob": -1}, {"logprob": -3.0}]}, -2.0),
        ({"tokens": ["a", "b"], "token_logprobs": [None, -0.5]}, -0.5),
        ({"content": [{"logprob": -9999.0}, {"logprob": -0.25}]}, -0.25),
        ({"content": [{"logprob": -9999.0}]}, None),
        ({"content": [{"logprob": "low"}, {"logprob": float("nan")}, 7, []]}, None),
        ({"content": "text"}, None),
        ([-1.0], None),
        (None, None),
    ],
)
def test_the_mean_logprob_is_that_of_the_tokens_told_and_none_where_they_are_none(
    told: Any, mean: float | None
) -> None:
    choice = {"message": {"content": "ok"}, "logprobs": told}
    found = read_reply(json.dumps({"choices": [choice]}).encode(), REQUEST, ASKED)
    assert isinstance(found, Completion) and found.mean_logprob == mean
