"""Every format comes in as the same records, from every container, with every mistake listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synth.errors import InputError, UsageError
from synth.records import Lineage, OtherAnswer, Record
from synth.sources import read_records, read_source

QUESTION, ANSWER = "Which river is it,\n\"broad\" or 'long'?", "The Ebro; =1+1"
TALK = [("user", "Hi?"), ("assistant", "Yes."), ("user", QUESTION), ("assistant", ANSWER)]
SHAPES: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": QUESTION, "input": "", "output": ANSWER},
    "dolly": {"instruction": QUESTION, "context": "", "response": ANSWER, "category": "open_qa"},
    "messages": {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]},
    "sharegpt": {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}]},
    "prompt_completion": {"prompt": QUESTION, "completion": ANSWER},
    "self_instruct": {
        "id": "s1",
        "name": "n",
        "instruction": QUESTION,
        "instances": [{"input": "", "output": ANSWER}],
        "is_classification": False,
    },
    "records": Record(
        QUESTION, "", ANSWER, lineage=Lineage("evolve", ("p",), "deepen", 2), meta={"score": 1}
    ).to_dict(),
}


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def mistakes_of(path: Path, **options: Any) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        read_records(path, **options)
    return caught.value.mistakes


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("container", ["jsonl", "json", "parquet"])
def test_every_format_is_recognised_in_every_container(name: str, container: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{container}"
    rows = [SHAPES[name]] * 2
    if container == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif container == "json":
        path.write_text(json.dumps(rows, indent=2))
    else:
        jsonl(path, *rows)
    for format in (None, name):
        records = read_records(path, format)
        assert [(record.instruction, record.input, record.output) for record in records] == [(QUESTION, "", ANSWER)] * 2
        assert not any(record.system or record.history for record in records)


def test_an_alpaca_row_that_says_it_has_no_input_has_none_and_the_change_is_told(tmp_path: Path) -> None:
    given = ["No input.", "<noinput>", "There is no input port on this board."]
    rows = [{"instruction": f"{QUESTION} {n}", "input": one, "output": ANSWER} for n, one in enumerate(given)]
    source = read_source(jsonl(tmp_path / "rows.jsonl", *rows))
    assert [record.input for record in source.records] == ["", "", given[2]]
    assert ["there is none" in note and "(rows: 2)" in note for note in source.notes] == [True]


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_tables_are_read_by_their_column_names(suffix: str, separator: str, tmp_path: Path) -> None:
    path = tmp_path / f"table.{suffix}"
    rows = [{"Frage": QUESTION, "Text": "NA", "Antwort": ANSWER}, {"Frage": "Q2", "Text": "", "Antwort": "007"}]
    pd.DataFrame(rows).to_csv(path, index=False, sep=separator, encoding="utf-8-sig")
    records = read_records(path, columns={"instruction": "Frage", "input": "Text", "output": "Antwort"})
    assert [(r.instruction, r.input, r.output) for r in records] == [(QUESTION, "NA", ANSWER), ("Q2", "", "007")]
    assert "has the fields Frage, Text, Antwort" in mistakes_of(path)[0]
    assert "`Nowhere` is missing" in mistakes_of(path, columns={"instruction": "Nowhere", "output": "Antwort"})[0]


def test_a_csv_with_the_usual_names_needs_no_mapping_and_names_the_line_of_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('instruction,input,output\n"two\nlines",,yes\nempty,,\n\nlast,x,y\n')
    assert [mistake.split(": ")[0] for mistake in mistakes_of(path)] == [f"{path}:4"]
    assert len(read_records(path, require_output=False)) == 3
    assert len(read_records(path, "csv", require_output=False)) == 3


def test_a_longer_conversation_keeps_all_its_turns(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, *({"role": role, "content": text} for role, text in TALK)]
    sharegpt = [{"from": {"user": "human", "assistant": "gpt"}[role], "value": text} for role, text in TALK]
    one = read_records(jsonl(tmp_path / "a.jsonl", {"messages": messages}))[0]
    other = read_records(jsonl(tmp_path / "b.jsonl", {"conversations": sharegpt, "system": "Be brief."}))[0]
    assert one == other and one.messages() == messages and (one.instruction, one.output) == (QUESTION, ANSWER)


def test_an_unanswered_conversation_has_no_answer_and_keeps_its_id(tmp_path: Path) -> None:
    turns = [{"role": role, "content": text} for role, text in TALK]
    asked = jsonl(tmp_path / "asked.jsonl", {"messages": turns[:-1]})
    answered = read_records(jsonl(tmp_path / "answered.jsonl", {"messages": turns}))[0]
    assert "ends with the user" in mistakes_of(asked)[0]
    record = read_records(asked, require_output=False)[0]
    assert record.output == "" and record.id == answered.id


def test_content_in_parts_is_joined_and_images_are_refused(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    image = [{"type": "image_url", "image_url": {"url": "x"}}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "c"}]
    assert read_records(jsonl(tmp_path / "a.jsonl", {"messages": turns}))[0].instruction == "a\nb"
    turns[0]["content"] = image
    assert "images and calls are not read" in mistakes_of(jsonl(tmp_path / "b.jsonl", {"messages": turns}))[0]


@pytest.mark.parametrize(
    "turns",
    [[], None, "x", [{"role": "tool", "content": "x"}], [{"role": "assistant", "content": "x"}], [3],
     [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], [{"role": "user", "content": None}],
     [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}]],
)  # fmt: skip
def test_a_conversation_out_of_order_is_one_mistake(turns: Any, tmp_path: Path) -> None:
    assert len(mistakes_of(jsonl(tmp_path / "a.jsonl", {"messages": turns}))) == 1


def test_each_instance_of_a_seed_becomes_a_record_with_the_seed_as_parent(tmp_path: Path) -> None:
    pairs = [{"input": "1", "output": "a"}, {"input": "2", "output": "b"}]
    task = SHAPES["self_instruct"] | {"instances": pairs, "category": "plan"}
    records = read_records(jsonl(tmp_path / "a.jsonl", task))
    assert [(record.input, record.output) for record in records] == [("1", "a"), ("2", "b")]
    assert records[0].lineage == Lineage("seed", ("s1",)) and records[0].meta["category"] == "plan"


def test_our_own_records_come_back_equal(tmp_path: Path) -> None:
    line = Lineage("evolve", ("x",), "o", 3, "m", "p@1", ("k",))
    others = (OtherAnswer("d", "model", 0.5), OtherAnswer("e"))
    record = Record("a", "b", "c", "Be brief.", (("Hi", "Hello"),), others, line, {"score": 0.5})
    assert read_records(jsonl(tmp_path / "a.jsonl", record.to_dict())) == [record]
    broken = record.to_dict() | {"lineage": {"origin": "nowhere"}}
    assert "`lineage`" in mistakes_of(jsonl(tmp_path / "b.jsonl", broken))[0]


def test_a_json_array_names_the_line_of_each_mistake_and_stops_at_the_broken_place(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    good = json.dumps(SHAPES["alpaca"])
    path.write_text(f'[\n{good},\n{{"instruction": ""}},\n7,\n{good}\n]\n')
    assert [mistake.split(": ")[0] for mistake in mistakes_of(path)] == [f"{path}:4", f"{path}:3", f"{path}:3"]
    for end in ("", ",]", "] x", f" {good}]", "}"):
        path.write_text(f"[{good}{end}")
        assert len(mistakes_of(path)) == 1
    path.write_text("[]")
    assert "has no rows" in mistakes_of(path)[0]


def test_unreadable_tables_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "a.csv").write_bytes(b'instruction,output\n"open,1\n')
    (tmp_path / "b.csv").write_bytes("instruction,output\né,1\n".encode("latin-1"))
    (tmp_path / "c.csv").write_bytes(b"instruction,output\n")
    for name in ("a.parquet", "a.csv", "b.csv", "c.csv"):
        assert len(mistakes_of(tmp_path / name)) == 1


def test_unknown_formats_and_columns_are_usage_errors(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", SHAPES["alpaca"])
    with pytest.raises(UsageError, match="no format"):
        read_records(path, "yaml")
    with pytest.raises(UsageError, match="columns"):
        read_records(path, columns={"question": "instruction"})
