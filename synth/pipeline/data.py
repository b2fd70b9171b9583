"""The stages that make records, chained as streams over one engine."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress

from synth.engine.batch_journal import BatchJournal
from synth.engine.batches import Batches, BatchSettings
from synth.engine.between import moved_servers
from synth.engine.budget import Budget
from synth.engine.funnel import NOTE, NotedStage, note_stages
from synth.engine.ledger import UNPRICED, Ledger
from synth.engine.named import NamedEngine
from synth.engine.prices import is_service
from synth.engine.run import Engine, RoleModel
from synth.engine.shards import adopt
from synth.engine.stored import ROLES, note_roles, stored_models
from synth.errors import SynthError, UsageError
from synth.pipeline.folder import RunResult, write_timings
from synth.pipeline.on_ray import crew_on_ray, shares
from synth.pipeline.roles import WHOLE, connect_roles, engine_options, known_prices
from synth.recipe import Recipe
from synth.records import Record, Rejection, SeedTask
from synth.sources import Source, read_source
from synth.stages.evolve import MAX_WORDS
from synth.stages.seeds import read_seed_tasks
from synth.stages.stage import Planned, seed_records

Results = AsyncIterator[list[Record | Rejection]]


class Interrupted(SynthError):
    """Ctrl-C or a termination signal; the answers in flight were awaited and kept."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted; the answers in flight were kept", "continue with the same command")
        self.exit_code = 128 + signal_number


def _set_batches(who: RoleModel, settings: BatchSettings, ledger: Ledger, recipe: Recipe, result: RunResult) -> None:
    """Let the requests of a role go in batches. Raises UsageError where its backend knows of none."""
    batch_api = getattr(who.model, "batch_api", None)
    if batch_api is None:
        raise UsageError(f"the backend of {who.model.name} has no batch API", "take `api: chat`")
    limits = (recipe.engine.max_attempts, recipe.engine.deadline_s)
    who.batches = Batches(batch_api(), _journal(ledger, who), settings, result.progress.say, *limits)


def _journal(ledger: Ledger, who: RoleModel) -> BatchJournal:
    return BatchJournal(ledger, f"{who.model.endpoint} {who.model.name}")


def _say_left(ledger: Ledger, who: RoleModel, result: RunResult) -> None:
    """Who asks one by one may pay for requests that are in batches still."""
    left = sum(len(noted.keys) for noted in _journal(ledger, who).read() if noted.id and not noted.is_over)
    if left:
        result.progress.say(f"{left:,} requests are in batches that are not over; `api: batch` would wait for them")


def _say_waves(recipe: Recipe, result: RunResult) -> None:
    """A stage that learns from what it has made cannot send all its requests at once."""
    if recipe.bootstrap is not None and recipe.teacher.api == "batch":
        result.progress.say(
            f"bootstrap learns from the tasks it has, so it asks in waves of {recipe.bootstrap.window} requests"
            " at most, a batch each; `--until bootstrap --set teacher.api=chat` makes the tasks now, at the full price"
        )


def read_input(recipe: Recipe) -> Source:
    """The records of the recipe's input file; empty where it names none. Raises InputError."""
    if recipe.input is None:
        return Source([])
    longest = MAX_WORDS if recipe.evolve else None
    return read_source(recipe.input, require_output=False, max_words=longest, strict=recipe.strict_input)


async def run_data_stages(
    recipe: Recipe,
    result: RunResult,
    wanted: Sequence[Planned],
    given: Sequence[Record],
    offline: bool,
    ends_at_gaps: bool = False,
) -> None:
    """Run those of the `wanted` stages that make records; all they make is in the ledger. See `Engine.ends_at_gaps`."""
    plan = [planned for planned in recipe.plan() if planned.stage.kind != "folder"]
    needs_seeds = any(planned.stage.kind == "seeds" for planned in plan)
    seeds = read_seed_tasks(recipe.seeds.path) if needs_seeds or recipe.seeds.export or recipe.seeds.evolve else []
    is_away = recipe.engine.on != "here" and not offline
    async with (
        open_engine(recipe, result, offline) as engine,
        crew_on_ray(recipe, result.run_dir, engine) if is_away else nullcontext() as engine.place,
    ):
        engine.ends_at_gaps = ends_at_gaps
        note = note_stages(NotedStage(planned.name, planned.stage.kind, planned.helpers) for planned in plan)
        await engine.ledger.set_meta(NOTE, note)
        if not offline:
            _say_waves(recipe, result)
        await engine.drive(_drive(engine, recipe, seeds, [one for one in plan if one in wanted], given, offline))


