"""`synth select` and `synth dedup --semantic` as a user types them: graded once, then every question is free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_tasks import solved_tasks, with_wrong_answers
from typer.testing import CliRunner

from synth.cli.app import app
from synth.engine.ledger import LedgerReader


def synth(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def facts(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


TASKS = solved_tasks(6)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks of the embedded teacher, every other one with a wrong answer, and one record without any."""
    wrong = with_wrong_answers(TASKS)
    chosen = [(wrong[n] or task) if n % 2 else task for n, task in enumerate(TASKS)]
    rows = [{"instruction": r.instruction, "input": r.input, "output": r.output} for r in chosen]
    rows.append({"instruction": "Say what a comet is.", "input": "", "output": ""})
    path = tmp_path_factory.mktemp("data") / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def graded(tasks: Path) -> Path:
    folder = tasks.parent / "run"
    drawn = ("--set", "grade.num_draws=2")
    code, shown = synth(
        "select",
        str(tasks),
        "--grade",
        "--run",
        str(folder),
        "--teacher",
        "embedded",
        "--check",
        "empty_output",
        *drawn,
    )
    assert code == 0, shown
    return folder


def test_grading_a_file_needs_a_run_folder(tasks: Path) -> None:
    code, shown = synth("select", str(tasks), "--grade")
    assert code == 2 and "--run" in shown


def test_a_graded_run_answers_what_if_without_a_call(graded: Path) -> None:
    ledger = LedgerReader(graded)
    before = ledger.query("SELECT count(*) FROM requests")[0][0]
    ledger.close()
    assert before == 6 * 2
    found = facts("select", str(graded), "--what-if", "keep.min_grade.correctness=1,4")
    assert found["rows"] == 6 and found["refused"] == {"1": 0, "4": 3}
    assert facts("select", str(graded), "--what-if", "keep.top_k=2,5")["refused"] == {"2": 4, "5": 1}
    ledger = LedgerReader(graded)
    assert ledger.query("SELECT count(*) FROM requests")[0][0] == before
    ledger.close()


def test_explaining_shows_grades_reasons_and_samples_and_writes_the_kept(graded: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.jsonl"
    code, shown = synth("select", str(graded), "--min-grade", "4", "--explain", "--out", str(out))
    assert code == 0 and "3 of 7 rows pass" in shown and "below_min_grade 3" in shown and "empty_output 1" in shown
    assert "Grades of correctness, 6 rows" in shown and "at least 4 wanted" in shown
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["instruction"] for row in rows] == [TASKS[n].instruction for n in (0, 2, 4)]
    found = facts("select", str(graded), "--top-k", "2")
    assert found["kept"] == 2 and sum(found["grades"]["overall"].values()) == 6


def test_a_setting_that_does_not_exist_is_named(tasks: Path) -> None:
    code, shown = synth("select", str(tasks), "--set", "keep.topk=3")
    assert code == 2 and "topk" in shown
    code, shown = synth("select", str(tasks), "--check", "instruction_length: {max_word: 3}")
    assert code == 2 and "max_words" in shown


def test_dedup_compares_meanings_with_a_model_on_this_machine(tasks: Path, tmp_path: Path) -> None:
    pytest.importorskip("model2vec")
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", "red", "blue", "one", "two"]
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    rows = np.array([[1, 1, 1], [1, 0, 0.1], [1, 0, 0.2], [0, 1, 0.1], [0, 1, 0.2]], np.float32)
    StaticModel(rows, tokenizer).save_pretrained(tmp_path / "model")
    source, out = tmp_path / "rows.json", tmp_path / "out.jsonl"
    source.write_text(json.dumps([{"instruction": word, "input": "", "output": "x"} for word in words[1:]]), "utf-8")
    found = facts("dedup", str(source), "--out", str(out), "--semantic", str(tmp_path / "model"), "--threshold", "0.9")
    assert (found["kept"], found["removed"]) == (2, 2)
    pair = json.loads(Path(f"{out}.pairs.jsonl").read_text("utf-8").splitlines()[0])
    assert (pair["nearest"], pair["text"]) == ("red", "blue") and pair["score"] > 0.99
