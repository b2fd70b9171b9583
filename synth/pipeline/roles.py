"""The models of a recipe in their roles, and the limits under which they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from synth.engine.batches import BatchSettings
from synth.engine.budget import Price
from synth.engine.payment import batch_price
from synth.engine.prices import find_price
from synth.engine.run import EngineOptions, RoleModel
from synth.engine.stored import StoredModel
from synth.engine.throttle import Throttle
from synth.errors import UsageError
from synth.models import connect
from synth.models.replicas import servers_of
from synth.recipe import ModelSettings, Recipe

WHOLE = (0, 1)


def connect_role(
    settings: ModelSettings, stored: StoredModel | None = None, share: tuple[int, int] = WHOLE
) -> RoleModel:
    """The model of a role with its slots; given a `stored` one, nothing is connected and nothing will be sent.

    `share`: the number of one who asks, from 0, and how many there are that divide the slots between them.
    """
    model = stored or connect(settings.backend, settings.options)
    batch = settings.batch if settings.api == "batch" and stored is None else None
    slots = _batch_slots(batch, share)
    throttle = Throttle(_slots(settings, share) or slots, servers_of(model))
    return RoleModel(model, throttle, settings.max_tokens, settings.kind, offline=stored is not None)


def connect_roles(
    recipe: Recipe,
    moved: Mapping[str, str],
    stored: Mapping[str, StoredModel] = {},
    share: tuple[int, int] = WHOLE,
) -> dict[str, RoleModel]:
    """Every role of the recipe. `moved`: endpoint now → endpoint under which its answers are stored.

    Raises UsageError for requests in batches that workers would have to fill together.
    """
    teacher = connect_role(recipe.teacher, stored.get("teacher"), share)
    judge = connect_role(recipe.judge, stored.get("judge"), share) if recipe.judge else teacher
    roles = {"teacher": teacher, "judge": judge}
    for planned in recipe.plan():
        for role, model in planned.stage.roles(planned.settings).items():
            batch = getattr(model, "batches", None) if role not in stored else None
            known = stored.get(role) or model
            slots = _batch_slots(batch, share if planned.stage.kind == "records" else WHOLE)
            roles[role] = RoleModel(known, Throttle(slots, servers_of(known)), offline=role in stored)
    for who in roles.values():
        who.known_as = moved.get(who.model.endpoint, "")
    return roles


def known_prices(recipe: Recipe, roles: Sequence[RoleModel]) -> tuple[dict[str, Price], tuple[str, ...]]:
    """The prices that are known of the models, and the names of all of them."""
    own, prices = recipe.engine.price_table, {}
    for who in roles:
        name = who.model.name
        price = find_price(name, who.model.endpoint, own)
        if price is not None:
            prices[name] = price
            if who.batches is not None:
                prices[batch_price(name)] = price.times(who.batches.settings.price_share)
    return prices, tuple(dict.fromkeys(who.model.name for who in roles))


def engine_options(recipe: Recipe) -> EngineOptions:
    """How hard to try."""
    engine = recipe.engine
    return EngineOptions(recipe.seed, engine.max_attempts, engine.deadline_s, engine.grace_s)


def _batch_slots(batch: BatchSettings | None, share: tuple[int, int]) -> int | None:
    """A file of requests is out at once. Raises UsageError where workers would have to fill it together."""
    if batch is not None and share != WHOLE:
        raise UsageError(
            "a batch is filled by one process, and engine.on works in several",
            "leave engine.on out with `api: batch`: it is the provider that does the work",
        )
    return batch.max_requests if batch else None


def _slots(settings: ModelSettings, share: tuple[int, int]) -> int | None:
    if settings.concurrency == "auto":
        return None
    number, count = share
    return max(1, settings.concurrency // count + (number < settings.concurrency % count))
