"""`synth select`: what checks and grades would reject of a file or a run, and the rows that stay.

On a file or a run folder alone it asks no model. Grading a file asks one, and keeps the answers in a run folder.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, MaybeRunDir, Strict, log, print_json, print_table, read_told, say
from synth.cli.teacher import SERVER, Asking
from synth.errors import SynthError, UsageError

if TYPE_CHECKING:
    from synth.checks.semantic import Vectors
    from synth.engine.ledger import LedgerReader
    from synth.records import Record, Rejection
    from synth.stages.select import SelectSettings

BARS = 24


@command(*SERVER, "accept_changes")
def select(
    source: Annotated[Path, typer.Argument(help="A file of records, or a run folder.", show_default=False)],
    check: Annotated[
        list[str] | None,
        typer.Option(help="A check: NAME, or 'NAME: {option: value}'; without any, the recipe's or the default ones."),
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of select, as keep.top_k=500.")
    ] = None,
    min_grade: Annotated[float | None, typer.Option(help="Keep answers of at least this mean grade.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Keep this many, the best graded.")] = None,
    explain: Annotated[bool, typer.Option(help="Show samples of what each check would reject.")] = False,
    what_if: Annotated[
        str | None,
        typer.Option(help="CHECK.OPTION=V1,V2,... : how many each value would refuse; keep.min_grade=3,4 for grades."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rows that are kept to this .jsonl file.")] = None,
    grade: Annotated[bool, typer.Option("--grade", help="Let a model grade what passes; needs --run.")] = False,
    run: MaybeRunDir = None,
    strict: Strict = False,
    asking: Asking = Asking(),
    json: Json = False,
) -> None:
    """Show what the checks would reject, and keep the rest.

    Example: synth select data.json --check refusal --check repetition --explain
    """
    changes = [*(set or ())]
    changes += [f"keep.min_grade={min_grade}"] if min_grade is not None else []
    changes += [f"keep.top_k={top_k}"] if top_k is not None else []
    if grade or run:
        _grade(source, run, _settings(source, check, ["grade={}", *changes]), asking, strict, json)
        return
    needs_vectors = (what_if or "").startswith(("semantic.", "keep.min_distance"))
    given = _read(source, _settings(source, check, changes), needs_vectors, strict)
    _what_if(given, what_if, json) if what_if else _explain(given, explain, out, source, json)


def _explain(given: _Given, with_samples: bool, out: Path | None, source: Path, json: bool) -> None:
    found = given.explained()
    if out:
        _write_kept(found.results, out, source)
    if json:
        print_json(found.to_dict() | {"grades": _histograms(found.results)})
    else:
        _print(found.to_dict(), with_samples)
        _print_grades(found.results)


@dataclass(slots=True)
class _Given:
    """Records with what is known of them, and the settings to look at them by."""

    records: list[Record]
    settings: SelectSettings
    grades: dict[str, Record | Rejection]
    vectors: Vectors | None

    def explained(self) -> Any:
        """What the settings would do."""
        from synth.stages.select import explain

        return explain(self.records, self.settings, grades=self.grades, vectors=self.vectors)


def _settings(source: Path, check: list[str] | None, changes: list[str]) -> SelectSettings:
    """Those of the run's recipe, or the defaults, with the changes of the command line."""
    import yaml

    from synth.recipe import set_value, validated
    from synth.stages.select import SelectSettings

    own = None
    if source.is_dir():
        from synth.pipeline import RECIPE_FILE, read_run_recipe

        own = read_run_recipe(source).select if (source / RECIPE_FILE).is_file() else None
    data: dict[str, Any] = (own or SelectSettings()).model_dump(mode="json")
    if check:
        data["checks"] = [yaml.safe_load(one) for one in check]
    for change in changes:
        set_value(data, change)
    return validated(SelectSettings, data, "select")


def _read(source: Path, settings: SelectSettings, needs_vectors: bool, strict: bool) -> _Given:
    if not source.is_dir():
        records = read_told(source, strict=strict, require_output=False).records
        return _Given(records, settings, {}, _vectors(settings, None, needs_vectors))
    from synth.engine.ledger import LedgerReader
    from synth.pipeline import checked_records
    from synth.stages.select import stored_grades

    reader = LedgerReader(source)
    try:
        grades = stored_grades(reader.results("grade"))
        records = _selected(reader) or checked_records(source)
        return _Given(records, settings, grades, _vectors(settings, reader, needs_vectors))
    except SynthError:
        reader.close()
        raise


def _selected(reader: LedgerReader) -> list[Record]:
    """What went into a run's selection, kept or not; none where it has not begun."""
    from synth.records import record_of

    return [record_of(result) for result in reader.results("select")]


def _vectors(settings: SelectSettings, reader: Any, wanted: bool) -> Vectors | None:
    """Vectors on this machine, or those that a run has paid for already."""
    from synth.stages.select import stored_vectors

    by_distance = settings.keep is not None and settings.keep.distance is not None
    if settings.embeddings is None or not (wanted or settings.semantic is not None or by_distance):
        return None
    if settings.embeddings.base_url is None:
        from synth.checks.semantic import static_vectors

        return static_vectors(settings.embeddings.model)
    if reader is None:
        raise UsageError(
            "vectors of a server are asked for in a run only", "give --run DIR, or a model on this machine"
        )
    return stored_vectors(reader, settings.embeddings)


