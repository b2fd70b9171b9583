"""The stages in order over one run folder. What is done is not done again; what is interrupted goes on.

runs/<name>/  recipe.yaml  ledger.sqlite  lock  timings.json  export/  student/  evaluation.json  report.html
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.engine.budget import Budget
from synth.engine.ledger import FILE_NAME, Ledger, LedgerReader
from synth.engine.lock import run_lock
from synth.engine.progress import RunProgress
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.stored import ROLES, StoredModel, note_roles, stored_models
from synth.engine.throttle import Throttle
from synth.errors import StorageError, SynthError, UsageError
from synth.fileio import atomic_write
from synth.models import connect
from synth.recipe import SEED_FILE, STAGES, ModelSettings, Recipe, build_recipe, shaping
from synth.records import Lineage, Record, Rejection, SeedTask, digest
from synth.stages.bootstrap import bootstrap
from synth.stages.evolve import evolve
from synth.stages.formats import read_records
from synth.stages.respond import respond
from synth.stages.seeds import read_seed_tasks
from synth.stages.select import EMBEDDER, embedding_model, select
from synth.student.arms import SEEDS_ONLY, answered_records, arms_of_ablation, contamination
from synth.student.holdout import hold_out_inputs
from synth.student.items import items_from

if TYPE_CHECKING:
    from synth.stages.evaluate import AblationResult, EvaluateSettings
    from synth.stages.train import TrainResult
    from synth.student.presets import TrainSettings

DATA_STAGES = ("bootstrap", "evolve", "respond", "select")
RECIPE_FILE = "recipe.yaml"
EVAL_FILE = SEED_FILE.with_name("eval_tasks.jsonl")
Results = AsyncIterator[list[Record | Rejection]]
Show = Callable[[RunProgress], AbstractContextManager[None]]


class Interrupted(SynthError):
    """Ctrl-C or a termination signal; the answers in flight were awaited and kept."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted; the answers in flight were kept", "continue with the same command")
        self.exit_code = 128 + signal_number


@dataclass(slots=True)
class RunResult:
    """What a run came to: counters of this process, seconds by stage (kept over restarts), files made."""

    run_dir: Path
    progress: RunProgress
    seconds: dict[str, float] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    quarantined: int = 0
    maybe_paid_twice: int = 0
    student: list[list[str]] = field(default_factory=list)
    started: float = field(default_factory=time.time)


def run(
    recipe: Recipe,
    run_dir: Path,
    *,
    until: str = STAGES[-1],
    changed: Sequence[str] = (),
    fresh: bool = False,
    offline: bool = False,
    show: Show = lambda _progress: nullcontext(),
) -> RunResult:
    """Run `recipe` in `run_dir` up to and with the stage `until`, going on where an earlier run stopped.

    `changed`: dotted keys that may differ from the folder's recipe. `offline`: parse and check the stored answers anew
    and send nothing. `show` is called with the counters and returns a context manager that draws them.
    Raises SynthError; what was paid for is in the ledger by then.
    """
    if until not in STAGES:
        raise UsageError(f"there is no stage {until!r}", f"the stages are {', '.join(STAGES)}")
    with run_lock(run_dir):
        if fresh:
            _empty(run_dir)
        _adopt(recipe, run_dir, changed)
        progress = RunProgress()
        result = RunResult(run_dir, progress, _read_timings(run_dir))
        wanted = STAGES[: STAGES.index(until) + 1]
        with show(progress):
            asyncio.run(_run_data_stages(recipe, result, wanted, offline))
            _run_file_stages(recipe, result, wanted)
        return result


def connect_role(settings: ModelSettings, stored: StoredModel | None = None) -> RoleModel:
    """The model of a role with its slots; given a `stored` one, nothing is connected and nothing will be sent."""
    model = stored or connect(settings.backend, settings.options)
    concurrency = None if settings.concurrency == "auto" else settings.concurrency
    throttle = Throttle(concurrency, look=getattr(model, "load", None))
    return RoleModel(model, throttle, {}, settings.max_tokens, settings.api, offline=stored is not None)


# -- the data stages -----------------------------------------------------------------------------------------------


async def _run_data_stages(recipe: Recipe, result: RunResult, wanted: Sequence[str], offline: bool) -> None:
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


def seed_records(seeds: Sequence[SeedTask]) -> list[Record]:
    """Seed tasks as records, one for each instance."""
    return [
        Record(
            seed.instruction,
            instance.input,
            instance.output,
            Lineage("seed", (seed.id,)),
            meta={"is_classification": seed.is_classification, "category": seed.category, "language": seed.language},
        )
        for seed in seeds
        for instance in seed.instances
    ]


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


# -- the stages that make files ------------------------------------------------------------------------------------


