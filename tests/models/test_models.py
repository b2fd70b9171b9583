"""Backends are found by name and their options are checked."""

import pytest

from synth.errors import UsageError
from synth.models import connect, list_backends, parse_teacher


def test_modules_with_a_connect_are_backends_and_others_are_not() -> None:
    backends = list_backends()
    assert {"openai", "embedded"} <= set(backends)
    assert not {"base", "retry_after", "openai_replies", "models"} & set(backends)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("openai:gpt-x", ("openai", "gpt-x")),
        ("openai:hf.co/a/b:Q4", ("openai", "hf.co/a/b:Q4")),
        ("openai", ("openai", "")),
    ],
)
def test_a_teacher_is_a_backend_and_a_model(text: str, parts: tuple[str, str]) -> None:
    assert parse_teacher(text) == parts


def test_a_misspelt_backend_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        connect("opnai", {})
    assert "'openai'" in raised.value.hint


def test_a_misspelt_option_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        connect("openai", {"model": "m", "base_ulr": "x"})
    assert "'base_url" in raised.value.hint


def test_a_missing_model_is_named() -> None:
    with pytest.raises(UsageError, match="model"):
        connect("openai", {})
