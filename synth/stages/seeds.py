"""Seed tasks: read and checked, written, and made from other people's data.

A seed file has one JSON object a line in the schema of Self-Instruct (arXiv 2212.10560), with `category`, `language`
and `check` as keys of our own; other keys are left alone. Reading is strict: every mistake is listed and nothing comes
back. No task is judged by taste or changed.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth.errors import InputError, UsageError
from synth.fileio import atomic_write
from synth.records import Instance, Record, SeedTask
from synth.sources import mistaken, open_rows, read_source, recognise, superni, unifiedqa
from synth.sources.files import read_rows
from synth.sources.own import instances as read_instances
from synth.sources.rows import Fields, Reading, Row
from synth.verify import check_mistakes, verify

KEYS = ("id", "name", "instruction", "instances", "is_classification", "category", "language", "check")


def read_seed_tasks(path: str | Path) -> list[SeedTask]:
    """The seed tasks of a file, in its order. Raises InputError that lists every mistake with file, line and remedy.

    Also a mistake: an id or (but for case and spacing) an instruction that stands twice, and an output that does not
    pass the task's own check.
    """
    reading = Reading()
    mistakes = reading.mistakes
    rows = read_rows(path, reading)
    if (
        rows
        and not {"id", "instances", "is_classification"} & set(rows[0].value)
        and (form := recognise(rows[0].value))
    ):
        hint = f"Bring it in with: synth seeds import {path} --out seed_tasks.jsonl"
        raise InputError(f"{path} is no file of seed tasks:", [f"{rows[0].where}: is in the format {form}"], hint)
    tasks = _tasks(rows, reading)
    _repeated(rows, tasks, mistakes)
    if mistakes:
        raise mistaken(path, mistakes)
    return [task for task in tasks if task]


def write_seed_tasks(path: str | Path, tasks: Iterable[SeedTask]) -> None:
    """Writes the tasks as JSON lines, whole or not at all; `read_seed_tasks` reads them back equal.

    Raises StorageError where the disk refuses.
    """
    lines = [json.dumps(task.to_dict(), ensure_ascii=False, allow_nan=False) + "\n" for task in tasks]
    atomic_write(path, "".join(lines))


def _tasks(rows: list[Row], reading: Reading) -> list[SeedTask | None]:
    """One task for each row, None where the row has mistakes."""
    tasks: list[SeedTask | None] = []
    for row in rows:
        fields = Fields(row, reading)
        task = _task(fields)
        tasks.append(None if fields.num_bad else task)
    return tasks


def _task(fields: Fields) -> SeedTask:
    value = fields.row.value
    instances = tuple(Instance(one, answer) for one, answer in read_instances(fields))
    is_classification = value.get("is_classification")
    if not isinstance(is_classification, bool):
        fields.bad("`is_classification` is missing or not true or false; say whether the answer is one of fixed labels")
    language = value.get("language")
    if language is not None and not (isinstance(language, str) and re.fullmatch(r"[a-z]{2,3}", language)):
        fields.bad('`language` is not a code of ISO 639; write two small letters such as "en"')
    category = value.get("category")
    if category is not None and not (isinstance(category, str) and category.strip()):
        fields.bad("`category` is not a text or empty; name it or leave it out")
    for key in (key for key in value if key not in KEYS):
        meant = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.8)
        if meant and meant[0] not in value:
            fields.bad(f"`{key}` is no field of a seed task; `{meant[0]}` was probably meant")
    task = SeedTask(
        fields.text("id"), fields.text("name"), fields.text("instruction"), instances,
        bool(is_classification), category, language, value.get("check"),
    )  # fmt: skip
    _check_of(fields, task)
    return task


def _check_of(fields: Fields, task: SeedTask) -> None:
    """Notes what is wrong with a task's check, and an output that fails it."""
    if task.check is None:
        return
    wrong = check_mistakes(task.check)
    for what in wrong:
        fields.bad(what)
    for instance in task.instances if not wrong and not fields.num_bad else ():
        verdict = verify(instance.output, task.check)
        if not verdict.passed:
            fields.bad(f"the output does not pass the task's own `check`: {verdict.reason}; correct one of the two")


def _same(text: str) -> str:
    return " ".join(text.split()).casefold()


def _repeated(rows: list[Row], tasks: list[SeedTask | None], mistakes: list[str]) -> None:
    """Notes ids and instructions that an earlier row has already."""
    seen: dict[tuple[str, str], str] = {}
    for row, task in zip(rows, tasks, strict=True):
        for key, value in (("id", task.id), ("instruction", _same(task.instruction))) if task else ():
            first = seen.setdefault((key, value), row.where)
            if first != row.where:
                mistakes.append(f"{row.where}: the {key} stands already at {first}; change or remove one of them")


