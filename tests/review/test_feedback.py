"""What people said counts: in the next selection, in preference pairs, in seeds, and in Argilla and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import synth
from made_run import make_run

from synth.engine.ledger import LedgerReader
from synth.errors import InputError
from synth.pipeline import final_records
from synth.records import Record, Rejection
from synth.review.argilla import export_rows, import_rows, user_id
from synth.stages.seeds import read_seed_tasks
from synth.verdicts import Verdict, add_verdicts, current, read_verdicts, row_key


def told(*args: str | Path) -> dict[str, Any]:
    done = synth(*args, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def export(run: Path, *more: str) -> dict[str, Any]:
    small = ("--set", "bootstrap.num_tasks=24", "--set", "bootstrap.window=8", "--set", "evolve.rounds=1")
    formats = ("--set", "export.formats=[alpaca,preference]", "--set", "hold_out.num_inputs=0")
    return told("run", "examples/quickstart.yaml", "--run", run, "--until", "export", *small, *formats, *more)


def select_results(run: Path) -> list[Record | Rejection]:
    ledger = LedgerReader(run)
    try:
        return list(ledger.results("select"))
    finally:
        ledger.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs") / "made"
    export(made)
    return made


def judged(run: Path) -> tuple[list[Record], Path]:
    """The final records, after people judged the first four: accepted, rejected, edited in the answer and in the task."""
    first = final_records(run)
    texts = {"instruction": first[2].instruction, "input": first[2].input, "output": "A better answer, by a person."}
    said = [
        Verdict(row_key(first[0]), "anna", "accept"),
        Verdict(row_key(first[1]), "anna", "reject", "wrong answer"),
        Verdict(row_key(first[2]), "anna", "edit", edited=texts),
        Verdict(row_key(first[3]), "anna", "accept"),
        Verdict(row_key(first[3]), "ben", "accept"),
    ]
    path = run / "verdicts.jsonl"
    path.unlink(missing_ok=True)
    add_verdicts(path, said)
    return first, path


def test_a_selection_applies_verdicts_in_order_at_no_request_and_always_alike(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    first, path = judged(copy)
    done = export(copy, "--set", f"select.review_path={path}")
    assert done["requests"] == 0 and done["stages"]["select"]["rejected"]["review: wrong_answer"] == 1
    after = final_records(copy)
    wanted = [record.id for record in first if record.id != first[1].id]
    assert [record.id for record in after] == wanted
    assert after[1].output == "A better answer, by a person." and after[1].meta["review"] == "edited"
    [pair] = [json.loads(line) for line in (copy / "export" / "preference.jsonl").read_text().splitlines()]
    assert (pair["chosen"], pair["rejected"]) == (after[1].output, first[2].output)
    bytes_before = (copy / "export" / "alpaca.json").read_bytes()
    again = tmp_path / "again"
    shutil.copytree(run, again)
    export(again, "--set", f"select.review_path={path}", "--set", "teacher.concurrency=1")
    assert (again / "export" / "alpaca.json").read_bytes() == bytes_before
    add_verdicts(path, [Verdict(row_key(first[1]), "anna", "undo")])
    assert export(copy, "--set", f"select.review_path={path}")["requests"] == 0
    assert [record.id for record in final_records(copy)] == [record.id for record in first]


def test_a_missing_file_of_verdicts_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    wrong = ("--set", "select.review_path=nowhere.jsonl", "--set", "bootstrap.num_tasks=4")
    done = synth("run", "examples/quickstart.yaml", "--run", tmp_path / "run", "--until", "select", *wrong)
    assert done.returncode == 2 and "select.review_path" in done.stderr
    assert not list((tmp_path / "run").glob("ledger.sqlite")) or not LedgerReader(tmp_path / "run").request_totals()


def test_accepted_rows_become_seeds_with_their_edits(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    first, _ = judged(copy)
    out = tmp_path / "seeds.jsonl"
    wanted: dict[str, list[str]] = {}
    for number, output in ((0, first[0].output), (2, "A better answer, by a person."), (3, first[3].output)):
        wanted.setdefault(first[number].instruction, []).append(output)
    assert told("seeds", "from-run", copy, "--out", out)["tasks"] == len(wanted)
    tasks = read_seed_tasks(out)
    assert {task.instruction: [one.output for one in task.instances] for task in tasks} == wanted


def test_rows_and_verdicts_go_to_argillas_form_and_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    final = make_run(folder, roots=30, files=False)
    mine = Verdict(row_key(final[0]), "anna", "reject", "wrong answer", answers={"valid_task": False})
    add_verdicts(folder / "verdicts.jsonl", [mine])
    out = tmp_path / "rows.json"
    assert told("review", folder, "--to-argilla", out)["rows"] == len(select_results(folder))
    rows = json.loads(out.read_text())
    assert set(rows[0]) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
    first = next(row for row in rows if row["id"] == row_key(final[0]))
    assert first["fields"] == {name: getattr(final[0], name) for name in ("instruction", "input", "output")}
    assert first["responses"]["verdict"] == [{"value": "reject", "user_id": user_id("anna")}]
    rejected = {row_key(one.record) for one in select_results(folder) if isinstance(one, Rejection)}
    assert {row["id"] for row in rows if row["suggestions"]["verdict"]["value"] == "reject"} == rejected
    team = {"verdict": [{"value": "accept", "user_id": "u1"}], "output": [{"value": "better", "user_id": "u1"}]}
    next(row for row in rows if row["id"] == row_key(final[1]))["responses"] = team
    out.write_text(json.dumps(rows))
    assert told("review", folder, "--from-argilla", out)["verdicts"] == 1
    assert import_rows(folder, out) == 0
    said = current(read_verdicts(folder / "verdicts.jsonl"))
    assert said[row_key(final[0])] == {"anna": mine}
    assert said[row_key(final[1])]["u1"].edited == {
        "instruction": final[1].instruction, "input": final[1].input, "output": "better"
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '[{"id": "x"}]', "[" * 100_000, '[{"id": "x", "fields": {}, "responses": {"verdict": [1]}}]'],
)
def test_a_file_in_another_form_is_told_and_adds_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(InputError):
        import_rows(tmp_path, tmp_path / "rows.json")
    assert not (tmp_path / "verdicts.jsonl").exists()


def test_an_unanswered_run_gives_an_empty_file(tmp_path: Path) -> None:
    make_run(tmp_path, roots=0, files=False)
    assert export_rows(tmp_path, tmp_path / "rows.json") == 0
    assert json.loads((tmp_path / "rows.json").read_text()) == []
