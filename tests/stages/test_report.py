"""The report tells the truth: tables are recomputed from the export, sums checked, and foreign text stays text."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
import sqlite3
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from made_run import EVALUATION, make_run

from synth.engine.funnel import count_funnel, family_links, final_records
from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.metrics import rouge_l
from synth.records import Lineage, Record, Rejection
from synth.stages.evaluate.examine import ONE_TRAINING
from synth.stages.export import ExportSettings, export, run_facts
from synth.stages.report import ReportSettings, compare, report
from synth.stages.report.blocks import show
from synth.stages.report.recipe_text import shown_recipe
from synth.stages.report.student import verdict
from synth.verdicts import QUESTIONS, Verdict, add_verdicts, row_key


class Tables(HTMLParser):
    """Every table of a page: caption -> rows of cells, header first."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._where, self._caption, self._rows = "", "", [[""]]
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._where = tag
        if tag == "table":
            self._caption, self._rows = "", []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._where == "caption":
            self._caption += data
        if self._where in ("td", "th"):
            self._rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._where = ""
        if tag == "table":
            self.found[re.sub(r" \(\d+ rows\)$", "", self._caption)] = self._rows


def number(cell: str) -> float:
    return float(cell.replace(",", "").rstrip("%"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "made"
    make_run(folder, roots=90)
    return folder


@pytest.fixture(scope="module")
def rows(run: Path) -> list[dict[str, Any]]:
    """The run's export, read as any other program reads it."""
    ledger = LedgerReader(run)
    export(final_records(ledger), run / "export", ExportSettings(provenance=True), run_facts(run))
    ledger.close()
    return list(json.loads((run / "export" / "alpaca.json").read_text()))


@pytest.fixture(scope="module")
def tables(run: Path, rows: list[dict[str, Any]]) -> dict[str, list[list[str]]]:
    return Tables(report(run).read_text("utf-8")).found


def counted(table: list[list[str]]) -> dict[str, int]:
    return {row[0]: int(number(row[-1])) for row in table[1:]}


def test_origins_and_operators_are_those_of_the_export(
    tables: dict[str, list[list[str]]], rows: list[dict[str, Any]]
) -> None:
    assert counted(tables["Records by origin"]) == Counter(row["origin"] for row in rows)
    assert counted(tables["Records by operator or method"]) == Counter(row["operator"] for row in rows)


@pytest.mark.parametrize("name", ["instruction", "input", "output"])
def test_lengths_are_those_of_the_export(
    name: str, tables: dict[str, list[list[str]]], rows: list[dict[str, Any]]
) -> None:
    words = [len(row[name].split()) for row in rows if row[name]]
    for label, count in counted(tables[f"Words in the {name}"]).items():
        low, high = [int(part) for part in label.split("–")] if "–" in label else (int(label.rstrip("+")), math.inf)
        high = low if label.isdigit() else high
        assert sum(low <= one <= high for one in words) == count, label


def test_nearness_is_rouge_l_of_all_pairs(
    run: Path, tables: dict[str, list[list[str]]], rows: list[dict[str, Any]]
) -> None:
    seeds = [json.loads(line)["instruction"] for line in (run / "seeds.jsonl").read_text().splitlines()]
    texts = [row["instruction"] for row in rows]
    to_seeds = [max(rouge_l(text, seed) for seed in seeds) for text in texts]
    to_others = [max(rouge_l(t, o) for j, o in enumerate(texts) if j != i) for i, t in enumerate(texts)]
    for name, scores in (("seed", to_seeds), ("other record", to_others)):
        expected = Counter(min(int(score * 20 + 1e-6), 19) for score in scores)
        table = tables[f"ROUGE-L to the nearest {name}: records by score"]
        assert [int(row[2]) for row in table[1:]] == [expected[place] for place in range(20)]


def test_verbs_and_objects_are_counted_once_each(
    tables: dict[str, list[list[str]]], rows: list[dict[str, Any]]
) -> None:
    pairs = Counter((row["instruction"].split()[0].lower(), row["instruction"].split()[2]) for row in rows)
    for verb, noun, count in tables["Verb, object, instructions"][1:]:
        assert pairs[verb, noun] == int(count)


def test_the_funnel_adds_up_and_reaches_the_export(
    run: Path, tables: dict[str, list[list[str]]], rows: list[dict[str, Any]]
) -> None:
    stages = {row[0]: [int(number(cell)) for cell in row[1:]] for row in tables["Candidates by stage"][1:]}
    for received, joined, made, kept, rejected in stages.values():
        assert received + joined + made == kept + rejected
    assert stages["evolve"][0] == stages["bootstrap"][3]
    assert stages["select"][3] == len(rows)
    for stage, (*_, rejected) in stages.items():
        reasons = tables.get(f"Rejected in {stage}, by reason", [[]])
        assert sum(int(number(row[2])) for row in reasons[1:]) == rejected


def test_rates_of_evolution_and_requests_are_those_of_the_ledger(run: Path, tables: dict[str, list[list[str]]]) -> None:
    ledger = LedgerReader(run)
    children = [r for r in ledger.results("evolve") if (r if isinstance(r, Record) else r.record).lineage.generation]
    kept = Counter(r.lineage.operator for r in children if isinstance(r, Record))
    table = tables["Evolved tasks by operator"]
    assert {row[0]: int(row[2]) for row in table[1:]} == kept
    assert sum(int(number(row[1])) for row in table[1:]) == len(children)
    requests = tables["Requests by stage, role and outcome"]
    assert sum(int(number(row[3])) for row in requests[1:]) == ledger.query("SELECT count(*) FROM requests")[0][0]
    ledger.close()


def test_the_student_and_its_intervals_are_shown(tables: dict[str, list[list[str]]]) -> None:
    table = tables["correct, with 95 % intervals"]
    assert [(row[0], float(row[1])) for row in table[1:]] == [(s["student"], s["value"]) for s in EVALUATION["scores"]]
    (_, *differences) = tables["Differences item by item, with 95 % intervals"]
    assert [row[-1] for row in differences] == ["better", "better"]
    (_, _, seeds_only) = tables["Each arm against the one before, trained for equal steps and tokens"]
    assert seeds_only == ["seeds only", "175", "200", "81920", "+0.050", "-0.010", "+0.100", "no difference is visible"]


def test_a_missing_outcome_is_told_as_a_warning(tmp_path: Path) -> None:
    import sqlite3

    make_run(tmp_path / "run", roots=20, files=False)
    with sqlite3.connect(tmp_path / "run" / "ledger.sqlite") as db:
        db.execute("DELETE FROM outcomes WHERE stage='select' AND ordinal=2")
    ledger = LedgerReader(tmp_path / "run")
    assert count_funnel(ledger).problems
    ledger.close()
    assert "do not add up" in report(tmp_path / "run").read_text()


def test_an_ablation_leads_the_page_and_a_single_training_is_said_to_be_one() -> None:
    once = {"verdict": ["Of 9 tasks, student gets more.", ONE_TRAINING]}
    assert verdict(once, {}) == f"Of 9 tasks, student gets more. {ONE_TRAINING}"
    assert verdict(once, {"verdict": ["Of 9 tasks, + checks gets no more."]}) == "Of 9 tasks, + checks gets no more."


def test_a_bare_run_folder_makes_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    make_run(tmp_path / "run", roots=3, rounds=0, files=False)
    page = report(tmp_path / "run").read_text()
    for words in ("No task was evolved", "No student was trained", "nothing to compare with"):
        assert words in page
    with pytest.raises(UsageError):
        report(tmp_path / "nothing")


def test_what_looks_like_a_secret_in_a_recipe_is_not_shown(tmp_path: Path) -> None:
    make_run(tmp_path / "run", roots=3, rounds=0, files=False)
    (tmp_path / "run" / "recipe.yaml").write_text(
        "models:\n  teacher:\n    api_key_env: MY_KEY\n    extra_headers: {x-token: $GATE_TOKEN}\n    extra_body:\n"
        "      user_token: canary-1\n      nested:\n        apiKey: >-\n          canary-2\n          canary-3\n"
        "      trace: sk-canary4canary4canary4\n      top_k: 40\n      max_tokens: 512\n"
    )
    page = report(tmp_path / "run").read_text()
    assert "canary" not in page and "[hidden]" in page
    assert all(text in page for text in ("MY_KEY", "$GATE_TOKEN", "top_k: 40", "max_tokens: 512"))


def test_a_recipe_without_secrets_is_shown_as_it_is_written() -> None:
    text = "seed: 1  # a comment\nteacher: {model: m, tokenizer: a-long-name}\n"
    assert shown_recipe(text) == text and "sk-" not in shown_recipe("{ sk-canary4canary4canary4")


@pytest.mark.parametrize(
    "text", ["[1, 2]", '{"arms": "none"}', '{"arms": [{"value": NaN}, 7], "notes": 3}', "{", "\x00"]
)
def test_a_broken_evaluation_file_breaks_no_page(text: str, tmp_path: Path) -> None:
    make_run(tmp_path / "run", roots=3, rounds=0, files=False)
    (tmp_path / "run" / "evaluation.json").write_text(text)
    (tmp_path / "run" / "timings.json").write_text(text)
    assert "No student was trained" in report(tmp_path / "run").read_text()


def test_the_reference_teacher_is_called_by_its_name(tmp_path: Path) -> None:
    make_run(tmp_path / "run", roots=5, model="embedded")
    assert "reference bench" in report(tmp_path / "run").read_text()


def test_probes_that_were_sent_while_a_stage_worked_take_no_time_of_their_own(tmp_path: Path) -> None:
    make_run(tmp_path / "run", roots=3, rounds=0, files=False)
    (tmp_path / "run" / "timings.json").write_text('{"train": 3600, "probe": 7200}')
    page = report(tmp_path / "run").read_text()
    assert "in 1 h 0 min" in page and "probe" not in page


def test_comparing_a_run_with_itself_finds_no_difference(tmp_path: Path, run: Path) -> None:
    page = compare(run, run, tmp_path / "compare.html").read_text()
    assert page.count("No difference.") == 5 and not Tables(page).found
    assert "0 of them have another answer" in page and page.count("0 tasks are in ") == 2


def test_comparing_two_runs_shows_what_differs_and_nothing_else(tmp_path: Path, run: Path) -> None:
    shutil.copytree(run, tmp_path / "other")
    recipe = tmp_path / "other" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("num_tasks: 90", "num_tasks: 7"))
    with sqlite3.connect(tmp_path / "other" / "ledger.sqlite") as db:
        (text,) = db.execute("SELECT results FROM outcomes WHERE stage='select' AND ordinal=3").fetchone()
        ((kept,),) = [row.values() for row in json.loads(text)]
        rejection = Rejection(Record.from_dict(kept), "select", "refusal", "evades", "").to_dict()
        db.execute(
            "UPDATE outcomes SET results=? WHERE stage='select' AND ordinal=3", (json.dumps([{"rejected": rejection}]),)
        )
    page = compare(run, tmp_path / "other", tmp_path / "compare.html").read_text()
    tables = Tables(page).found
    assert tables["Settings that differ"][1:] == [["bootstrap.num_tasks", "90", "7", ""]]
    assert {tuple(row[:1] + row[3:]) for row in tables["Rows by stage that differ"][1:]} == {
        ("select: kept", "-1"), ("select: rejected", "+1")
    }  # fmt: skip
    assert tables["Rejections by reason that differ"][1:] == [["select, refusal: evades", "0", "1", "+1"]]
    assert "1 tasks are in made alone" in page and show(kept["instruction"]) in html.unescape(page)


def test_the_report_opens_with_three_lines_and_rows(run: Path) -> None:
    page = html.unescape(report(run).read_text())
    first, kept, rejected, rest = page.split("<h2 ")[1:5]
    ledger = LedgerReader(run)
    finals = {record.instruction for record in final_records(ledger)}
    ledger.close()
    assert len(re.findall(r'<p class="plain">', first)) == 3
    shown = re.findall(r"<b>instruction</b> (.*?)</p>", kept)
    assert len(shown) == 10 and set(shown) <= finals
    assert rejected.count("rejected it, ") == 10
    assert "The funnel" in rest


def test_the_funnel_ends_at_the_exported_number(tmp_path: Path) -> None:
    final = make_run(tmp_path, roots=30)
    (tmp_path / "export").mkdir()
    manifest = {"records": len(final) - 9, "left_out": {"too_long": 4}}
    (tmp_path / "export" / "manifest.json").write_text(json.dumps(manifest))
    page = report(tmp_path).read_text()
    rows = Tables(page).found["Candidates by stage"]
    assert [number(cell) for cell in rows[-1][1:]] == [len(final) - 5, 0, 0, len(final) - 9, 4]
    assert rows[-2][0] == "held out" and number(rows[-2][4]) == 5
    assert f"{len(final) - 9} rows are exported, 5 are held out" in page


def test_the_page_allows_nothing_but_its_own_style(run: Path) -> None:
    page = report(run).read_text("utf-8")
    assert "default-src 'none'; style-src 'sha256-" in page.replace("&#39;", "'")
    assert "<script" not in page and " style=" not in page and "http:" not in page and "https:" not in page


def test_vectors_of_the_user_give_the_vendi_score(tmp_path: Path, run: Path) -> None:
    import numpy as np

    np.save(tmp_path / "v.npy", np.eye(7))
    page = report(run, ReportSettings(embeddings_path=str(tmp_path / "v.npy"))).read_text()
    assert ["Vendi score", "7.0"] in [row[:2] for row in Tables(page).found["Diversity of the instructions"]]
    (tmp_path / "no.npy").write_text("no vectors")
    with pytest.raises(UsageError):
        report(run, ReportSettings(embeddings_path=str(tmp_path / "no.npy")))


def test_families_reach_from_a_task_to_all_that_was_evolved_from_it(tmp_path: Path) -> None:
    final = make_run(tmp_path / "run", roots=30)
    ledger = LedgerReader(tmp_path / "run")
    linked = {id for pair in family_links(ledger) for id in pair}
    ledger.close()
    assert {record.id for record in final if record.lineage.origin == "evolve"} <= linked


def test_records_with_foreign_notes_break_nothing(tmp_path: Path) -> None:
    meta = {
        "category": {"not": "text"},
        "language": 7,
        "grade": float("nan"),
        "score": True,
        "quality": {"a": 3, "b": []},
    }
    odd = Record("\ud800 odd", "", "out", lineage=Lineage("bootstrap", model="m\x00"), meta=meta)
    make_run(tmp_path / "run", roots=3, extra=[odd])
    assert "quality.a" in report(tmp_path / "run").read_text("utf-8")


def test_grades_of_all_graded_records_are_shown_with_means_by_source_and_a_warning(tmp_path: Path) -> None:
    from synth.pipeline import run as run_recipe
    from synth.recipe import build_recipe

    wanted = {"seed": 5, "bootstrap": {"num_tasks": 30}, "respond": {}, "export": None}
    wanted |= {"select": {"grade": {"complexity": True}, "keep": {"by": "deita", "top_k": 10}}}
    run_recipe(build_recipe(wanted), tmp_path / "run", until="report")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    found = Tables(page).found
    ledger = LedgerReader(tmp_path / "run")
    graded = list(ledger.records("grade"))
    ledger.close()
    table = found["Records by complexity"]
    assert table[0] == ["complexity", "kept", "rejected"]
    both = {float(row[0]): number(row[1]) + number(row[2]) for row in table[1:]}
    assert both == Counter(record.meta["complexity"] for record in graded)
    assert sum(number(row[1]) for row in table[1:]) == 10
    (row,) = found["Mean grades by source, with 95 % intervals"][1:]
    assert row[:2] == ["diverse", str(len(graded))] and "5.00 (5.00 to 5.00)" in row
    assert "hardly tells answers apart" in page


def test_precision_and_recall_of_checks_are_those_of_the_judged_rows(tmp_path: Path) -> None:
    make_run(tmp_path, roots=60)
    ledger = LedgerReader(tmp_path)
    results = list(ledger.results("select"))
    ledger.close()
    rejected = [one.record for one in results if isinstance(one, Rejection)]
    kept = [one for one in results if isinstance(one, Record)]
    bad, good = rejected[:4] + kept[:6], rejected[4:5] + kept[6:26]
    said = [Verdict(row_key(one), "anna", "reject" if one in bad else "accept") for one in bad + good]
    said += [Verdict(row_key(kept[0]), "ben", "reject"), Verdict(row_key(kept[6]), "ben", "accept")]
    add_verdicts(tmp_path / "verdicts.jsonl", said)
    page = report(tmp_path).read_text()
    row = next(row for row in Tables(page).found["Checks against people"] if row[0] == "refusal")
    assert row[:3] == ["refusal", "5", "80.0%"] and row[4] == "40.0%"
    assert "Krippendorff's alpha of the reviewers is 1.000" in html.unescape(page)
    found = Tables(page).found["Grades of rows that people accept and reject"]
    grades = next(row for row in found[1:] if row[0] == "grade")
    assert float(grades[1]) == round(sum(one.meta["grade"] for one in good) / len(good), 2)


def test_the_three_questions_stand_beside_the_published_rates(tmp_path: Path) -> None:
    final = make_run(tmp_path, roots=30)
    yes = dict.fromkeys(QUESTIONS, True)
    answers = [yes, yes, yes | {"output_right": False}]
    add_verdicts(
        tmp_path / "verdicts.jsonl",
        [Verdict(row_key(one), "anna", "accept", answers=said) for one, said in zip(final, answers, strict=False)],
    )
    rows = Tables(report(tmp_path).read_text()).found["Answers of people: share of yes, with 95 % intervals"]
    assert [row[1] for row in rows[1:]] == ["100.0%", "100.0%", "66.7%", "66.7%"]
    assert [row[5] for row in rows[1:]] == ["92%", "79%", "58%", "54%"]
