"""`synth dedup`: near-duplicates of a file, by words or by meaning. Writes the rows that stay and the pairs found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, Strict, log, read_told, show
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.checks.corpus_join import Run
    from synth.records import Record


@command()
def dedup(
    file: Annotated[Path, typer.Argument(help="A file of records in any known format.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file of records to write, as JSON lines.", show_default=False)],
    pairs: Annotated[Path | None, typer.Option(help="Removed rows and their nearest; else OUT.pairs.jsonl.")] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Highest score to any row before that is kept.")] = 0.7,
    at_threshold: Annotated[bool, typer.Option("--at-threshold", help="Remove exactly this score too.")] = False,
    tokenizer: Annotated[str, typer.Option(help="unicode, or rouge (a-z and 0-9 only, as published).")] = "unicode",
    semantic: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="A model2vec model: compare meanings, by cosine, in place of words."),
    ] = None,
    with_input: Annotated[bool, typer.Option("--with-input", help="Compare instruction and input.")] = False,
    work_folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For JSON lines beyond memory: compare through files there, 1 KB a row."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="With --work-folder: processes that compare.")] = 1,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="ray[://HOST:PORT]", help="With --work-folder, which all its hosts see: on Ray."),
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Remove near-duplicate rows by ROUGE-L, or by meaning, exactly, in the file's order.

    Example: synth dedup data.json --out novel.jsonl
    """
    place = pairs or out.with_name(f"{out.name}.pairs.jsonl")
    settings: dict[str, Any] = {"threshold": threshold, "strict": at_threshold, "tokenizer": tokenizer}
    _check_flags(work_folder, processes, on, semantic, strict)
    if work_folder is None:
        counts = _in_memory(file, (out, place), with_input, strict, settings | {"semantic": semantic})
    else:
        counts = _through_files(
            file, (out, place), with_input, settings | {"folder": work_folder}, _where(on, processes)
        )
    told = f"{counts['rows']} rows, {counts['kept']} kept in {out}, {counts['removed']} removed ({place})."
    show(json, f"{file}: {told}", file=str(file), out=str(out), pairs=str(place), **counts)


def _check_flags(work_folder: Path | None, processes: int, on: str | None, semantic: object, strict: bool) -> None:
    """Raise UsageError for flags that do not go together."""
    if work_folder is None and (processes, on) != (1, None):
        raise UsageError("only files can be compared elsewhere", "add --work-folder FOLDER")
    if work_folder is not None and (semantic is not None or strict):
        raise UsageError("--work-folder compares words, and skips rows that cannot be used", "leave out the other flag")


def _in_memory(
    file: Path, out: tuple[Path, Path], with_input: bool, strict: bool, settings: dict[str, Any]
) -> dict[str, int]:
    from synth.checks.dedup import dedup as novel_part
    from synth.fileio import atomic_write, json_lines

    source = read_told(file, strict=strict, require_output=False)
    texts = [_text(record, with_input) for record in source.records]
    found = novel_part(texts, **settings)
    atomic_write(out[0], json_lines([source.records[index].to_dict() for index in found.kept]))
    atomic_write(out[1], json_lines([_pair(texts, r.index, r.nearest, r.score) for r in found.removed]))
    counts = {"rows": len(texts), "kept": len(found.kept), "removed": len(found.removed)}
    return counts | {"skipped": source.num_skipped}


@contextmanager
def _where(on: str | None, processes: int) -> Iterator[Run]:
    """Where the parts of the join are done."""
    from synth.checks.corpus_join import in_processes, on_ray

    if on is None:
        with in_processes(processes) as run:
            yield run
        return
    from synth.pipeline.on_ray import connected
    from synth.recipe import build_recipe

    with connected(build_recipe({"name": "dedup", "engine": {"on": on, "workers": processes}})):
        yield on_ray


def _through_files(
    file: Path, out: tuple[Path, Path], with_input: bool, settings: dict[str, Any], where: AbstractContextManager[Run]
) -> dict[str, int]:
    """The file is read twice: for what is compared, and to write each row as its verdict comes."""
    from synth.checks.corpus_join import novel_in_corpus
    from synth.fileio import atomic_file, json_lines
    from synth.sources import Source, stream_records
    from synth.sources.rows import Reading

    first, reading, counts = Reading(), Reading(), {"rows": 0, "kept": 0, "removed": 0}
    texts = (_text(record, with_input) for record in stream_records(file, first, require_output=False))
    with where as run, atomic_file(out[0]) as kept, atomic_file(out[1]) as removed:
        records = stream_records(file, reading, require_output=False)
        verdicts = novel_in_corpus(texts, run=run, **settings)
        for verdict, record in zip(verdicts, records, strict=True):
            counts["rows"] += 1
            counts["kept" if verdict is None else "removed"] += 1
            if verdict is None:
                kept.write(json_lines([record.to_dict()]).encode())
            else:
                text = {verdict.index: _text(record, with_input)}
                removed.write(json_lines([_pair(text, verdict.index, verdict.nearest, verdict.score)]).encode())
    source = Source([], tuple(reading.mistakes), tuple(reading.notes()))
    for line in source.told(file):
        log(line)
    return counts | {"skipped": source.num_skipped}


def _text(record: Record, with_input: bool) -> str:
    return record.asked() if with_input else record.task()


def _pair(texts: Sequence[str] | Mapping[int, str], index: int, nearest: int | None, score: float) -> dict[str, Any]:
    """One removed row: its place and text, and the kept row it is closest to (rows count from 1).

    The text of that row is given where `texts` is a list, not where it is the row's own text alone.
    """
    told: dict[str, Any] = {"row": index + 1, "text": texts[index]}
    if nearest is None:
        return told | {"reason": "no_tokens"}
    told |= {"score": score, "nearest_row": nearest + 1}
    return told | ({} if isinstance(texts, Mapping) else {"nearest": texts[nearest]})
