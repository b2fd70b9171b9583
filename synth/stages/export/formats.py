"""The export formats: pure functions from a record to the row of a file. They open nothing and leave nothing out.

A user's question is the instruction, and the input below it where there is one. Earlier turns of a conversation go
where the format has a place for them: `history` in Alpaca's form, turns in the chat forms, a transcript in a prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from synth.errors import UsageError
from synth.plugins import find
from synth.records import Record
from synth.sources.chat import prompt_text
from synth.stages.export.columns import COMPLETIONS, PAIRS, TALK, TURNS, Row
from synth.stages.export.pairs import (
    hh,
    implicit,
    kto,
    kto_others,
    margin_of,
    openai_preference,
    preference_messages,
    ultrafeedback,
)

SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}


def alpaca(record: Record) -> Row:
    """Alpaca's three keys, and `system` and `history` (pairs) as LLaMA-Factory reads them."""
    texts: Row = {"instruction": record.instruction, "input": record.input, "output": record.output}
    return texts | {"system": record.system, "history": [list(pair) for pair in record.history]}


def messages(record: Record) -> Row:
    """OpenAI's chat form, which TRL reads as well."""
    return {"messages": record.messages()}


def prompt_completion(record: Record) -> Row | None:
    """TRL's standard form; None for a record that a reader would take for another conversation."""
    prompt = prompt_text(record)
    return {"prompt": prompt, "completion": record.output} if prompt else None


