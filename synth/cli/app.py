"""All commands in one list."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli import (
    chat,
    dedup,
    doctor,
    estimate,
    evolve,
    export,
    inspect,
    new,
    reparse,
    report,
    review,
    run,
    seeds,
    select,
    serve_teacher,
    stages,
    student,
    talks,
)
from synth.cli.next import Command
from synth.version import build_facts

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="From a small pool of seed tasks to instruction data and a trained student.",
)


def _version(value: bool) -> None:
    if value:
        for name, fact in build_facts().items():
            typer.echo(f"{name} {fact}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and what it runs on.")
    ] = False,
) -> None:
    pass


COMMANDS = (
    run.run,
    stages.bootstrap,
    evolve.evolve,  # its place in the list; the group below, which has `tune` as well, answers to the name
    stages.respond,
    stages.rephrase,
    select.select,
    export.export,
    student.train,
    student.evaluate,
    report.report,
    report.compare,
    review.review,
    chat.chat,
    inspect.status,
    inspect.verify,
    inspect.lineage,
    reparse.reparse,
    run.validate,
    run.schema,
    run.init,
    new.new,
    estimate.estimate,
    doctor.doctor,
    talks.import_,
    dedup.dedup,
    serve_teacher.serve_teacher,
)

for command in COMMANDS:
    app.command(command.__name__.rstrip("_").replace("_", "-"), cls=Command)(command)
app.add_typer(evolve.app, name="evolve")
app.add_typer(seeds.app, name="seeds")
