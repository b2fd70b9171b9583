"""The export formats: pure functions from a record to the row of a file. They open nothing and leave nothing out.

A user's question is the instruction, and the input below it where there is one. Earlier turns of a conversation go
where the format has a place for them: `history` in Alpaca's form, turns in the chat forms, a transcript in a prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synth.records import Record

Row = dict[str, Any]
SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}


def alpaca(record: Record) -> Row:
    """Alpaca's three keys; `history` (pairs) and `system` as LLaMA-Factory reads them, where a record has them."""
    row: Row = {"instruction": record.instruction, "input": record.input, "output": record.output}
    row |= {"history": [list(pair) for pair in record.history]} if record.history else {}
    return row | ({"system": record.system} if record.system else {})


def messages(record: Record) -> Row:
    """OpenAI's chat form, which TRL reads as well."""
    return {"messages": record.messages()}


def prompt_completion(record: Record) -> Row:
    """TRL's standard form. The prompt ends with an empty line, since trainers join the two texts as they are."""
    return {"prompt": f"{_prompt(record)}\n\n", "completion": record.output}


def _prompt(record: Record) -> str:
    return f"{record.talk}\n\n{record.question}" if record.talk else record.question


def sharegpt(record: Record) -> Row:
    """ShareGPT's turns; LLaMA-Factory finds them through the dataset_info.json beside the file."""
    turns = messages(record)["messages"]
    return {"conversations": [{"from": SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]}


def table(record: Record) -> Row:
    """The columns of a table; `history` holds the earlier turns in chat form."""
    row = {"instruction": record.instruction, "input": record.input, "output": record.output}
    return row | {"history": record.earlier()}


def csv(record: Record) -> Row:
    """Three columns of text; earlier turns do not fit into a cell and are left to the other formats."""
    return {"instruction": record.instruction, "input": record.input, "output": record.output}


def preference(record: Record) -> Row | None:
    """TRL's preference form, where a record has another answer that differs; else None.

    The record's own answer is `chosen`, the last other one `rejected`. Nobody compared the two: the card says so.
    """
    others = [other.output for other in record.others if other.output.strip() not in ("", record.output.strip())]
    return {"prompt": _prompt(record), "chosen": record.output, "rejected": others[-1]} if others else None


TURNS = "turns"  # the type of a column of chat turns; the others are str, date, int and list[str]

# format -> its row function
FORMATS: dict[str, Callable[[Record], Row | None]] = {
    "alpaca": alpaca,
    "alpaca_jsonl": alpaca,
    "messages": messages,
    "prompt_completion": prompt_completion,
    "sharegpt": sharegpt,
    "parquet": table,
    "datasets": table,
    "preference": preference,
    "csv": csv,
}

# format -> (file without splits, file with splits); the ending says how rows are written
FILES: dict[str, tuple[str, str]] = {
    "alpaca": ("alpaca.json", "alpaca_{split}.json"),
    "alpaca_jsonl": ("alpaca.jsonl", "alpaca_{split}.jsonl"),
    "messages": ("messages.jsonl", "messages_{split}.jsonl"),
    "prompt_completion": ("prompt_completion.jsonl", "prompt_completion_{split}.jsonl"),
    "sharegpt": ("sharegpt.json", "sharegpt_{split}.json"),
    "parquet": ("records.parquet", "records_{split}.parquet"),
    "datasets": ("data/train-00000-of-00001.parquet", "data/{split}-00000-of-00001.parquet"),
    "preference": ("preference.jsonl", "preference_{split}.jsonl"),
    "csv": ("records.csv", "records_{split}.csv"),
}

# format -> its columns and their types
COLUMNS: dict[str, dict[str, str]] = {
    "alpaca": {"instruction": "str", "input": "str", "output": "str"},
    "alpaca_jsonl": {"instruction": "str", "input": "str", "output": "str"},
    "messages": {"messages": TURNS},
    "prompt_completion": {"prompt": "str", "completion": "str"},
    "sharegpt": {"conversations": TURNS},
    "parquet": {"instruction": "str", "input": "str", "output": "str", "history": TURNS},
    "datasets": {"instruction": "str", "input": "str", "output": "str", "history": TURNS},
    "preference": {"prompt": "str", "chosen": "str", "rejected": "str"},
    "csv": {"instruction": "str", "input": "str", "output": "str"},
}