@dataclass(frozen=True, slots=True)
class Imported:
    """Seed tasks made from a foreign file, the rows that were skipped, and notes on what was changed or left out."""

    tasks: tuple[SeedTask, ...]
    notes: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def import_seed_tasks(
    path: str | Path,
    format: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    unique: bool = False,
    strict: bool = False,
) -> Imported:
    """Seed tasks from a file in any format of `synth.sources`, in its order; a file of seed tasks comes back equal.

    Rows without ids and names get `seed_task_N` and a name of the instruction's first words; of a conversation the
    first exchange becomes the task. `unique` leaves out rows whose instruction came before, which `read_seed_tasks`
    would refuse. Rows that cannot be used are skipped; where `strict` is set or no row is left, InputError is raised
    with every mistake.
    """
    reading = Reading()
    rows = open_rows(path, reading, format, columns)
    is_seed_file = format == "self_instruct" or (rows and recognise(rows[0].value) == "self_instruct" and not format)
    if is_seed_file and columns is None:
        found = [task for task in _tasks(rows, reading) if task]
        if reading.mistakes and (strict or not found):
            raise mistaken(path, reading.mistakes)
        return _left_out(found, [], unique, tuple(reading.mistakes))
    is_task_file = format == "superni" or (rows and "Instances" in rows[0].value and not format)
    del rows
    source = read_source(path, format, columns=columns, strict=strict)
    notes = list(source.notes)
    if is_task_file and columns is None:
        return _left_out(superni.seed_tasks(source.records), notes, unique, source.skipped)
    if longer := sum(1 for record in source.records if record.history):
        notes.append(f"{longer} conversations were cut to their first exchange")
    if systems := sum(1 for record in source.records if record.system):
        notes.append(f"{systems} system texts were left out: a seed task has none")
    firsts = [record.exchanges()[0] for record in source.records]
    answered = [record for record in firsts if record.output.strip()]
    if len(answered) < len(firsts):
        notes.append(f"{len(firsts) - len(answered)} conversations without a first answer were left out")
    tasks = [_from_record(number, record) for number, record in enumerate(answered)]
    return _left_out(tasks, notes, unique, source.skipped)


def seed_tasks_of(records: Iterable[Record]) -> list[SeedTask]:
    """Seed tasks of answered records without earlier turns: one for each instruction, with all its instances."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.output.strip() and not record.earlier():
            groups.setdefault(_same(record.instruction), []).append(record)
    tasks = []
    for number, group in enumerate(groups.values()):
        instances = dict.fromkeys(Instance(record.input, record.output) for record in group)
        tasks.append(replace(_from_record(number, group[0]), instances=tuple(instances)))
    return tasks


def export_tasks(path: str | Path, out: Path, format: str) -> int:
    """Write the tasks of a file in any known format as `superni`, a folder of task files, or as `unifiedqa`, one file.

    Returns the number of instances written; those that the form cannot hold are left out. Raises InputError,
    StorageError and, for another `format`, UsageError.
    """
    records = [record for record in read_source(path).records if record.output.strip()]
    if format == "unifiedqa":
        lines = [line for record in records if (line := unifiedqa.line(record)) is not None]
        atomic_write(out, "".join(f"{line}\n" for line in lines))
        return len(lines)
    if format != "superni":
        raise UsageError(f"there is no export format {format!r} for tasks", "choose superni or unifiedqa")
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.task(), []).append(record)
    out.mkdir(parents=True, exist_ok=True)
    for number, group in enumerate(groups.values(), 1):
        words = "_".join(re.findall(r"[a-z0-9]+", group[0].instruction.lower())[:6]) or "task"
        name = f"task{number:03d}_synth_{words}"[:100]
        text = json.dumps(superni.task_file(group, name), ensure_ascii=False, indent=4)
        atomic_write(out / f"{name}.json", text + "\n")
    return len(records)


def _left_out(tasks: list[SeedTask], notes: list[str], unique: bool, skipped: tuple[str, ...]) -> Imported:
    """The tasks, with repeated instructions left out or noted."""
    firsts = {_same(task.instruction): task for task in reversed(tasks)}
    kept = [task for task in tasks if firsts[_same(task.instruction)] is task]
    repeated = len(tasks) - len(kept)
    if repeated and unique:
        notes.append(f"{repeated} tasks that repeat an instruction were left out")
    elif repeated:
        notes.append(f"{repeated} tasks repeat an instruction, which a seed file may not; --unique leaves them out")
    return Imported(tuple(kept if unique else tasks), tuple(notes), skipped)


def _from_record(number: int, record: Record) -> SeedTask:
    meta: dict[str, Any] = record.meta
    words = re.findall(r"[a-z0-9]+", record.instruction.lower())[:5]
    return SeedTask(
        f"seed_task_{number}",
        str(meta.get("name") or "_".join(words) or "task") + ("" if meta.get("name") else f"_{number}"),
        record.instruction,
        (Instance(record.input, record.output),),
        meta.get("is_classification") is True,
        meta.get("category"),
        meta.get("language"),
    )
