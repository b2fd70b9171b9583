"""What a model costs: by its family, by whose file, and where its server is."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.engine.budget import Price
from synth.engine.prices import SHIPPED, USER_FILE, cost_words, find_price, read_prices
from synth.errors import UsageError
from synth.given import parse_yaml

OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4o-audio-preview", None),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("my-own-model", None),
    ],
)
def test_a_dated_version_belongs_to_its_family_and_another_model_to_none(model: str, family: str | None) -> None:
    expected = read_prices(SHIPPED)[family] if family else None
    assert find_price(model, OPENAI, {}) == expected


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8000/v1", "http://gpu-box/v1", "http://10.0.0.3/v1", "vllm", "embedded"]
)
def test_a_server_of_ones_own_has_no_price_but_a_stated_one(endpoint: str) -> None:
    assert find_price("gpt-4o", endpoint, {}) is None
    assert find_price("gpt-4o", endpoint, {"gpt-4o": Price(1, 2)}) == Price(1, 2)


def test_a_file_of_the_users_goes_before_the_shipped_table_and_a_recipe_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("families: {gpt-4o: {prompt: 7, completion: 9}, house: {prompt: 1, completion: 1}}\n")
    monkeypatch.setenv(USER_FILE, str(path))
    assert find_price("gpt-4o-2024-08-06", OPENAI, {}) == Price(7, 9)
    assert find_price("house", "http://127.0.0.1:1/v1", {}) == Price(1, 1)
    assert find_price("gpt-4o", OPENAI, {"gpt-4o": Price(3, 3)}) == Price(3, 3)


@pytest.mark.parametrize(
    "text", ["", "families: 3", "families: {a: {prompt: -1, completion: 2}}", "families: {a: {prompt: 1}}"]
)
def test_a_price_file_that_cannot_be_used_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="price file"):
        read_prices(path)


def test_the_shipped_table_is_dated() -> None:
    data, _ = parse_yaml(SHIPPED.read_text("utf-8"), "prices")
    assert str(data["as_of"]) >= "2026"


def test_a_cost_that_is_not_known_is_not_called_zero() -> None:
    assert cost_words(0.0) == "0.0000" and cost_words(None) == "unknown"
    assert cost_words(0.0, num_unpriced=3) == "unknown" and cost_words(1.5, num_unpriced=3) == "over 1.5000"