def sharegpt(record: Record) -> Row:
    """ShareGPT's turns; LLaMA-Factory finds them through the dataset_info.json beside the file."""
    turns = messages(record)["messages"]
    return {"conversations": [{"from": SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]}


def orca(record: Record) -> Row | None:
    """OpenOrca's triples; earlier turns stand in the question as a transcript. None where that would be misread."""
    bare = replace(record, system="")
    question = prompt_text(bare)
    row: Row = {"id": record.id, "system_prompt": record.system, "question": (question or "").removesuffix("\n\n")}
    return row | {"response": record.output} if question else None


def chatml(record: Record) -> Row | None:
    """The conversation as one text in ChatML; None where a text of it holds the marks that divide the turns."""
    turns = record.messages()
    if any(mark in turn["content"] for turn in turns for mark in ("<|im_start|>", "<|im_end|>")):
        return None
    return {"text": "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)}


def table(record: Record) -> Row:
    """The columns of a table; `history` holds the earlier turns in chat form."""
    row = {"instruction": record.instruction, "input": record.input, "output": record.output}
    return row | {"system": record.system, "history": [turn for turn in record.earlier() if turn["role"] != "system"]}


def csv(record: Record) -> Row:
    """Three columns of text; earlier turns do not fit into a cell and are left to the other formats."""
    return {"instruction": record.instruction, "input": record.input, "output": record.output}


def dolly(record: Record) -> Row | None:
    """Dolly's four keys; None for a conversation, which they cannot hold."""
    if record.system or record.history:
        return None
    category = record.meta.get("category") or record.meta.get("requested_category") or ""
    return {"instruction": record.instruction, "context": record.input, "response": record.output,
            "category": str(category)}  # fmt: skip


def preference(record: Record) -> Row | None:
    """TRL's preference form, where a record has another answer that differs; else None.

    The record's own answer is `chosen`, the last other one `rejected`. One that a judge found as good makes no pair;
    where nobody compared the two, the card says so.
    """
    worse = record.worse()
    prompt = prompt_text(record)
    if not worse or not prompt:
        return None
    row: Row = {"prompt": prompt.removesuffix("\n\n"), "chosen": record.output, "rejected": worse[-1].output}
    return row | {"margin": margin_of(record)}


_TEXTS = {"instruction": "str", "input": "str", "output": "str"}
_ALPACA = _TEXTS | {"system": "str", "history": PAIRS}
_TABLE = _TEXTS | {"system": "str", "history": TURNS}


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A way to write records. `row`: a record's row, or None where it has none; `further`: rows that follow it.

    `file`: where the rows go; its ending (.json, .jsonl, .csv or .parquet) says how they are written. `split_file`: the
    same for each split, with `{split}` in it; None puts the split behind the name. `columns`: name → type. `optional`:
    columns that are left out of every row where no record fills them, so that all rows of a file have the same keys.
    """

    row: Callable[[Record], Row | None]
    file: str
    columns: dict[str, str]
    split_file: str | None = None
    optional: tuple[str, ...] = ()
    further: Callable[[Record], list[Row]] = lambda _record: []

    def rows(self, record: Record) -> list[Row]:
        """All rows of a record."""
        first = self.row(record)
        return [] if first is None else [first, *self.further(record)]

    def path(self, split: str | None) -> str:
        """Where the rows of a split, or of all records, go."""
        if split is None:
            return self.file
        stem, dot, ending = self.file.rpartition(".")
        return (self.split_file or f"{stem}_{{split}}{dot}{ending}").format(split=split)


_SHARDS = ("data/train-00000-of-00001.parquet", "data/{split}-00000-of-00001.parquet")
FORMATS: dict[str, ExportFormat] = {
    "alpaca": ExportFormat(alpaca, "alpaca.json", _ALPACA, optional=("system", "history")),
    "alpaca_jsonl": ExportFormat(alpaca, "alpaca.jsonl", _ALPACA, optional=("system", "history")),
    "messages": ExportFormat(messages, "messages.jsonl", {"messages": TURNS}),
    "prompt_completion": ExportFormat(
        prompt_completion, "prompt_completion.jsonl", {"prompt": "str", "completion": "str"}
    ),
    "sharegpt": ExportFormat(sharegpt, "sharegpt.json", {"conversations": TURNS}),
    "chatml": ExportFormat(chatml, "chatml.jsonl", {"text": "str"}),
    "orca": ExportFormat(
        orca, "orca.jsonl", {"id": "str", "system_prompt": "str", "question": "str", "response": "str"}
    ),
    "parquet": ExportFormat(table, "records.parquet", _TABLE),
    "datasets": ExportFormat(table, _SHARDS[0], _TABLE, _SHARDS[1]),
    "preference": ExportFormat(
        preference,
        "preference.jsonl",
        {"prompt": "str", "chosen": "str", "rejected": "str", "margin": "float"},
        optional=("margin",),
    ),
    "preference_messages": ExportFormat(
        preference_messages,
        "preference_messages.jsonl",
        {"prompt": TURNS, "chosen": TURNS, "rejected": TURNS, "margin": "float"},
        optional=("margin",),
    ),
    "preference_implicit": ExportFormat(implicit, "preference_implicit.jsonl", {"chosen": TURNS, "rejected": TURNS}),
    "hh": ExportFormat(hh, "hh.jsonl", {"chosen": "str", "rejected": "str"}),
    "openai_preference": ExportFormat(
        openai_preference,
        "openai_preference.jsonl",
        {"input": TALK, "preferred_output": TURNS, "non_preferred_output": TURNS},
    ),
    "kto": ExportFormat(kto, "kto.jsonl", {"prompt": TURNS, "completion": TURNS, "label": "bool"}, further=kto_others),
    "ultrafeedback": ExportFormat(
        ultrafeedback,
        "ultrafeedback.jsonl",
        {"source": "str", "instruction": "str", "models": "list[str]", "completions": COMPLETIONS},
    ),
    "dolly": ExportFormat(
        dolly, "dolly.jsonl", {"instruction": "str", "context": "str", "response": "str", "category": "str"}
    ),
    "csv": ExportFormat(csv, "records.csv", _TEXTS),
}


def find_format(name: str) -> ExportFormat:
    """The format of that name, or the one that `module:name` names. Raises UsageError where there is none."""
    found = find(FORMATS, name, "export format")
    if not isinstance(found, ExportFormat):
        raise UsageError(f"export format {name}: it is no synth.ExportFormat", "see examples/plugins/export_format.py")
    return found