def _grade(source: Path, run: Path | None, settings: SelectSettings, asking: Asking, strict: bool, json: bool) -> None:
    from synth.cli.stages import run_flags

    if run is None:
        raise UsageError("grading asks a model, and its answers are kept in a run folder", "name one with --run DIR")
    if source.is_dir():
        raise UsageError(f"{source} is a run folder", "grade it with: synth run RECIPE --set select.grade={}")
    data = {"input": str(source.absolute()), "strict_input": strict, "select": settings.model_dump(mode="json")}
    run_flags(data, run, "select", asking, json)


def _what_if(given: _Given, question: str, json: bool) -> None:
    import yaml

    path, equals, values = question.partition("=")
    check, dot, option = path.partition(".")
    if not (equals and dot and values):
        raise UsageError(
            f"--what-if {question}: not of the form CHECK.OPTION=V1,V2", "for example novelty.threshold=0.6,0.7"
        )
    asked = [yaml.safe_load(value) for value in values.split(",")]
    total, counts = _counts(given, check, option, asked)
    rows = [[str(value), str(count), f"{count / max(total, 1):.1%}"] for value, count in counts.items()]
    if json:
        refused = {str(k): v for k, v in counts.items()}
        print_json({"check": check, "option": option, "rows": total, "refused": refused})
    else:
        print_table(f"{check}, of {total} rows", [option, "refused", "share"], rows)


def _counts(given: _Given, check: str, option: str, values: list[Any]) -> tuple[int, dict[Any, int]]:
    """(rows looked at, value -> rows refused). Grades are looked at where the checks have passed."""
    from synth.records import Record
    from synth.stages.select import what_if, what_if_kept

    if check == "semantic" and given.vectors is None:
        raise UsageError("semantic needs vectors", "name a model: --set embeddings.model=FOLDER")
    if check == "semantic":
        changed = {v: given.settings.model_copy(update={"semantic": v, "keep": None}) for v in values}
        found = {v: _Given(given.records, s, given.grades, given.vectors).explained() for v, s in changed.items()}
        counts = {v: next((c.refuses for c in e.checks if c.name == "semantic"), 0) for v, e in found.items()}
        return len(given.records), counts
    if check != "keep":
        return len(given.records), what_if(given.records, check, option, values)
    before = _Given(given.records, given.settings.model_copy(update={"keep": None}), given.grades, given.vectors)
    passed = before.explained()
    counts = what_if_kept(passed.results, given.settings.keep, option, values, passed.vectors)
    return sum(isinstance(result, Record) for result in passed.results), counts


def _write_kept(results: list[Record | Rejection], out: Path, source: Path) -> None:
    """The rows kept; of a run those that an export has: no held-out rows, none without an answer."""
    import json

    from synth.cli.export import held_out_ids
    from synth.fileio import atomic_file
    from synth.records import Record

    kept = [result for result in results if isinstance(result, Record)]
    held_out = held_out_ids(source)
    rows = [one for one in kept if not source.is_dir() or (one.output.strip() and one.id not in held_out)]
    with atomic_file(out) as file:
        for one in rows:
            file.write((json.dumps(one.to_dict()) + "\n").encode())
    left = f"; {len(kept) - len(rows)} held out or without an answer are left out" if len(rows) < len(kept) else ""
    log(f"{len(rows)} rows written to {out}{left}")


def _print(found: dict[str, Any], with_samples: bool) -> None:
    rows = [
        [
            c["name"],
            str(c["refuses"]),
            str(c["first"]),
            str(c["alone"]),
            ", ".join(f"{k} {v}" for k, v in c["reasons"].items()),
        ]
        for c in found["checks"]
        if c["refuses"]
    ]
    print_table(
        f"{found['kept']} of {found['total']} rows pass every check",
        ["check", "refuses", "names the rejection", "alone", "reasons"],
        rows,
    )
    for c in found["checks"] if with_samples else ():
        for sample in c["samples"]:
            say(f"{c['name']}: {sample['verdict']}\n  [{sample['id']}] {sample['instruction'][:300]}")


def _histograms(results: list[Record | Rejection]) -> dict[str, dict[str, int]]:
    """Criterion -> grade -> rows, of all rows that carry grades, kept or not."""
    from synth.stages.select import graded_values

    return {
        name: {f"{value:g}": values.count(value) for value in sorted(frozenset(values))}
        for name, values in graded_values(results).items()
    }


def _print_grades(results: list[Record | Rejection]) -> None:
    from synth.judge import flat_grades
    from synth.stages.select import graded_values

    graded = graded_values(results)
    for name, values in graded.items():
        counts = {value: values.count(value) for value in sorted(frozenset(values))}
        if len(counts) > 20:
            continue
        most = max(counts.values())
        rows = [[f"{value:g}", str(n), "█" * round(BARS * n / most)] for value, n in counts.items()]
        print_table(f"Grades of {name}, {len(values)} rows", ["grade", "rows", ""], rows)
    by_model = {name: Counter(values) for name, values in graded.items() if name not in ("complexity", "ifd")}
    if warning := flat_grades(by_model):
        log(f"warning: {warning}")
