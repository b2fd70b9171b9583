"""One bad row costs itself and no other: it is skipped, counted and told with its line; `strict` refuses the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import InputError
from synth.sources import read_records, read_source
from synth.stages.seeds import import_seed_tasks

GOOD = [{"instruction": f"Name river {n}.", "input": "", "output": f"River {n}"} for n in range(3)]
BAD: dict[str, tuple[Any, str]] = {
    "an empty instruction": ({"instruction": " ", "output": "x"}, "`instruction` is empty"),
    "a null instruction": ({"instruction": None, "output": "x"}, "`instruction` is missing"),
    "NaN": ({"instruction": float("nan"), "output": "x"}, "`instruction` is missing"),
    "a number": ({"instruction": "Add 1 and 2.", "output": 3}, "`output` is not a text"),
    "a list": ({"instruction": ["Add"], "output": "3"}, "`instruction` is not a text"),
    "an empty output": ({"instruction": "Add.", "output": ""}, "`output` is empty"),
    "thoughts alone": ({"instruction": "Add.", "output": "<think>hm"}, "nothing but a reasoning model's thoughts"),
    "no object": (7, "is not a JSON object"),
}


def put(path: Path, rows: list[Any]) -> Path:
    text = json.dumps(rows, indent=1) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_bad_row_is_skipped_with_its_line_and_reason(name: str, suffix: str, tmp_path: Path) -> None:
    bad, why = BAD[name]
    path = put(tmp_path / f"a.{suffix}", [GOOD[0], bad, *GOOD[1:]])
    source = read_source(path)
    assert [record.output for record in source.records] == [row["output"] for row in GOOD]
    assert source.num_skipped == 1 and why in source.skipped[0]
    assert source.skipped[0].startswith(f"{path}:{2 if suffix == 'jsonl' else 7}:")
    assert source.told(path)[0] == f"{path}: 1 row that cannot be used was skipped:"
    with pytest.raises(InputError, match="has 1 mistake"):
        read_source(path, strict=True)


def test_nan_in_a_column_that_is_not_read_costs_nothing(tmp_path: Path) -> None:
    rows = [{"instruction": "a", "input": float("nan"), "output": "b", "score": float("nan")}]
    source = read_source(put(tmp_path / "a.jsonl", rows))
    assert [(r.instruction, r.input, r.output) for r in source.records] == [("a", "", "b")] and not source.skipped


def test_a_file_without_one_good_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 2 mistakes"):
        read_source(put(tmp_path / "a.jsonl", [{"instruction": ""}, {"instruction": 1}]), require_output=False)


def test_a_broken_json_array_is_refused_since_rows_after_the_break_would_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f"[{json.dumps(GOOD[0])},\n{{broken]\n")
    with pytest.raises(InputError) as caught:
        read_source(path)
    assert caught.value.mistakes[0].startswith(f"{path}:2:")


def test_columns_that_are_not_read_are_named_once(tmp_path: Path) -> None:
    rows = [row | {"source": "web", "score": 1, "empty": None} for row in GOOD]
    assert read_source(put(tmp_path / "a.jsonl", rows)).notes == ("columns that were not read: source (3), score (3)",)


def test_thoughts_are_cut_from_every_answer_and_noted(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "output": "<think>1+2</think>3", "history": [["Hi", "Let me see</think>Ho"]]}
    source = read_source(put(tmp_path / "a.jsonl", [row]))
    assert source.records[0].output == "3" and source.records[0].history == (("Hi", "Ho"),)
    assert source.notes == ("thoughts of a reasoning model were cut out of the answers (rows: 1)",)


def test_an_import_skips_bad_rows_too(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [*GOOD, {"instruction": "no answer"}])
    found = import_seed_tasks(path)
    assert len(found.tasks) == 3 and len(found.skipped) == 1
    with pytest.raises(InputError):
        import_seed_tasks(path, strict=True)


# --- conversations ---------------------------------------------------------------------------------------------------

USER, BOT = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}


def chat(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(turns)}


def test_a_greeting_of_the_assistant_is_left_out_and_noted(tmp_path: Path) -> None:
    turns = [{"from": "gpt", "value": "Welcome!"}, {"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."}]
    source = read_source(put(tmp_path / "a.json", [{"conversations": turns, "system": "Be kind."}]))
    assert [(r.system, r.history, r.instruction, r.output) for r in source.records] == [("Be kind.", (), "Hi?", "Yes.")]
    assert source.notes == ("a greeting of the assistant before the first question was left out (rows: 1)",)


@pytest.mark.parametrize(
    "turn",
    [{"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "x"}}]},
     {"role": "assistant", "content": "I call it.", "tool_calls": [{"id": "1"}]},
     {"role": "assistant", "content": None, "function_call": {"name": "f"}},
     {"role": "tool", "content": "4"}],
)  # fmt: skip
def test_images_and_calls_refuse_their_row_alone(turn: dict[str, Any], tmp_path: Path) -> None:
    bad = chat(turn, BOT) if turn["role"] == "user" else chat(USER, turn)
    source = read_source(put(tmp_path / "a.jsonl", [chat(USER, BOT), bad, chat(USER, BOT)]))
    assert len(source.records) == 2 and source.num_skipped == 1 and "not read" in source.skipped[0]


def test_system_and_history_of_an_alpaca_row_are_read(tmp_path: Path) -> None:
    row = GOOD[0] | {"system": "Be brief.", "history": [["a", "b"], ["c", "d"]]}
    record = read_records(put(tmp_path / "a.json", [row]))[0]
    assert (record.system, record.history) == ("Be brief.", (("a", "b"), ("c", "d")))


def test_a_transcript_in_a_prompt_is_a_conversation(tmp_path: Path) -> None:
    prompt = "System: Be brief.\n\nUser: Hi?\n\nAssistant: Yes.\n\nHuman: Which river?\n\nAssistant:"
    record = read_records(put(tmp_path / "a.jsonl", [{"prompt": prompt, "completion": "The Ebro."}]))[0]
    assert (record.system, record.history) == ("Be brief.", (("Hi?", "Yes."),))
    assert (record.instruction, record.output) == ("Which river?", "The Ebro.")
    plain = {"prompt": "User: what does this label mean?\n\nSay it.", "completion": "x"}
    assert read_records(put(tmp_path / "b.jsonl", [plain]))[0].instruction == plain["prompt"]


def test_the_system_text_of_an_orca_transcript_stays_where_its_own_column_is_empty(tmp_path: Path) -> None:
    asked = "System: Be brief.\n\nUser: Hi?\n\nAssistant: Yes.\n\nUser: Which river?\n\nAssistant:"
    rows = [{"system_prompt": own, "question": asked, "response": "The Ebro."} for own in ("", "Be long.")]
    assert [record.system for record in read_records(put(tmp_path / "a.jsonl", rows))] == ["Be brief.", "Be long."]


def test_a_category_of_alpacas_rows_is_kept(tmp_path: Path) -> None:
    rows = [{"instruction": "Add 1 and 2.", "output": "3", "category": given} for given in ("sums", 7, " ")]
    assert [record.meta for record in read_records(put(tmp_path / "a.json", rows))] == [{"category": "sums"}, {}, {}]


def test_an_empty_answer_within_a_talk_is_a_mistake(tmp_path: Path) -> None:
    turns = [("user", "Hi?"), ("assistant", " "), ("user", "Which river?"), ("assistant", "The Ebro.")]
    rows = [{"messages": [{"role": role, "content": text} for role, text in turns]}]
    rows += [{"instruction": "Which river?", "input": "", "output": "The Ebro.", "history": [["Hi?", ""]]}]
    for row, key in zip(rows, ("messages", "history"), strict=True):
        with pytest.raises(InputError) as caught:
            read_records(put(tmp_path / f"{key}.jsonl", [row]))
        assert f"an answer within `{key}` is empty" in str(caught.value)


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cells"),
    [("Name the capital of Peru, please.,Lima", 3), ("Name it,Lima,", 3), ("Name it", 1), ("a,b,c,d,e", 5)],
)
def test_a_row_with_other_cells_than_the_header_is_refused_and_moves_nothing(
    line: str, cells: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'instruction,output\n"two\nlines, quoted",yes\n{line}\nlast,no\n')
    source = read_source(path)
    assert [(r.instruction, r.output) for r in source.records] == [("two\nlines, quoted", "yes"), ("last", "no")]
    assert source.skipped[0].startswith(f"{path}:4: has {cells} cells where the header has 2")


def test_two_columns_of_one_name_refuse_the_table_and_a_column_of_numbers_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("instruction,output,output\na,b,c\n")
    with pytest.raises(InputError) as caught:
        read_source(path)
    assert "two columns of the name `output` (line 1)" in caught.value.mistakes[0]
    path.write_text(",instruction,output\n0,a,b\n1,c,d\n")
    assert [r.output for r in read_records(path)] == ["b", "d"]


def test_only_our_own_formula_guard_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"instruction","input","output"\n"\'=1+1","","\'\'-x"\n')
    source = read_source(path)
    assert (source.records[0].instruction, source.records[0].output) == ("=1+1", "'-x")
    assert source.notes == ("the apostrophe that guards a formula was taken off (rows: 1)",)
    path.write_text("instruction,input,output\n'+' is what?,,a sign\n")
    assert read_records(path)[0].instruction == "'+' is what?"
