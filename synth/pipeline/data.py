"""The stages that make records, chained as streams over one engine."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from synth.engine.budget import Budget
from synth.engine.ledger import Ledger
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.stored import ROLES, StoredModel, note_roles, stored_models
from synth.engine.throttle import Throttle
from synth.errors import SynthError
from synth.models import connect
from synth.pipeline.folder import RunResult, seed_records, write_timings
from synth.recipe import ModelSettings, Recipe
from synth.records import Record, Rejection, SeedTask
from synth.stages.bootstrap import bootstrap
from synth.stages.evolve import evolve
from synth.stages.formats import read_records
from synth.stages.respond import respond
from synth.stages.seeds import read_seed_tasks
from synth.stages.select import EMBEDDER, embedding_model, select

Results = AsyncIterator[list[Record | Rejection]]


class Interrupted(SynthError):
    """Ctrl-C or a termination signal; the answers in flight were awaited and kept."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted; the answers in flight were kept", "continue with the same command")
        self.exit_code = 128 + signal_number


def connect_role(settings: ModelSettings, stored: StoredModel | None = None) -> RoleModel:
    """The model of a role with its slots; given a `stored` one, nothing is connected and nothing will be sent."""
    model = stored or connect(settings.backend, settings.options)
    concurrency = None if settings.concurrency == "auto" else settings.concurrency
    throttle = Throttle(concurrency, look=getattr(model, "load", None))
    return RoleModel(model, throttle, {}, settings.max_tokens, settings.api, offline=stored is not None)


async def run_data_stages(recipe: Recipe, result: RunResult, wanted: Sequence[str], offline: bool) -> None:
    """Run those of bootstrap, evolve, respond and select that are `wanted`; all they make is in the ledger."""
    seeds = read_seed_tasks(recipe.seeds.path) if recipe.bootstrap or recipe.seeds.export or recipe.seeds.evolve else []
    given = read_records(recipe.input, require_output=False) if recipe.input else []
    ledger = Ledger(result.run_dir)
    engine: Engine | None = None
    try:
        engine = _engine(recipe, ledger, result, offline)
        await (ledger.reopen_outcomes() if offline else ledger.set_meta(ROLES, note_roles(engine.roles)))
        with _signals_stop(engine):
            await engine.drive(_drive(engine, recipe, seeds, wanted, given))
    finally:
        if engine is not None:
            for who in engine.roles.values():
                await who.model.close()
            result.quarantined = engine.quarantined
        await ledger.aclose()
        _note_seconds(result)


def _engine(recipe: Recipe, ledger: Ledger, result: RunResult, offline: bool) -> Engine:
    stored = stored_models(ledger) if offline else {}
    teacher = connect_role(recipe.teacher, stored.get("teacher"))
    roles = {"teacher": teacher, "judge": connect_role(recipe.judge, stored.get("judge")) if recipe.judge else teacher}
    if embedder := _embedder(recipe, stored.get(EMBEDDER)):
        roles[EMBEDDER] = embedder
    names = tuple({who.model.name for who in roles.values()})
    budget = Budget(recipe.engine.price_table, names, recipe.engine.max_cost, recipe.engine.max_tokens_total)
    budget.already_spent(*ledger.spent())
    result.maybe_paid_twice, _ = ledger.maybe_paid_twice()
    options = EngineOptions(recipe.seed, recipe.engine.max_attempts, recipe.engine.deadline_s, recipe.engine.grace_s)
    result.progress.throttles = [who.throttle for who in roles.values()]
    return Engine(ledger, roles, budget, result.progress, options)


def _embedder(recipe: Recipe, stored: StoredModel | None) -> RoleModel | None:
    """The server of vectors that the recipe's checks ask, None where there is none."""
    if recipe.select is None or recipe.select.embeddings is None or recipe.select.embeddings.base_url is None:
        return None
    return RoleModel(stored or embedding_model(recipe.select.embeddings), Throttle(None), offline=stored is not None)


async def _drive(
    engine: Engine, recipe: Recipe, seeds: Sequence[SeedTask], wanted: Sequence[str], given: Sequence[Record]
) -> None:
    """Chain the stages as streams: a record moves on as soon as it is settled, no stage waits for another to end."""
    own = seed_records(seeds)
    stream = _stream([*(own if recipe.seeds.evolve else ()), *given])
    if recipe.bootstrap:
        stream = _join(stream, _kept(bootstrap(engine, seeds, recipe.bootstrap)))
    if recipe.evolve and "evolve" in wanted:
        stream = _kept(evolve(engine, stream, recipe.evolve))
    if recipe.respond and "respond" in wanted:
        stream = _kept(respond(engine, stream, recipe.respond))
    if recipe.seeds.export and not recipe.seeds.evolve and "select" in wanted:
        stream = _join(_stream(own), stream)
    if recipe.select and "select" in wanted:
        stream = _kept(select(engine, stream, recipe.select))
    async for _ in stream:
        pass


async def _stream(records: Sequence[Record]) -> AsyncIterator[Record]:
    for record in records:
        yield record


async def _join(*streams: AsyncIterator[Record]) -> AsyncIterator[Record]:
    for stream in streams:
        async for record in stream:
            yield record


async def _kept(results: Results) -> AsyncIterator[Record]:
    async for batch in results:
        for result in batch:
            if isinstance(result, Record):
                yield result


@contextmanager
def _signals_stop(engine: Engine) -> Iterator[None]:
    """On the first Ctrl-C or SIGTERM send nothing more and await what is in flight; on the second end at once."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int) -> None:
        if engine.fatal is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        engine.stop(Interrupted(number))

    if threading.current_thread() is not threading.main_thread():  # then the caller handles signals
        yield
        return
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _note_seconds(result: RunResult) -> None:
    """Add the seconds of stages that asked for something in this process; a stage only read back keeps its old time."""
    for name, stage in result.progress.stages.items():
        if stage.requests or name not in result.seconds:
            result.seconds[name] = result.seconds.get(name, 0.0) + stage.seconds
    write_timings(result)
