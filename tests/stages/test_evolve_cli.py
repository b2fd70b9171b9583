"""`synth evolve` at the terminal: files, run folders, one more generation, tuning, and mistakes listed at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synth.cli.app import app

TASKS = (
    ("Is the number even or odd?", "1234"),
    ("Round the number to the nearest ten.", "1234"),
    ("How many words are in the review?", "The soup was bland. We had a rude waiter."),
    ("Express the distance in metres.", "3.5 km"),
)


def synth(*arguments: str | Path) -> tuple[int, str, str]:
    words = [str(one) for one in arguments]
    names_one = "--from" not in words or "--teacher" in words or "--base-url" in words
    result = CliRunner().invoke(app, words if names_one else [*words, "--teacher", "embedded"])
    return result.exit_code, result.stdout, result.stderr


def table(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return table(tmp_path / "tasks.jsonl", *({"instruction": text, "input": given} for text, given in TASKS))


def kept(stdout: str) -> int:
    return int(json.loads(stdout)["stages"]["evolve"]["kept"])


def test_tasks_without_answers_are_evolved_and_a_generation_is_added_without_paying_for_the_first(
    tasks: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    code, first, words = synth("evolve", "--from", tasks, "--rounds", "1", "--run", folder, "--json")
    assert code == 0 and kept(first) > len(TASKS), words
    code, again, _ = synth("evolve", "--run", folder, "--rounds", "1", "--json")
    assert code == 0 and json.loads(again)["requests"] == 0 and kept(again) == kept(first)
    code, more, words = synth("evolve", "--run", folder, "--rounds", "+1", "--json")
    assert code == 0 and kept(more) > kept(first) and "recipe changed" in words
    code, ended, words = synth("run", folder / "recipe.yaml", "--run", folder, "--json")
    assert code == 0 and kept(ended) == kept(more) and json.loads(ended)["requests"] == 0, words


def test_lineage_prints_the_operator_and_the_text_of_each_step(tasks: Path, tmp_path: Path) -> None:
    from synth.engine.ledger import LedgerReader

    folder = tmp_path / "run"
    assert synth("evolve", "--from", tasks, "--rounds", "2", "--run", folder)[0] == 0
    reader = LedgerReader(folder)
    last = max(reader.records("evolve"), key=lambda record: record.lineage.generation)
    first = next(record for record in reader.records("evolve") if record.id in last.lineage.parents)
    reader.close()
    code, printed, _ = synth("lineage", folder, last.id)
    assert code == 0 and printed.index(first.instruction) < printed.index(last.instruction)
    assert f"generation {last.lineage.generation}, {last.lineage.operator}" in printed


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"instruction": "ok then"}, {"instruction": "  "}], ["jsonl:2: `instruction` is empty"]),
        ([{"instruction": "w " * 50_000}, {"instruction": ""}], ["jsonl:1: has a text of 50,000 words", "jsonl:2"]),
        (
            [{"instruction": "one"}, {"messages": [{"role": "user", "content": "hi"}]}],
            ["jsonl:2: `instruction` is missing"],
        ),
    ],
    ids=["empty", "huge", "mixed"],
)  # fmt: skip
def test_mistakes_of_the_file_and_of_the_flags_are_listed_at_once(tmp_path: Path, rows: Any, said: list[str]) -> None:
    path = table(tmp_path / "bad.jsonl", *rows)
    folder = tmp_path / "run"
    code, _, words = synth(
        "evolve", "--from", path, "--run", folder, "--strict", "--rounds", "0", "--operators", "nonsense"
    )
    assert code == 2 and not folder.exists()
    assert all(one in words for one in ["--rounds: it must be", "unknown set of operators 'nonsense'", *said]), words


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--operators", "nonsense=1,deepen=1"], "there is no operator 'nonsense'; choose one of: add_constraint"),
        (["--operators", "deepen=0,breadth=0"], "sum to more than zero"),
        (["--operators", "deepen=nan"], "finite"),
        (["--rounds", "0"], "--rounds: it must be"),
        (["--rounds", "many"], "--rounds: it must be"),
        (["--method-path", "nowhere.txt"], "evolve.method_path"),
    ],
)
def test_flags_that_make_no_sense_exit_with_2_and_make_no_folder(
    tasks: Path, tmp_path: Path, flags: list[str], said: str
) -> None:
    code, _, words = synth("evolve", "--from", tasks, "--run", tmp_path / "run", *flags)
    assert code == 2 and said in words and not (tmp_path / "run").exists(), words


@pytest.mark.parametrize("flags", [["--rounds", "+x"], ["--rounds", "0"], ["--teacher", "embedded"], ["--seed", "3"]])
def test_a_run_folder_keeps_its_models_and_takes_a_number_of_rounds(
    tasks: Path, tmp_path: Path, flags: list[str]
) -> None:
    folder = tmp_path / "run"
    assert synth("evolve", "--from", tasks, "--rounds", "1", "--run", folder)[0] == 0
    assert synth("evolve", "--run", folder, *flags)[0] == 2


def test_a_missing_run_folder_is_named() -> None:
    assert synth("evolve")[0] == synth("evolve", "--run", "nowhere", "--rounds", "+1")[0] == 2


def test_a_tuned_method_is_written_and_used_by_the_next_run(tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.txt"
    flags = ("--num-held-out", "2", "--num-sample", "2", "--json")
    code, printed, words = synth("evolve", "tune", "--from", tasks, "--run", tmp_path / "t", "--out", out, *flags)
    found = json.loads(printed)
    assert code == 0 and out.read_text().strip() == found["method"], words
    assert found["history"][0]["kept"] and found["history"][-1]["step"] > 0
    assert found["failure_rate"] == min(row["failure_rate"] for row in found["history"])
    code, printed, words = synth(
        "evolve", "--from", tasks, "--rounds", "1", "--run", tmp_path / "run", "--method-path", out, "--json"
    )
    assert code == 0 and kept(printed) > len(TASKS), words
    assert f"method_path: {out}" in (tmp_path / "run" / "recipe.yaml").read_text()


def test_tuning_on_a_bad_file_writes_nothing(tmp_path: Path) -> None:
    path, out = table(tmp_path / "bad.jsonl", {"instruction": ""}), tmp_path / "tuned.txt"
    code, _, words = synth("evolve", "tune", "--from", path, "--run", tmp_path / "t", "--out", out, "--steps", "0")
    assert code == 2 and "--steps: it must be" in words and "jsonl:1" in words and not out.exists(), words


def test_a_conversation_is_evolved_like_a_single_exchange(tmp_path: Path) -> None:
    (question, given), said = TASKS[1], {"role": "assistant", "content": "43"}
    asked = {"role": "user", "content": f"{question}\n\n{given}"}
    talk = [{"role": "user", "content": "Add 1 and 2."}, {"role": "assistant", "content": "3"}, asked, said]
    path = table(tmp_path / "talks.jsonl", {"messages": talk}, {"messages": [asked, said]})
    code, printed, words = synth("evolve", "--from", path, "--rounds", "1", "--run", tmp_path / "run", "--json")
    found = json.loads(printed)["stages"]["evolve"]
    assert code == 0, words
    assert found["kept"] + sum(found["rejected"].values()) == 4


def written(folder: Path, name: str) -> Path:
    """The tasks as a file of a format."""
    from synth.records import Record

    rows = [{"instruction": text, "input": given, "output": "x"} for text, given in TASKS]
    said = [(f"{text}\n\n{given}", "x") for text, given in TASKS]
    path = folder / {"alpaca": "a.json", "sharegpt": "s.json", "parquet": "p.parquet"}.get(name, f"{name}.jsonl")
    if name == "alpaca":
        path.write_text(json.dumps(rows))
    elif name == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name == "sharegpt":
        turns = [[{"from": "human", "value": asked}, {"from": "gpt", "value": answer}] for asked, answer in said]
        path.write_text(json.dumps([{"conversations": one} for one in turns]))
    elif name == "messages":
        turns = [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in said]
        table(path, *({"messages": one} for one in turns))
    else:
        table(path, *(Record(text, given, "x").to_dict() for text, given in TASKS))
    return path


@pytest.mark.parametrize("name", ["alpaca", "messages", "sharegpt", "parquet", "records"])
def test_a_file_of_any_format_is_evolved_and_its_tasks_come_first(name: str, tmp_path: Path) -> None:
    from synth.engine.ledger import LedgerReader

    folder = tmp_path / "run"
    code, _, words = synth("evolve", "--from", written(tmp_path, name), "--rounds", "2", "--run", folder, "--json")
    assert code == 0, words
    reader = LedgerReader(folder)
    results = list(reader.records("evolve"))
    reader.close()
    given = [one for one in results if not one.lineage.generation]
    made = [one for one in results if one.lineage.generation]
    assert [one.instruction.partition("\n")[0] for one in given] == [text for text, _ in TASKS]
    assert len(made) >= 4 and all(one.output and one.lineage.parents for one in made)
    apart = name not in ("messages", "sharegpt")
    assert all(bool(one.input) is apart for one in made)
