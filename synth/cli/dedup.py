"""`synth dedup`: near-duplicates of a file, by words or by meaning. Writes the rows that stay and the pairs found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.common import Debug, Json, Strict, guard, print_json, read_told, say


def dedup(
    file: Annotated[Path, typer.Argument(help="A file of records in any known format.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file of records to write, as JSON lines.", show_default=False)],
    pairs: Annotated[
        Path | None, typer.Option(help="Where the removed rows and their nearest go; OUT.pairs.jsonl by default.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Highest score to any row before it that is kept.")] = 0.7,
    at_threshold: Annotated[
        bool, typer.Option("--at-threshold", help="Remove a score of exactly the threshold too.")
    ] = False,
    tokenizer: Annotated[str, typer.Option(help="unicode, or rouge (a-z and 0-9 only, as published).")] = "unicode",
    semantic: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="A model2vec model: compare meanings, by cosine, in place of words."),
    ] = None,
    with_input: Annotated[bool, typer.Option("--with-input", help="Compare instruction and input.")] = False,
    strict: Strict = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove near-duplicate rows by ROUGE-L, or by meaning, exactly, in the file's order.

    Example: synth dedup data.json --out novel.jsonl
    """
    with guard(json=json, debug=debug):
        from synth.checks.dedup import dedup as novel_part
        from synth.fileio import atomic_write

        source = read_told(file, strict=strict, require_output=False)
        records = source.records
        texts = [record.asked() if with_input else record.task() for record in records]
        found = novel_part(texts, threshold=threshold, strict=at_threshold, tokenizer=tokenizer, semantic=semantic)
        place = pairs or out.with_name(f"{out.name}.pairs.jsonl")
        atomic_write(out, _lines([records[index].to_dict() for index in found.kept]))
        atomic_write(place, _lines([_pair(texts, r.index, r.nearest, r.score) for r in found.removed]))
        counts = {"rows": len(records), "kept": len(found.kept), "removed": len(found.removed)}
        counts["skipped"] = source.num_skipped
        if json:
            print_json({"file": str(file), "out": str(out), "pairs": str(place), **counts})
        else:
            say(
                f"{file}: {counts['rows']} rows, {counts['kept']} kept in {out}, {counts['removed']} removed ({place})."
            )


def _pair(texts: list[str], index: int, nearest: int | None, score: float) -> dict[str, Any]:
    """One removed row: its place and text, and the kept row it is closest to (rows count from 1)."""
    if nearest is None:
        return {"row": index + 1, "text": texts[index], "reason": "no_tokens"}
    return {
        "row": index + 1,
        "text": texts[index],
        "score": score,
        "nearest_row": nearest + 1,
        "nearest": texts[nearest],
    }


def _lines(rows: list[dict[str, Any]]) -> str:
    import json as json_module

    return "".join(json_module.dumps(row, ensure_ascii=True) + "\n" for row in rows)