def _run_file_stages(recipe: Recipe, result: RunResult, wanted: Sequence[str]) -> None:
    """Export, train, evaluate, report, each timed; heavy libraries are imported only if there is work."""
    for name in wanted:
        make = FILE_STAGES.get(name)
        if make is not None and getattr(recipe, name) is not None:
            started = time.monotonic()
            if make(recipe, result):
                result.seconds[name] = time.monotonic() - started
                _write_timings(result)


def final_records(run_dir: Path) -> list[Record]:
    """What the last data stage kept, in order."""
    reader = LedgerReader(run_dir)
    try:
        done = [name for name in DATA_STAGES if name in reader.stages()]
        return list(reader.records(done[-1])) if done else []
    finally:
        reader.close()


def checked_records(run_dir: Path) -> list[Record]:
    """What went into the checks of a run: the records that came out of its last stage before them."""
    reader = LedgerReader(run_dir)
    try:
        done = [name for name in ("bootstrap", "evolve", "respond") if name in reader.stages()]
        return list(reader.records(done[-1])) if done else []
    finally:
        reader.close()


def split_held_out(recipe: Recipe, run_dir: Path) -> tuple[list[Record], list[Record]]:
    """The final records: those to export and train on, and the instances held out for evaluation."""
    return hold_out_inputs(final_records(run_dir), recipe.hold_out.num_inputs, recipe.seed)


def _export(recipe: Recipe, result: RunResult) -> bool:
    from synth.engine.funnel import family_links
    from synth.stages.export import export, run_facts

    assert recipe.export is not None
    folder = result.run_dir / "export"
    result.paths.append(folder)
    records, held_out = split_held_out(recipe, result.run_dir)
    facts = run_facts(result.run_dir) | {"recipe_hash": recipe.hash, "name": recipe.name}
    reader = LedgerReader(result.run_dir)
    try:
        export(records, folder, recipe.export, facts, family_links(reader))
    finally:
        reader.close()
    if held_out:
        lines = "".join(json.dumps(record.to_dict()) + "\n" for record in held_out)
        atomic_write(result.run_dir / "held_out.jsonl", lines)
    return True


def _train(recipe: Recipe, result: RunResult) -> bool:
    from synth.stages.train import train

    assert recipe.train is not None
    folder = result.run_dir / "student"
    result.paths.append(folder)
    records, _ = split_held_out(recipe, result.run_dir)
    return _worked(train(records, folder, _with_base(recipe, result.run_dir, records)), result)


def _with_base(recipe: Recipe, run_dir: Path, records: Sequence[Record]) -> TrainSettings:
    """The training settings, naming the untrained model that all of the run's students start from."""
    assert recipe.train is not None
    if recipe.train.model is not None:
        return recipe.train
    base = run_dir / "base"
    if not (base / "config.json").is_file():
        from synth.student.fit import make_base

        make_base([*records, *seed_records(read_seed_tasks(recipe.seeds.path))], base, recipe.train)
    return recipe.train.model_copy(update={"model": str(base)})


def _worked(trained: TrainResult, result: RunResult) -> bool:
    """Was the student trained just now, rather than read back?"""
    return (trained.path / "train.json").stat().st_mtime >= result.started


def _evaluate(recipe: Recipe, result: RunResult) -> bool:
    """Examine the untrained model, those of `evaluate.arms` (trained for as long), and the student."""
    from synth.stages.evaluate import evaluate
    from synth.stages.train import train

    assert recipe.train is not None and recipe.evaluate is not None
    path = result.run_dir / "evaluation.json"
    records, held_out = split_held_out(recipe, result.run_dir)
    settings = _with_base(recipe, result.run_dir, records)
    data = comparison_arms(recipe, result.run_dir, held_out)
    arms = {name: train(own, result.run_dir / folder, settings) for name, (folder, own) in data.items()}
    arms["student"] = train(records, result.run_dir / "student", settings)
    weights = [one.weights_sha256 for one in arms.values()]
    mark = digest(recipe.evaluate.model_dump(mode="json"), [r.id for r in held_out], list(arms), weights)
    if path.is_file() and json.loads(path.read_text("utf-8")).get("fingerprint") == mark:
        result.student = json.loads(path.read_text("utf-8"))["table"]
        return False
    students = {"untrained": str(settings.model)} | {name: str(one.path) for name, one in arms.items()}
    source = held_out or read_seed_tasks(EVAL_FILE)
    examined = recipe.evaluate.model_copy(update={"template": recipe.evaluate.template or settings.template})
    training = [*records, *(record for _, own in data.values() for record in own)]
    found = evaluate(students, source, examined, training=training)
    result.student = found.rows()
    atomic_write(path, json.dumps(found.to_dict() | {"fingerprint": mark, "table": found.rows()}, indent=1))
    return True


def comparison_arms(recipe: Recipe, run_dir: Path, held_out: Sequence[Record]) -> dict[str, tuple[str, list[Record]]]:
    """The arms of `evaluate.arms`: name -> (folder in the run folder, records)."""
    assert recipe.evaluate is not None
    gone = {record.id for record in held_out}
    found: dict[str, tuple[str, list[Record]]] = {}
    for name in recipe.evaluate.arms:
        if name == SEEDS_ONLY:
            own = seed_records(read_seed_tasks(recipe.seeds.path))
        else:
            own = [record for record in answered_records(run_dir) if record.id not in gone]
        found[name] = (f"students/{name.replace(' ', '-')}", own)
    return found


