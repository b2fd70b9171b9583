"""`synth train` and `synth evaluate`: a student from a run folder or from any file of records, and what it can do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, Strict, folder_path, print_json, print_table, read_told, say, show
from synth.cli.next import then
from synth.cli.teacher import Asking
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.recipe import Recipe
    from synth.records import Record
    from synth.stages.evaluate import EvaluateSettings
    from synth.stages.evaluate.examine import EvalResult
    from synth.stages.train import TrainResult
    from synth.student.items import EvalItem
    from synth.student.presets import TrainSettings

Source = Annotated[Path | None, typer.Argument(help="A run folder.", show_default=False)]
TRAIN_WITH = {
    "axolotl": ("axolotl", "train"),
    "llamafactory": ("llamafactory-cli", "train"),
    "trl": ("trl", "sft", "--config"),
}
"""Tool → the command to which its config is given."""
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One training setting, for example max_steps=50.")
]


@command()
def train(
    source: Source = None,
    data: Annotated[Path | None, typer.Option(help="A file of records in place of a run folder.")] = None,
    model: Annotated[
        str | None, typer.Option(help="A model folder or hub name; none trains a tiny one from scratch.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="tiny, alpaca-7b, wizardlm-7b, lora, qlora ...")] = None,
    out: Annotated[
        Path | None,
        typer.Option(parser=folder_path, metavar="DIR", help="The student's folder; student/ of the run by default."),
    ] = None,
    num_processes: Annotated[int, typer.Option(help="Processes on this machine, started by torchrun.")] = 1,
    num_hosts: Annotated[int, typer.Option(help="Hosts that train together; type this on each of them.")] = 1,
    host_rank: Annotated[int, typer.Option(help="The number of this host, from 0.")] = 0,
    rendezvous: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where the hosts meet: a free port of host 0.")
    ] = None,
    emit: Annotated[
        str | None,
        typer.Option(help="Write a config for axolotl, llamafactory or trl, or the command of each host (synth)."),
    ] = None,
    set: Set = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Train a student, or write the config to train it elsewhere.

    Example: synth train --data alpaca.json --preset tiny --set max_steps=50 --out runs/student
    """
    records, recipe = _input(source, data, strict)
    hosts = {"num_processes": num_processes, "num_hosts": num_hosts, "host_rank": host_rank}
    settings = _settings(recipe, preset, model, hosts | {"rendezvous": rendezvous}, set or [])
    folder = out or (source / "student" if source else Path("student"))
    _emit(emit, records, folder, settings, json) if emit else _train(records, folder, settings, json)


def _emit(tool: str, records: list[Record], folder: Path, settings: TrainSettings, json: bool) -> None:
    from synth.student.emit import emit

    paths = [str(path) for path in emit(tool, records, folder, settings)]
    show(json, "\n".join(f"made {path}" for path in paths), made=paths)
    script = folder / "launch.sh"
    then(*(("bash", script) if str(script) in paths else (*TRAIN_WITH[tool], folder / f"{tool}.yaml")))


def _train(records: list[Record], folder: Path, settings: TrainSettings, json: bool) -> None:
    from synth.cli.progress import Line
    from synth.stages.train import train as fit

    line = Line()
    done = fit(records, folder, settings, lambda now: line(f"training: {now}", now.is_over))
    facts = {"student": str(done.path), "steps": done.steps, "tokens": done.tokens, "seconds": done.seconds}
    facts |= {"loss_first": done.loss_first, "loss_last": done.loss_last, "weights_sha256": done.weights_sha256}
    facts |= {"truncated": len(done.truncated), "left_out": len(done.unlearnable)}
    if json:
        print_json(facts)
    else:
        print_table("The student", ["what", "value"], [[name, str(value)] for name, value in facts.items()])
        for note in done.details["notes"]:
            say(note)


@command("max_cost", "price")
def evaluate(
    source: Annotated[Path, typer.Argument(help="A run folder with a student, or a model folder.", show_default=False)],
    tasks: Annotated[
        Path | None, typer.Option(help="Tasks to examine on; the held-out inputs or tasks by default.")
    ] = None,
    ablation: Annotated[
        bool, typer.Option(help="Base, seeds, + bootstrap, + evolution, + checks at equal steps.")
    ] = False,
    modes: Annotated[
        str | None, typer.Option(help="none, name and instruction on a held-out cluster of task kinds, or on all.")
    ] = None,
    harness: Annotated[
        str | None, typer.Option(help="Tasks of lm-evaluation-harness, by comma; synth_held_out is our own.")
    ] = None,
    max_tasks: Annotated[int | None, typer.Option(help="Only the first tasks, this many.")] = None,
    asking: Asking = Asking(),
    json: Json = False,
) -> None:
    """Examine a student: the share of right answers, with 95 % intervals.

    Example: synth evaluate runs/quickstart --ablation
    """
    settings = _evaluate_settings(source, max_tasks)
    if harness:
        print_json(_harness(source, tasks, harness.split(","), settings))
    elif modes:
        _modes(source, [] if modes == "all" else modes.split(","), settings, json)
    elif ablation:
        _ablation(source, tasks, settings, json)
    else:
        _examine(source, tasks, settings, asking, json)


