"""`synth import`: conversations of other people, cleaned, as a file of records. Prints; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.command import command
from synth.cli.common import Json, print_table, show
from synth.errors import UsageError


@command()
def import_(
    file: Annotated[
        Path, typer.Argument(help="Talks (ShareGPT, messages) or OpenAssistant trees.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The file of records to write, as JSON lines.", show_default=False)],
    language: Annotated[list[str] | None, typer.Option(help="ISO 639-1 code to keep; may be repeated.")] = None,
    blocked: Annotated[Path | None, typer.Option(help="A file of phrases, one a line; talks with one go.")] = None,
    min_exchanges: Annotated[int, typer.Option(help="Questions with answers that a talk must have.", min=1)] = 1,
    max_tokens: Annotated[int | None, typer.Option(help="Split longer talks, between exchanges.", min=16)] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="A model's folder, to count tokens; else estimated.")] = None,
    threads: Annotated[str, typer.Option(help="Of trees: best, all, or a number N for the N best ranks.")] = "best",
    pairs: Annotated[Path | None, typer.Option(help="Of trees: write pairs of ranked answers here as well.")] = None,
    json: Json = False,
) -> None:
    """Clean conversations and make them a file of records.

    Each talk removed is listed in OUT.removed.jsonl with its reason. Example: synth import talks.json --out talks.jsonl
    """
    from synth.fileio import atomic_write, json_lines
    from synth.sources.cleaning import Cleaning, estimated_tokens, import_talks
    from synth.sources.trees import pairs as pairs_of

    if not (threads in ("best", "all") or (threads.isdecimal() and int(threads) > 0)):
        raise UsageError(f"--threads {threads}: there is no such choice", "Take best, all or a number from 1.")
    if len({path.resolve() for path in (file, out, pairs) if path}) < 2 + bool(pairs):
        raise UsageError("the file, --out and --pairs must be different files", "one would be written over another")
    count = _counter(tokenizer) if tokenizer else estimated_tokens
    cleaning = Cleaning(min_exchanges, _languages(language or ()), _phrases(blocked), max_tokens, count)
    found = import_talks(file, cleaning, threads)
    atomic_write(out, json_lines(record.to_dict() for record in found.cleaned.records))
    removed = out.with_name(f"{out.name}.removed.jsonl")
    atomic_write(removed, json_lines({"where": where, "reason": reason} for where, reason in found.cleaned.removed))
    rows = [pair for tree in found.trees for pair in pairs_of(tree)] if pairs else []
    if pairs:
        atomic_write(pairs, json_lines(rows))
    counts = {"talks": found.cleaned.talks, "records": len(found.cleaned.records), "pairs": len(rows)} | found.counts
    tables = {"removed": found.cleaned.reasons, "changed": dict(found.cleaned.changed)}
    told = f"{out}: {counts['records']:,} records of {counts['talks']:,} talks of {file}."
    show(json, told, file=str(file), out=str(out), **counts, **tables)
    if not json:
        _print_counts(tables | {"trees": found.counts})


def _print_counts(tables: Mapping[str, Mapping[str, int]]) -> None:
    """A table for each kind of counts that has some."""
    for title, table in tables.items():
        if table:
            shown = [(name, f"{number:,}") for name, number in table.items()]
            print_table(title.capitalize(), ("what", "number"), shown)


def _languages(codes: Sequence[str]) -> frozenset[str]:
    from synth.sources.languages import check_code

    try:
        return frozenset(check_code(code) for code in codes)
    except ValueError as error:
        raise UsageError(f"--language: {error}", "for example --language en --language de") from None


def _phrases(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    from synth.given import read_named

    lines = read_named(path, "Name a text file with one phrase a line.").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def _counter(folder: Path) -> Callable[[str], int]:
    """Counts tokens by the model's own tokenizer."""
    from synth.student.weights import load_tokenizer

    tokenizer = load_tokenizer(str(folder))
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