def run_ablation(run_dir: Path, tasks: Path | None, settings: EvaluateSettings) -> AblationResult:
    """What each part of the data did: students trained on more and more of it, for equal steps, with several seeds.

    Arms: see `arms_of_ablation`. How much of each evaluation set they give away is part of the result.
    """
    from synth.stages.evaluate import ablation
    from synth.stages.train import train

    recipe = read_run_recipe(run_dir)
    if recipe.train is None:
        raise UsageError(f"{run_dir} trains no student", "add a train: section to its recipe")
    kept, held_out = split_held_out(recipe, run_dir)
    own = seed_records(read_seed_tasks(recipe.seeds.path))
    arms = arms_of_ablation(own, answered_records(run_dir), kept, held_out)
    sets = {EVAL_FILE.name: items_from(read_seed_tasks(EVAL_FILE))}
    sets |= {"held-out inputs": items_from(held_out)} if held_out else {}
    sets |= {tasks.name: items_from(read_seed_tasks(tasks))} if tasks else {}
    source = read_seed_tasks(tasks or EVAL_FILE) if tasks or not held_out else held_out
    training = _with_base(recipe, run_dir, kept)
    result = ablation(arms, source, run_dir / "ablation", train, training, settings)
    result = dataclasses.replace(result, contamination=contamination(arms, sets))
    atomic_write(run_dir / "ablation.json", json.dumps(result.to_dict(), indent=1))
    return result


def _report(recipe: Recipe, result: RunResult) -> bool:
    from synth.stages.report import report

    assert recipe.report is not None
    result.paths.append(report(result.run_dir, recipe.report))
    return True


FILE_STAGES: dict[str, Callable[[Recipe, RunResult], bool]] = {
    "export": _export,
    "train": _train,
    "evaluate": _evaluate,
    "report": _report,
}


# -- the run folder ------------------------------------------------------------------------------------------------


def read_run_recipe(run_dir: Path) -> Recipe:
    """The recipe a run folder was made by. Raises UsageError where there is none."""
    import yaml

    path = run_dir / RECIPE_FILE
    if not path.is_file():
        raise UsageError(f"{run_dir} is not a run folder: it has no {RECIPE_FILE}", "name a folder made by `synth run`")
    return build_recipe(yaml.safe_load(path.read_text("utf-8")), str(path))


def _adopt(recipe: Recipe, run_dir: Path, changed: Sequence[str]) -> None:
    """Refuse a folder made by another recipe, except for the keys in `changed`; then write the resolved recipe."""
    path = run_dir / RECIPE_FILE
    if path.is_file():
        old = flat(shaping(read_run_recipe(run_dir).model_dump(mode="json")))
        new = flat(shaping(recipe.model_dump(mode="json")))
        allowed = tuple(changed)
        different = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        refused = [key for key in different if not key.startswith(allowed)] if allowed else different
        if refused:
            lines = "\n  ".join(f"{key}: {old.get(key)!r} there, {new.get(key)!r} now" for key in refused[:20])
            raise UsageError(
                f"{run_dir} was made by another recipe:\n  {lines}",
                "choose another --run, give the change with --set key=value to go on with it, or --fresh to start over",
            )
    try:
        atomic_write(path, recipe.to_yaml())
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    if not isinstance(data, dict):
        return {prefix: data}
    return {
        key: value for name, inner in data.items() for key, value in flat(inner, f"{prefix}.{name}".lstrip(".")).items()
    }


def _empty(run_dir: Path) -> None:
    """Throw away what a run made (never anything else in the folder)."""
    for name in (RECIPE_FILE, "timings.json", "evaluation.json", "ablation.json", "held_out.jsonl", "report.html"):
        (run_dir / name).unlink(missing_ok=True)
    for path in run_dir.glob(f"{FILE_NAME}*"):
        path.unlink()
    for name in ("export", "student", "students", "base", "ablation"):
        shutil.rmtree(run_dir / name, ignore_errors=True)


def _read_timings(run_dir: Path) -> dict[str, float]:
    try:
        return dict(json.loads((run_dir / "timings.json").read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _note_seconds(result: RunResult) -> None:
    """Add the seconds of stages that asked for something in this process; a stage only read back keeps its old time."""
    for name, stage in result.progress.stages.items():
        if stage.requests or name not in result.seconds:
            result.seconds[name] = result.seconds.get(name, 0.0) + stage.seconds
    _write_timings(result)


def _write_timings(result: RunResult) -> None:
    text = json.dumps({name: round(seconds, 3) for name, seconds in result.seconds.items()}, indent=1)
    atomic_write(result.run_dir / "timings.json", text)
