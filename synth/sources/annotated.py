"""Labelled data → records: FLAN's wordings, promptsource's templates, or a file in a known format. No teacher is asked.

Each row becomes as many results as prompts are drawn for it, a record or a rejection that names its place: nothing is
lost, and kept and rejected add up to the rows.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from synth.errors import InputError, UsageError
from synth.given import StrictSettings, as_mistake
from synth.parsing.finals import with_final
from synth.records import Lineage, Record, Rejection, digest
from synth.sources import read_source
from synth.sources.files import read_rows
from synth.sources.flan import Mode, TaskKind, chosen, find_kind, option_list
from synth.sources.rendering import Fault, Job, Limits, Rendered, Renderer
from synth.sources.rows import Reading, Row
from synth.sources.superni import Shown
from synth.sources.templates import Template, read_templates
from synth.verify import check_mistakes

STAGE = "annotate"
CHUNK = 500
"""Rows rendered at a time."""
Result = Record | Rejection


class AnnotatedSource(StrictSettings):
    """One set of labelled data, and how its rows are told. With `kind` in FLAN's way, with `templates_path` in T0's;
    else it is a file in a known format: superni, unifiedqa, dolly, alpaca ...
    """

    path: Path = Field(description="JSON lines, CSV, Parquet, a dataset saved to disk by `datasets`, or a task file.")
    format: str | None = Field(None, description="Of a file in a known format; recognised where it is not given.")
    kind: str | None = Field(
        None, description="sentiment, nli, paraphrase, question, reading, summary, translation, commonsense, "
        "coreference, data_to_text, title, grammar or topic.",
    )  # fmt: skip
    mode: Mode = Field(
        "instruction", description="none (input and output only), name (task and data named), instruction."
    )
    turned: bool = Field(
        True, description="Use wordings that turn the task round as well: output given, input asked for."
    )
    templates_path: Path | None = Field(None, description="A file of templates in promptsource's form.")
    original_only: bool = Field(False, description="Of such a file, use the templates of the original task alone.")
    prompts_per_row: int = Field(1, ge=1, le=100, description="Different wordings drawn for each row.")
    columns: dict[str, str] = Field(
        default_factory=dict, description="Field of the kind or the templates to the column that holds it, where the "
        "names differ; options (the choices of a row) and rationale (worked steps) may be named too.",
    )  # fmt: skip
    options: tuple[str, ...] = Field((), description="The answers there are, in the order of the labels' numbers.")
    max_rows: int | None = Field(None, ge=1, description="At most so many rows, the first ones.")
    num_positive: int = Field(0, ge=0, description="Positive examples in the prompt of a superni task.")
    num_negative: int = Field(0, ge=0, description="Negative examples in the prompt of a superni task.")
    explanations: bool = Field(False, description="Show why those examples are right or wrong.")
    meta: dict[str, str] = Field(
        default_factory=dict, description="Kept with each record, such as category or language."
    )

    @model_validator(mode="after")
    def _one_way(self) -> AnnotatedSource:
        if self.kind and self.templates_path:
            raise ValueError("kind and templates_path are two ways to tell a row: name one of them")
        with as_mistake():
            if self.kind:
                find_kind(self.kind)
        return self

    def templates(self, name: str) -> list[Template]:
        """What rows are rendered with. Raises UsageError or InputError for a file that cannot be used."""
        if self.kind:
            return find_kind(self.kind).templates(self.mode, turned=self.turned)
        assert self.templates_path is not None
        found = [
            one for one in read_templates(self.templates_path).templates if one.is_original or not self.original_only
        ]
        if not found:
            raise UsageError(f"{self.templates_path} has no template of the original task", "unset original_only")
        return found


def annotated(
    name: str,
    source: AnnotatedSource,
    seed: int,
    limits: Limits = Limits(),
    tell: Callable[[str], None] = lambda _note: None,
) -> Iterator[Result]:
    """The results of the source called `name`, in the order of its rows; draws come from `seed`.

    `limits`: bounds of a template over a row. `tell` gets notes on what was changed in rows, or left unread.

    Raises InputError or UsageError where nothing of it can be read, or a template is at fault whatever the row.
    """
    made = _told(name, source, seed, limits) if source.kind or source.templates_path else _known(name, source, tell)
    seen: set[str] = set()
    for result in made:
        mark = digest(result.id, result.output) if isinstance(result, Record) else ""
        if isinstance(result, Record) and mark in seen:
            yield Rejection(result, STAGE, STAGE, "repeated", str(result.meta.get("row", "")))
        else:
            seen.add(mark)
            yield result


def _known(name: str, source: AnnotatedSource, tell: Callable[[str], None]) -> Iterator[Result]:
    """A file in a known format; what it notes of itself wins over the source's `meta`."""
    shown = Shown(source.num_positive, source.num_negative, source.explanations)
    options: dict[str, Any] = {"shown": shown} if shown != Shown() else {}
    read = read_source(source.path, "superni" if options else source.format, **options)
    for note in read.notes:
        tell(f"{name}: {note}")
    for mistake in read.skipped:
        yield _refused(name, mistake, "", "unreadable")
    for record in read.records[: source.max_rows]:
        yield replace(record, meta={**source.meta, "source": name, **record.meta})


def _told(name: str, source: AnnotatedSource, seed: int, limits: Limits) -> Iterator[Result]:
    templates = source.templates(name)
    reading = Reading()
    rows = read_rows(source.path, reading)[: source.max_rows]
    for mistake in reading.mistakes:
        yield _refused(name, mistake, "", "unreadable")
    with Renderer(templates, limits) as renderer:
        if renderer.faults:
            names = {one.id: one.name for one in templates}
            mistakes = [f"template {names[key]} ({key}): {fault.detail}" for key, fault in renderer.faults.items()]
            raise InputError(f"{source.templates_path}: {len(mistakes)} template(s) at fault", mistakes, "correct them")
        for at in range(0, len(rows), CHUNK):
            yield from _chunk(name, source, templates, rows[at : at + CHUNK], renderer, f"{seed} {name}")


