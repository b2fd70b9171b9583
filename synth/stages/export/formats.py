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


def question(record: Record) -> str:
    """What the user says last: the instruction, with the input below it."""
    return f"{record.instruction}\n\n{record.input}" if record.input else record.instruction


def earlier_turns(record: Record) -> list[dict[str, str]]:
    """The turns before the last question, in chat form; empty for a single exchange."""
    return [_turn(m["role"], m["content"]) for m in record.messages[:-2]] if record.messages else []


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def alpaca(record: Record) -> Row:
    """Alpaca's three keys; `history` (pairs) and `system` as LLaMA-Factory reads them, where a record has them."""
    row: Row = {"instruction": record.instruction, "input": record.input, "output": record.output}
    turns = earlier_turns(record)
    talk = [turn["content"] for turn in turns if turn["role"] != "system"]
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    row |= {"history": [list(pair) for pair in zip(talk[::2], talk[1::2], strict=False)]} if talk else {}
    return row | ({"system": system[0]} if system else {})


def messages(record: Record) -> Row:
    """OpenAI's chat form, which TRL reads as well."""
    turns = [*earlier_turns(record), _turn("user", question(record)), _turn("assistant", record.output)]
    return {"messages": turns}


def prompt_completion(record: Record) -> Row:
    """TRL's standard form. The prompt ends with an empty line, since trainers join the two texts as they are."""
    said = "".join(f"{turn['role'].capitalize()}: {turn['content']}\n\n" for turn in earlier_turns(record))
    return {"prompt": f"{said}{question(record)}\n\n", "completion": record.output}


def sharegpt(record: Record) -> Row:
    """ShareGPT's turns; LLaMA-Factory finds them through the dataset_info.json beside the file."""
    turns = messages(record)["messages"]
    return {"conversations": [{"from": SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]}


def table(record: Record) -> Row:
    """The columns of a table; `history` holds the earlier turns in chat form."""
    row = {"instruction": record.instruction, "input": record.input, "output": record.output}
    return row | {"history": earlier_turns(record)}


def csv(record: Record) -> Row:
    """Three columns of text; earlier turns do not fit into a cell and are left to the other formats."""
    return {"instruction": record.instruction, "input": record.input, "output": record.output}


def preference(record: Record) -> Row | None:
    """TRL's preference form, where a task was answered anew and differently; else None.

    The newer answer stands as `chosen`. Nobody compared the two: the card says so.
    """
    earlier = record.meta.get("previous_output")
    if not isinstance(earlier, str) or not earlier.strip() or earlier.strip() == record.output.strip():
        return None
    return {"prompt": question(record), "chosen": record.output, "rejected": earlier}


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
