"""`synth seeds`: check a file of seed tasks, measure it, or make one from other people's data. Prints; nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, Strict, log, print_json, print_table, show
from synth.cli.next import Command
from synth.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Check, measure and import seed tasks.")
File = Annotated[Path, typer.Argument(help="A file of tasks.", show_default=False)]


@app.command(cls=Command)
@command()
def check(file: File, json: Json = False) -> None:
    """List every mistake of a seed file; exit code 2 where there is one."""
    from synth.stages.seeds import read_seed_tasks

    tasks = read_seed_tasks(file)
    counts = {
        "tasks": len(tasks),
        "classification": sum(task.is_classification for task in tasks),
        "empty_input": sum(not any(one.input.strip() for one in task.instances) for task in tasks),
        "with_check": sum(task.check is not None for task in tasks),
    }
    told = f"{counts['tasks']} tasks, {counts['classification']} of them classification, "
    told += f"{counts['empty_input']} without input, {counts['with_check']} with a check. No mistakes."
    show(json, f"{file}: {told}", file=str(file), **counts)


@app.command(cls=Command)
@command()
def stats(
    file: File,
    against: Annotated[Path | None, typer.Option(help="Another seed file to compare the instructions with.")] = None,
    card: Annotated[Path | None, typer.Option(help="Write the tables into this Markdown file's marked place.")] = None,
    json: Json = False,
) -> None:
    """Count categories, languages, lengths and checks, and find the nearest instructions."""
    from synth.stages.seed_stats import card_block, put_in_card
    from synth.stages.seed_stats import stats as measure
    from synth.stages.seeds import read_seed_tasks

    measures = measure(read_seed_tasks(file), read_seed_tasks(against) if against else ())
    if card:
        from synth.fileio import atomic_write
        from synth.given import read_named

        atomic_write(
            card, put_in_card(read_named(card, "Name an existing Markdown file."), file.name, card_block(measures))
        )
        log(f"{card}: the tables of {file.name} are current.")
    if json:
        print_json({"file": str(file), **measures})
    else:
        _print_stats(measures)


def _print_stats(measures: dict[str, Any]) -> None:
    from synth.stages.seed_stats import table_rows

    print_table("Overview", ("measure", "value"), table_rows(measures))
    header = ("words in", "texts", "mean", "median", "least", "most")
    print_table("Lengths", header, [(name, *map(str, row.values())) for name, row in measures["words"].items()])
    for title in ("categories", "languages", "checks"):
        print_table(title.capitalize(), (title, "tasks"), [(name, str(n)) for name, n in measures[title].items()])


@app.command("import", cls=Command)
@command()
def import_(
    file: File,
    out: Annotated[Path, typer.Option(help="The seed file to write.", show_default=False)],
    format: Annotated[
        str | None,
        typer.Option(
            help="self_instruct, superni, unifiedqa, alpaca, messages, sharegpt, dolly, prompt_completion, records, "
            "csv or parquet; recognised from the content when not given."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Name a column of the file: instruction=NAME, input=NAME or output=NAME.", show_default=False
        ),
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="Leave out tasks that repeat an instruction.")] = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Make a seed file from data in another format."""
    from synth.sources import Source
    from synth.stages.seeds import import_seed_tasks, write_seed_tasks

    found = import_seed_tasks(file, format, columns=_columns(column), unique=unique, strict=strict)
    write_seed_tasks(out, found.tasks)
    told = Source([], found.skipped, found.notes)
    for line in told.told(file):
        log(line)
    counts = {"tasks": len(found.tasks), "skipped": told.num_skipped, "notes": list(found.notes)}
    show(json, f"{out}: {len(found.tasks)} tasks from {file}.", file=str(file), out=str(out), **counts)


@app.command("from-run", cls=Command)
@command()
def from_run(
    folder: Annotated[Path, typer.Argument(help="A run folder whose rows were judged.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The seed file to write.", show_default=False)],
    json: Json = False,
) -> None:
    """Make a seed file of the rows that people accepted in `synth review`, with their edits."""
    from synth.review.feedback import accepted_seeds
    from synth.stages.seeds import write_seed_tasks

    tasks = accepted_seeds(folder)
    write_seed_tasks(out, tasks)
    told = f"{out}: {len(tasks)} tasks that people accepted in {folder}."
    show(json, told, run=str(folder), out=str(out), tasks=len(tasks))


@app.command("export", cls=Command)
@command()
def export_(
    file: File,
    out: Annotated[Path, typer.Option(help="A folder for superni, a file for unifiedqa.", show_default=False)],
    format: Annotated[str, typer.Option(help="superni (a task file for each task) or unifiedqa (lines).")] = "superni",
    json: Json = False,
) -> None:
    """Write tasks or records in the form of Super-NaturalInstructions or UnifiedQA."""
    from synth.stages.seeds import export_tasks

    count = export_tasks(file, out, format)
    show(json, f"{out}: {count} instances from {file}.", file=str(file), out=str(out), instances=count)


def _columns(named: list[str] | None) -> dict[str, str] | None:
    if not named:
        return None
    pairs = [part.partition("=") for part in named]
    if wrong := [name for name, _, column in pairs if not column]:
        raise UsageError(f"--column {wrong[0]} names no column", "Write it as --column instruction=NAME.")
    return {name: column for name, _, column in pairs}


if __name__ == "__main__":
    app()