def _input(source: Path | None, data: Path | None, strict: bool) -> tuple[list[Record], Recipe | None]:
    if (source is None) == (data is None):
        raise UsageError("name a run folder or --data FILE, one of them", "synth train runs/mine")
    if data is not None:
        return read_told(data, strict=strict).records, None
    from synth.pipeline import RunFolder, read_run_recipe

    assert source is not None
    recipe = read_run_recipe(source)
    return RunFolder(source, recipe).records()[0], recipe


def _settings(
    recipe: Recipe | None, preset: str | None, model: str | None, hosts: dict[str, Any], changes: list[str]
) -> TrainSettings:
    from synth.recipe import validated
    from synth.student.presets import TrainSettings

    usual = {"num_processes": 1, "num_hosts": 1, "host_rank": 0, "rendezvous": None}
    given: dict[str, Any] = {name: value for name, value in hosts.items() if value != usual[name]}
    given |= ({"preset": preset} if preset else {}) | ({"model": model} if model else {}) | _changed(changes)
    own = recipe.train if recipe is not None else None
    from_scratch = own is not None and own.model is None  # settings of a tiny student do not fit a named model
    if own is not None and "preset" not in given and not (from_scratch and given.get("model")):
        given = own.model_dump(mode="json") | given
    return validated(TrainSettings, given, "training settings")


def _changed(changes: list[str]) -> dict[str, Any]:
    """What `--set` was given. Raises UsageError for what is no key=value."""
    import yaml

    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"--set {change}: not of the form key=value", "for example --set max_steps=50")
        found[name] = yaml.safe_load(value)
    return found


def _evaluate_settings(source: Path, max_tasks: int | None) -> EvaluateSettings:
    """Those of the run folder's recipe, else the defaults."""
    from synth.pipeline import RECIPE_FILE, read_run_recipe
    from synth.stages.evaluate import EvaluateSettings

    own = read_run_recipe(source).evaluate if (source / RECIPE_FILE).is_file() else None
    settings: EvaluateSettings = own or EvaluateSettings()
    return settings.model_copy(update={"max_tasks": max_tasks or settings.max_tasks})


def _items(source: Path, tasks: Path | None, settings: EvaluateSettings) -> list[EvalItem]:
    """What to examine on: the tasks named, else those of the settings."""
    from synth.sources import read_records
    from synth.stages.evaluate.stage import examination
    from synth.student.task_file import read_tasks

    if tasks is not None:
        return read_tasks(tasks)
    held_out = source / "held_out.jsonl"
    return examination(settings, read_records(held_out) if held_out.is_file() else [])


def _harness(source: Path, tasks: Path | None, names: list[str], settings: EvaluateSettings) -> dict[str, Any]:
    """Results of lm-evaluation-harness; our own items are written as a task of it beforehand."""
    from synth.student.generate import trained_template
    from synth.student.harness import run_harness, write_task
    from synth.student.templates import template_named
    from synth.student.weights import load_tokenizer

    own = _own_student(source)
    folder = own.path if own else source
    template = template_named(trained_template(str(folder)) or "auto", load_tokenizer(str(folder)))
    items = _items(source, tasks, settings)[: settings.max_tasks]
    write_task(items, source / "harness", template, settings.max_tokens)
    return run_harness(str(folder), names, source / "harness", os.environ.get("SYNTH_LM_EVAL", "lm_eval"))


def _examine(source: Path, tasks: Path | None, settings: EvaluateSettings, asking: Asking, json: bool) -> None:
    from synth.cli.progress import Line
    from synth.stages.evaluate import evaluate as examine
    from synth.stages.evaluate.examine import examining

    own = _own_student(source)
    students, training = _students(source, own) if own else ({source.name: str(source)}, [])
    if own and not settings.template:  # the untrained model is asked as the student is
        settings = settings.model_copy(update={"template": own.details["template"]})
    items = _items(source, tasks, settings)
    result = examine(students, items, settings, training=training, progress=examining(Line()))
    result = _judged(result, source, settings, asking) if settings.judge else result
    if json:
        print_json(result.to_dict())
        return
    print_table("The student", ["student", "metric", "value", "95 % interval", "n"], result.rows())
    for one in result.differences:
        gap = f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
        say(f"{one.student} against {one.against}, {one.metric}: {gap}, {one.verdict}")
    for sentence in [*result.verdict(), *result.notes]:
        say(sentence)
    if training:
        say(f"contamination: {len(result.given_away)} items are given away by the training data and left out")


