"""The prices of a recipe's models by role, and caps given by flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synth.engine.budget import Price
from synth.engine.prices import find_price
from synth.errors import UsageError
from synth.mistakes import FLAGS
from synth.recipe import EngineSettings, ModelSettings, Recipe, validated

DEFAULT_ENDPOINT = "https://api.openai.com/v1"


def role_prices(recipe: Recipe) -> dict[str, Price]:
    """Role → price, for the roles whose price is known."""
    models = {"teacher": recipe.teacher, "judge": recipe.judge or recipe.teacher}
    own = recipe.engine.price_table
    return {role: price for role, model in models.items() if (price := _price(model, own)) is not None}


def unpriced(recipe: Recipe) -> list[str]:
    """The models of services, by name, whose price is not known."""
    known = role_prices(recipe)
    models = {"teacher": recipe.teacher, "judge": recipe.judge or recipe.teacher}
    services = [(role, model) for role, model in models.items() if model.backend == "openai" and role not in known]
    return list(dict.fromkeys(str(model.options.get("model")) for _, model in services))


def _price(model: ModelSettings, own: dict[str, Price]) -> Price | None:
    options = model.options
    urls = options.get("base_urls") or [options.get("base_url") or DEFAULT_ENDPOINT]
    endpoint = str(urls[0]) if model.backend == "openai" else model.backend
    price = find_price(str(options.get("model") or model.backend), endpoint, own)
    return price.times(model.batch.price_share) if price is not None and model.api == "batch" else price


def with_caps(recipe: Recipe, max_cost: float | None, prices: Sequence[str]) -> Recipe:
    """`recipe` with a cap on money and with prices of the form MODEL=PROMPT/ANSWER, per million tokens.

    Raises UsageError for a price that cannot be read, InputError for a cap that is none.
    """
    engine = recipe.engine.model_dump()
    engine |= {} if max_cost is None else {"max_cost": max_cost}
    engine["prices"] |= dict(map(_read_price, prices))
    return recipe.model_copy(update={"engine": validated(EngineSettings, engine, FLAGS)})


def _read_price(text: str) -> tuple[str, dict[str, Any]]:
    model, _, numbers = text.rpartition("=")
    prompt, _, answer = numbers.partition("/")
    try:
        return model, {"prompt": float(prompt), "completion": float(answer or prompt)}
    except ValueError:
        raise UsageError(f"--price {text} cannot be read", "for example --price gpt-4.1-mini=0.4/1.6") from None