def _chunk(
    name: str,
    source: AnnotatedSource,
    templates: Sequence[Template],
    rows: Sequence[Row],
    renderer: Renderer,
    seed: str,
) -> Iterator[Result]:
    kind = find_kind(source.kind) if source.kind else None
    drawn: list[tuple[Row, Template, dict[str, Any] | Fault]] = []
    for row in rows:
        draw = random.Random(f"{seed} {row.where.rpartition('/')[2]}")
        values = _values(source, kind, row, name)
        count = min(source.prompts_per_row, len(templates))
        drawn += [(row, template, values) for template in draw.sample(templates, count)]
    jobs = [
        Job(template.id, values, f"{seed} {row.where.rpartition('/')[2]}")
        for row, template, values in drawn
        if not isinstance(values, Fault)
    ]
    rendered = iter(renderer.render(jobs))
    for row, template, values in drawn:
        found = values if isinstance(values, Fault) else next(rendered)
        fault = found if isinstance(found, Fault) else _fault(template, found)
        if fault is not None:
            yield _refused(name, f"{row.where}, template {template.name}: {fault.detail}", row.where, fault.reason)
        elif isinstance(found, Rendered) and isinstance(values, dict):
            yield _record(name, source, kind, template, row, values, found)


def _values(source: AnnotatedSource, kind: TaskKind | None, row: Row, name: str) -> dict[str, Any] | Fault:
    """What a template may use of a row: its columns, under the names of the fields too."""
    values = dict(row.value) | {key: row.value.get(column) for key, column in source.columns.items()}
    if kind is None:
        return values
    missing = [key for key in kind.fields if values.get(key) is None]
    if missing:
        column = source.columns.get(missing[0], missing[0])
        return Fault("missing_variable", f"the field `{missing[0]}` (column `{column}`) is missing or null")
    options = _options(values.get("options"), source.options)
    values = {**kind.also, **{key: value for key, value in values.items() if value is not None}}
    values |= {key: _text(values[key]) for key in kind.fields}
    if options:
        label = chosen(values[kind.output], options)
        if label is None:
            return Fault("not_an_option", f"the answer {values[kind.output][:60]!r} is not among the options")
        values[kind.output] = label
    empty = [key for key in kind.fields if not values[key].strip()]
    if empty:
        reason = "empty_target" if empty[0] == kind.output else "empty_input"
        return Fault(reason, f"the field `{empty[0]}` is empty")
    target = values[kind.output]
    target = with_final(_text(values["rationale"]), target) if values.get("rationale") else target
    told = {"option_list": option_list(options), "task_name": kind.name, "dataset_name": name}
    return values | told | {"target_text": target, "options": options}


def _options(given: Any, usual: Sequence[str]) -> list[str]:
    """The choices of a row: a list, `datasets`' object with `text`, or one text with ||| between them."""
    found = given.get("text") if isinstance(given, dict) else given
    found = found.split("|||") if isinstance(found, str) else found
    return [_text(one).strip() for one in found] if isinstance(found, list) and found else list(usual)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _fault(template: Template, found: Rendered) -> Fault | None:
    """What is wrong with a rendered text."""
    if not any(found.parts):
        return Fault("not_applicable", "the template gives nothing for this row")
    if len(found.parts) != 2:
        return Fault("separator", f"||| stands {len(found.parts) - 1} times in the rendered text")
    for reason, text in zip(("empty_input", "empty_target"), found.parts, strict=True):
        if not text:
            return Fault(reason, f"the {reason.removeprefix('empty_')} is empty")
    if template.must_choose and not any(one in found.parts[1] for one in found.choices or ()):
        return Fault("not_an_option", f"the target {found.parts[1][:60]!r} names none of the answer choices")
    return None


def _record(
    name: str,
    source: AnnotatedSource,
    kind: TaskKind | None,
    template: Template,
    row: Row,
    values: Mapping[str, Any],
    found: Rendered,
) -> Record:
    prompt, target = found.parts
    labels = list(values.get("options", ())) if kind else list(found.choices or ())
    final = values.get(kind.output) if kind and template.is_original else target
    languages = template.metadata.get("languages")
    noted = {"language": str(languages[0])} if isinstance(languages, list) and languages else {}
    meta: dict[str, Any] = {**noted, **source.meta, "source": name, "task": kind.name if kind else name}
    meta |= {"cluster": kind.cluster if kind else name, "template": template.name, "row": row.where.rpartition("/")[2]}
    meta |= {"mode": source.mode} if kind else {}
    meta |= {} if template.is_original else {"is_turned": True}
    if kind and template.is_original and values.get("rationale"):
        meta |= {"rationale": _text(values["rationale"]), "final": final}
    check = {"kind": "label", "answer": final, "labels": labels}
    if final in labels and not check_mistakes(check):
        meta |= {"check": check, "is_classification": True}
    lineage = Lineage("import", operator=f"flan_{source.mode}" if kind else "promptsource")
    return Record(prompt, "", target, lineage=lineage, meta=meta)


def _refused(name: str, detail: str, where: str, reason: str) -> Rejection:
    meta = {"source": name} | ({"row": where.rpartition("/")[2]} if where else {})
    place = digest(name, detail)[:16]
    return Rejection(Record(f"(row not read: {place})", meta=meta), STAGE, STAGE, reason, detail[:400])