@asynccontextmanager
async def open_engine(recipe: Recipe, result: RunResult, offline: bool = False) -> AsyncIterator[Engine]:
    """The engine of a run folder, with the recipe's models and caps; signals stop it. The only place that makes one.

    `offline`: nothing is sent, and stored outcomes are made anew. At the end all is closed and counted in `result`.
    """
    ledger = Ledger(result.run_dir)
    engine: Engine | None = None
    try:
        await adopt(ledger, result.run_dir)
        engine = _engine(recipe, ledger, result, offline)
        await (ledger.reopen_outcomes() if offline else _note_models(engine))
        with _signals_stop(engine):
            yield engine
    finally:
        if engine is not None:
            for who in engine.roles.values():
                await who.close()
            result.quarantined = engine.quarantined
        await ledger.aclose()
        _note_seconds(result)


async def _note_models(engine: Engine) -> None:
    """Write down who answers in which role, and whose price is not known."""
    await engine.ledger.set_meta(ROLES, note_roles(engine.roles))
    await engine.ledger.set_meta(UNPRICED, json.dumps(sorted(engine.budget.unpriced)))


def _engine(recipe: Recipe, ledger: Ledger, result: RunResult, offline: bool) -> Engine:
    number = 0 if recipe.engine.on == "here" or offline else recipe.engine.workers
    stored = stored_models(ledger) if offline else {}
    roles = connect_roles(recipe, moved_servers(ledger), stored, (number, shares(recipe)) if number else WHOLE)
    for role, who in roles.items():
        settings = {"teacher": recipe.teacher, "judge": recipe.judge}.get(role)
        batch = settings.batch if settings and settings.api == "batch" else getattr(who.model, "batches", None)
        if batch and not who.offline:
            _set_batches(who, batch, ledger, recipe, result)
        elif settings is not None:
            _say_left(ledger, who, result)
    prices, names = known_prices(recipe, list(roles.values()))
    unpriced = {who.model.name for who in roles.values() if is_service(who.model.endpoint)} - set(prices)
    budget = Budget(prices, names, recipe.engine.max_cost, recipe.engine.max_tokens_total, unpriced)
    budget.already_spent(*ledger.spent())
    result.maybe_paid_twice, _ = ledger.maybe_paid_twice()
    result.progress.throttles = [who.throttle for who in roles.values()]
    result.progress.healths = list({id(who): who.health for who in roles.values()}.values())
    return Engine(ledger, roles, budget, result.progress, engine_options(recipe))


async def _drive(
    engine: Engine,
    recipe: Recipe,
    seeds: Sequence[SeedTask],
    plan: Sequence[Planned],
    given: Sequence[Record],
    offline: bool,
) -> None:
    """Chain the stages as streams: a record moves on as soon as it is settled, no stage waits for another to end."""
    own = seed_records(seeds)
    stream = _stream([*(own if recipe.seeds.evolve else ()), *given])
    joins = recipe.seeds.export and not recipe.seeds.evolve
    for planned in plan:
        kind, run = planned.stage.kind, planned.stage.run
        known = engine if planned.name == planned.stage.name else NamedEngine(engine, planned.names)
        if kind == "seeds":
            stream = _join(stream, _kept(run(known, seeds, planned.settings)))
            continue
        if joins and kind == "checks":
            stream, joins = _join(_stream(own), stream), False
        stream = _kept(run(known, stream, planned.settings))
    async for _ in stream:
        pass
    if not offline:
        await engine.repair()


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


def _stop_from_outside(engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
    with suppress(RuntimeError):  # the loop is closed: the engine has ended
        loop.call_soon_threadsafe(engine.stop, Interrupted(signal.SIGINT))


def _stopping(engine: Engine) -> str:
    """What is said at the first Ctrl-C."""
    requests, batches = engine.in_batches
    waited = engine.progress.in_flight - requests
    said = f"{requests:,} requests in {batches} batches are left to the provider. " if batches else ""
    if waited > 0 or not batches:
        said += f"{waited} answers in flight are waited for, {engine.options.grace_s:.0f} s at most, and kept. "
    return f"stopping: {said}Press Ctrl-C again to end at once."


@contextmanager
def _signals_stop(engine: Engine) -> Iterator[None]:
    """On the first Ctrl-C or SIGTERM send nothing more and await what is in flight; on the second end at once."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    engine.progress.on_stop = lambda: _stop_from_outside(engine, loop)
    if engine.progress.is_stopped:
        engine.stop(Interrupted(signal.SIGINT))

    def stop(number: int) -> None:
        if engine.fatal is not None:
            engine.progress.say("ended at once; what was in flight is lost, and may have been paid for")
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        engine.progress.say(_stopping(engine))
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