def _judged(result: EvalResult, source: Path, settings: EvaluateSettings, asking: Asking) -> EvalResult:
    """With what the judge of the run says of the answers, within the cap of the recipe or the flags."""
    from synth.engine.lock import run_lock
    from synth.pipeline import engine_of, read_run_recipe
    from synth.stages.evaluate.judging import judged

    recipe = asking.capped(read_run_recipe(source))
    with run_lock(source):
        return judged(result, lambda: engine_of(source, recipe), settings.seed)


def _own_student(source: Path) -> TrainResult | None:
    """The finished student of a run folder; None for a model's folder. Raises UsageError for a run without one."""
    from synth.pipeline import RECIPE_FILE
    from synth.stages.train import STUDENT, read_result

    own = read_result(source / STUDENT)
    if own is None and (source / RECIPE_FILE).is_file():
        raise UsageError(f"{source} has no finished student", f"train first: synth train {source}")
    return own


def _students(source: Path, own: TrainResult) -> tuple[dict[str, str], list[Record]]:
    """The students of a run folder in the order base first, own last, and all that they learned from.

    A student of another base than the run's own has nothing to be compared with and is left out.
    """
    from synth.pipeline import RunFolder, read_run_recipe
    from synth.stages.evaluate.stage import STUDENTS
    from synth.stages.train import ALIGNED, read_result
    from synth.student.arms import answered_records

    found = {"untrained": _base_of(own, source)}
    for path in sorted((source / STUDENTS).glob("*"), reverse=True):
        other = read_result(path)
        if other and other.details["base"] == own.details["base"]:
            found[path.name.replace("-", " ")] = str(path)
    found["student"] = str(own.path)
    found |= {"aligned": str(source / ALIGNED)} if read_result(source / ALIGNED) else {}
    folder = RunFolder(source, read_run_recipe(source))
    gone = {record.id for record in folder.records()[1]}
    training = [record for record in answered_records(source) if record.id not in gone]
    return found, training + folder.seeds()


def _base_of(student: TrainResult, source: Path) -> str:
    """What a student was trained from: `base` in its own folder, a model's folder or hub name, or its run's `base`.

    The last is for a run folder that was moved.
    """
    from synth.stages.train import BASE

    named = str(student.details["base"])
    if named == BASE:
        return str(student.path / BASE)
    is_moved = Path(named).name == BASE and not Path(named).is_dir()
    return str(source / BASE) if is_moved else named


def _modes(source: Path, clusters: list[str], settings: EvaluateSettings, json: bool) -> None:
    from synth.cli.progress import Line
    from synth.pipeline import RunFolder, read_run_recipe
    from synth.stages.evaluate.modes import compare_modes
    from synth.stages.train import train

    recipe = read_run_recipe(source)
    if recipe.train is None:
        raise UsageError(f"{source} trains no student", "add a train: section to its recipe")
    found = compare_modes(RunFolder(source, recipe, show=Line()), train, recipe.train, settings, clusters)
    if json:
        print_json({cluster: result.to_dict() for cluster, result in found.items()})
        return
    for cluster, result in found.items():
        print_table(f"Unseen: {cluster}, {result.num_items} tasks", ABLATION, result.rows())


ABLATION = ["arm", "records", "steps", "tokens", "correct", "95 % interval", "each training", "against the arm before"]


def _ablation(source: Path, tasks: Path | None, settings: EvaluateSettings, json: bool) -> None:
    from synth.cli.progress import Line
    from synth.pipeline import RunFolder, read_run_recipe
    from synth.stages.evaluate.stage import ablate
    from synth.student.scores import TASKS

    result = ablate(RunFolder(source, read_run_recipe(source), show=Line()), tasks, settings)
    if json:
        print_json(result.to_dict())
        return
    print_table("What the data did", ABLATION, result.rows())
    for metric in result.parts:
        print_table(f"Of the {TASKS[metric]}", ABLATION, result.rows(metric))
    for sentence in result.verdict():
        say(sentence)
    arms = [arm.name for arm in result.arms if arm.num_records]
    print_table("Items that the training data give away", ["evaluation set", *arms], result.contamination_rows())
    say(f"{len(result.given_away)} items were left out for all arms; {result.num_items} were examined on.")
    say(f"All trained arms took the same steps; their tokens differ by a factor of {result.token_ratio:.2f} at most.")
