"""Rows in the usual shapes of instruction data → records: how data of other people comes in.

Shapes: `self_instruct`, `alpaca`, `dolly`, `messages` (OpenAI), `sharegpt`, `prompt_completion` (TRL), `records` (our
own) and `columns` (any table, with the names of its columns given). A file holds one shape, recognised from the keys of
its first row. Nothing is judged here: whether a task is good is for the checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from synth.errors import InputError, UsageError
from synth.records import Lineage, Origin, Record, split_messages
from synth.stages.rows import Container, Row, read_rows

ROLES = {
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip


@dataclass(slots=True)
class Fields:
    """The fields of one row, read with their mistakes: each mistake is noted once and a stand-in is handed back."""

    row: Row
    mistakes: list[str]
    num_bad: int = field(default=0)

    def bad(self, what: str) -> None:
        """Notes a mistake of this row; `what` says what is wrong and what to do."""
        self.num_bad += 1
        self.mistakes.append(f"{self.row.where}: {what}")

    def text(self, key: str, *, may_be_empty: bool = False) -> str:
        """The text under `key`; one that may be empty may also be null or missing."""
        value = self.row.value.get(key)
        if value is None and may_be_empty:
            return ""
        if value is None:
            self.bad(f"`{key}` is missing; add it as a text")
        elif not isinstance(value, str):
            self.bad(f"`{key}` is not a text; write it in quotation marks")
        elif not value.strip() and not may_be_empty:
            self.bad(f"`{key}` is empty; fill it or remove the row")
        else:
            return value
        return ""


Columns = Mapping[str, str]


def _task(fields: Fields, columns: Columns, require_output: bool, meta: dict[str, Any] | None = None) -> list[Record]:
    """A record of three texts; `columns` names the keys of instruction, input and output."""
    instruction = fields.text(columns["instruction"])
    input_text = fields.text(columns["input"], may_be_empty=True) if "input" in columns else ""
    output = fields.text(columns["output"], may_be_empty=not require_output) if "output" in columns else ""
    if require_output and "output" not in columns:
        fields.bad("no column is named for the output; add output=COLUMN")
    return [Record(instruction, input_text, output, meta=meta or {})]


def _alpaca(fields: Fields, require_output: bool) -> list[Record]:
    """Alpaca's three keys, with `system` and `history` as LLaMA-Factory (pairs) or our tables (messages) have them."""
    found = _task(fields, {"instruction": "instruction", "input": "input", "output": "output"}, require_output)
    system, history = fields.text("system", may_be_empty=True), fields.row.value.get("history")
    if not history and not system:
        return found
    before = _history(fields, history or [])
    return [replace(record, system=system or before[0], history=before[1]) for record in found]


def _history(fields: Fields, given: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    """(system text, pairs) of a `history` of pairs or of messages."""
    turns: list[Any] = []
    for one in given if isinstance(given, list) else [given]:
        pair = list(one) if isinstance(one, list | tuple) and len(one) == 2 else None
        turns += [_message("user", pair[0]), _message("assistant", pair[1])] if pair else [one]
    messages = [message for number, turn in enumerate(turns, 1) if (message := _turn(fields, number, turn))]
    try:
        system, history = split_messages(messages)
    except ValueError as error:
        fields.bad(f"`history`: {error}")
        return "", ()
    return system, tuple(history)


def _dolly(fields: Fields, require_output: bool) -> list[Record]:
    columns = {"instruction": "instruction", "input": "context", "output": "response"}
    category = fields.text("category", may_be_empty=True)
    meta = {"category": category, "is_classification": category == "classification"} if category else {}
    return _task(fields, columns, require_output, meta)


def _prompt_completion(fields: Fields, require_output: bool) -> list[Record]:
    prompt, completion = fields.row.value.get("prompt"), fields.row.value.get("completion")
    if isinstance(prompt, list):
        return _conversation(fields, prompt + (completion if isinstance(completion, list) else []), require_output)
    return _task(fields, {"instruction": "prompt", "output": "completion"}, require_output)


def _messages(fields: Fields, require_output: bool) -> list[Record]:
    return _conversation(fields, fields.row.value.get("messages"), require_output)


def _sharegpt(fields: Fields, require_output: bool) -> list[Record]:
    turns = fields.row.value.get("conversations")
    if isinstance(turns, list):
        named = {"from": "role", "value": "content"}
        turns = [{named.get(k, k): v for k, v in turn.items()} if isinstance(turn, dict) else turn for turn in turns]
        system = fields.row.value.get("system")
        turns = ([{"role": "system", "content": system}] if isinstance(system, str) and system else []) + turns
    return _conversation(fields, turns, require_output, key="conversations")


def _conversation(fields: Fields, turns: Any, require_output: bool, key: str = "messages") -> list[Record]:
    """One record: its instruction is the last question, its output the answer to it, if there is one."""
    if not isinstance(turns, list) or not turns:
        fields.bad(f"`{key}` must be a list of turns, not empty")
        return []
    messages = [message for number, turn in enumerate(turns, 1) if (message := _turn(fields, number, turn))]
    if len(messages) < len(turns):
        return []
    output = messages.pop()["content"] if messages[-1]["role"] == "assistant" else None
    try:
        system, history = split_messages(messages[:-1])
    except ValueError:
        messages = []
    if not messages or messages[-1]["role"] != "user":
        fields.bad(
            f"the turns of `{key}` must go [system,] user, assistant, user, assistant; reorder or remove the row"
        )
        return []
    if require_output and output is None:
        fields.bad(f"`{key}` ends with the user; add the answer or remove the last turn")
    elif require_output and not (output or "").strip():
        fields.bad("the last answer is empty; fill it or remove the row")
    return [Record(messages[-1]["content"], "", output or "", system, tuple(history))]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _turn(fields: Fields, number: int, turn: Any) -> dict[str, str] | None:
    """One turn in our form; content given in parts is joined when all parts are text."""
    role = ROLES.get(str(turn.get("role")).lower()) if isinstance(turn, dict) else None
    if role is None:
        fields.bad(f"turn {number} must be an object with a role of user, assistant or system; tools are not read")
        return None
    content = turn.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        texts = [part for part in parts if isinstance(part, str)]
        content = "\n".join(texts) if len(texts) == len(content) else None
    if not isinstance(content, str) or (role == "user" and not content.strip()):
        fields.bad(f"turn {number} ({role}) must have a text in `content`; images and calls are not read")
        return None
    return _message(role, content)


def _self_instruct(fields: Fields, require_output: bool) -> list[Record]:
    """One record for each instance; the seed's id is its parent."""
    instruction = fields.text("instruction")
    instances = read_instances(fields, require_output)
    keys = ("name", "category", "language", "is_classification", "check")
    meta = {key: fields.row.value[key] for key in keys if fields.row.value.get(key) is not None}
    seed_id = fields.row.value.get("id")
    lineage = Lineage("seed", (seed_id,) if isinstance(seed_id, str) else ())
    return [Record(instruction, one, answer, lineage=lineage, meta=dict(meta)) for one, answer in instances]


def read_instances(fields: Fields, require_output: bool = True) -> list[tuple[str, str]]:
    """(input, output) of each instance of a Self-Instruct row."""
    instances = fields.row.value.get("instances")
    if not isinstance(instances, list) or not instances:
        fields.bad('`instances` must be a list with at least one {"input": "...", "output": "..."}')
        return []
    pairs = []
    for number, instance in enumerate(instances, 1):
        where = f"{fields.row.where}: instance {number}"
        if not isinstance(instance, dict):
            fields.bad(f'instance {number} is not an object; write {{"input": "...", "output": "..."}}')
            continue
        inner = Fields(Row(where, instance), fields.mistakes)
        if not isinstance(instance.get("input"), str):
            inner.bad('`input` is missing or not a text; write "" where the instruction stands alone')
        pairs.append((inner.text("input", may_be_empty=True) if inner.num_bad == 0 else "",
                      inner.text("output", may_be_empty=not require_output)))  # fmt: skip
        fields.num_bad += inner.num_bad
    return pairs


def _records(fields: Fields, require_output: bool) -> list[Record]:
    """Our own records. The stored id is not read: it is the hash of the content."""
    fields.text("instruction")
    fields.text("input", may_be_empty=True)
    fields.text("output", may_be_empty=not require_output)
    row = {"input": "", "output": "", "meta": {}} | fields.row.value
    try:
        record = Record.from_dict(row)
        is_sound = record.lineage.origin in get_args(Origin) and isinstance(record.meta, dict)
        is_sound = is_sound and isinstance(record.lineage.generation, int)
        is_sound = is_sound and all(isinstance(m["content"], str) for m in record.earlier())
    except (TypeError, KeyError, ValueError, AttributeError):
        is_sound = False
    if not is_sound:
        fields.bad("`lineage`, `meta`, `system`, `history` or `others` is not as synth writes it; export the row anew")
        return []
    return [record]


Reader = Callable[[Fields, bool], list[Record]]

# name -> (keys that a row of this shape has, its reader); the first whose keys are all there is taken.
FORMATS: dict[str, tuple[tuple[str, ...], Reader]] = {
    "records": (("lineage", "instruction"), _records),
    "self_instruct": (("instances",), _self_instruct),
    "messages": (("messages",), _messages),
    "sharegpt": (("conversations",), _sharegpt),
    "dolly": (("instruction", "response"), _dolly),
    "alpaca": (("instruction",), _alpaca),
    "prompt_completion": (("prompt", "completion"), _prompt_completion),
}
TABLES: tuple[Container, ...] = ("csv", "parquet")  # also accepted as formats: tables in one of the shapes above


def read_records(
    path: str | Path,
    format: str | None = None,
    *,
    columns: Columns | None = None,
    require_output: bool = True,
) -> list[Record]:
    """The records of a file in any of FORMATS or TABLES, in order; recognised from the content when not given.

    `columns` maps instruction, input and output to the file's own column names and replaces recognition. Without
    `require_output` a row may have no answer yet. Raises InputError with every mistake of the file, UsageError for a
    format or column key that does not exist. Equal tasks are all handed back: what is a duplicate is for the checks.
    """
    mistakes: list[str] = []
    rows = open_rows(path, mistakes, format, columns)
    reader = _reader(path, rows, format, columns)
    records = []
    for row in rows:
        fields = Fields(row, mistakes)
        found = reader(fields, require_output)
        records.extend(found if not fields.num_bad else [])
    if mistakes:
        raise InputError(f"{path} has {len(mistakes)} mistakes:", mistakes, "Correct them; nothing was written.")
    return records


def open_rows(path: str | Path, mistakes: list[str], format: str | None, columns: Columns | None = None) -> list[Row]:
    """The rows of a file once `format` and `columns` are known to exist."""
    known = (*FORMATS, *TABLES)
    if format is not None and format not in known:
        raise UsageError(f"there is no format {format!r}", f"Choose one of: {', '.join(known)}.")
    if columns is not None and (not set(columns) <= {"instruction", "input", "output"} or "instruction" not in columns):
        raise UsageError("columns are named as instruction=NAME, input=NAME, output=NAME", "Name at least instruction.")
    container = next((table for table in TABLES if table == format), None)
    return read_rows(path, mistakes, container)


def recognise(row: Mapping[str, Any]) -> str | None:
    """The shape (a key of FORMATS) whose keys `row` has; None where it is none of them."""
    return next((name for name, (keys, _) in FORMATS.items() if all(key in row for key in keys)), None)


def _reader(path: str | Path, rows: list[Row], format: str | None, columns: Columns | None) -> Reader:
    if columns is not None:
        return lambda fields, require_output: _task(fields, columns, require_output)
    if format in FORMATS:
        return FORMATS[format][1]
    if not rows:
        return lambda fields, require_output: []  # every row was broken, and is listed
    name = next((found for row in rows[:20] if (found := recognise(row.value))), None)
    if name is None:
        keys = ", ".join(re.sub(r"\s+", " ", str(key))[:40] for key in list(rows[0].value)[:10])
        raise InputError(
            f"{path} is in no format known here:",
            [f"{rows[0].where}: has the fields {keys}; give the format, or name the columns (instruction=NAME ...)"],
        )
    return FORMATS[name][1]
