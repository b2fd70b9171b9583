"""The stage that tells labelled data as instructions: every row counted, every fault with its place."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scripted import Scripted, collect

from synth.errors import InputError
from synth.pipeline import run
from synth.recipe import build_recipe
from synth.records import Record, Rejection
from synth.sources.annotated import AnnotatedSource, annotated
from synth.sources.templates import Template, TemplateFile, read_templates, templates_text
from synth.stages.annotate import AnnotateSettings, annotate
from synth.stages.export import ExportSettings

ROWS = [{"review": f"Visit {n} was {'lovely' if n % 2 else 'dreadful'}.", "stars": n % 2} for n in range(40)]
SENTIMENT: dict[str, Any] = {
    "kind": "sentiment",
    "columns": {"text": "review", "label": "stars"},
    "options": ("negative", "positive"),
}


def written(folder: Path, rows: list[Any], name: str = "rows.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder / name


def records_of(path: Path, seed: int = 0, **settings: Any) -> list[Record]:
    found = list(annotated("reviews", AnnotatedSource(path=path, **settings), seed))
    assert all(isinstance(one, Record) for one in found), found
    return [one for one in found if isinstance(one, Record)]


def test_the_three_modes_differ_in_the_prompt_alone(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    modes = {mode: records_of(path, **SENTIMENT, mode=mode, turned=False) for mode in ("none", "name", "instruction")}
    outputs = [[one.output for one in records] for records in modes.values()]
    assert outputs[0] == outputs[1] == outputs[2] == [("negative", "positive")[n % 2] for n in range(40)]
    assert modes["none"][3].instruction == "Visit 3 was lovely."
    assert modes["name"][3].instruction == "[sentiment: reviews]\n\nVisit 3 was lovely."
    told = modes["instruction"][3]
    assert "Visit 3 was lovely." in told.instruction and told.instruction.endswith("Options:\n- negative\n- positive")
    assert told.meta["check"] == {"kind": "label", "answer": "positive", "labels": ["negative", "positive"]}
    assert (told.meta["task"], told.meta["source"], told.meta["row"]) == ("sentiment", "reviews", "rows.jsonl:4")


def test_wordings_are_drawn_from_the_seed_and_some_turn_the_task_round(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    first, again, other = (records_of(path, seed, **SENTIMENT) for seed in (1, 1, 2))
    assert first == again != other
    turned = [one for one in first if one.meta.get("is_turned")]
    assert 0 < len(turned) < 40 and len({one.meta["template"] for one in first}) >= 8
    assert all(one.output.startswith("Visit") and "check" not in one.meta for one in turned)


@pytest.mark.parametrize("container", ["csv", "parquet", "json", "disk"])
def test_rows_come_from_every_container(container: str, tmp_path: Path) -> None:
    path, frame = tmp_path / f"rows.{container}", pd.DataFrame(ROWS)
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container == "parquet":
        frame.to_parquet(path)
    elif container == "json":
        path.write_text(json.dumps(ROWS), "utf-8")
    else:
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_list(ROWS).save_to_disk(str(path))
    assert [one.output for one in records_of(path, **SENTIMENT, turned=False)] == ["negative", "positive"] * 20


def test_several_prompts_a_row_are_different_ones(tmp_path: Path) -> None:
    found = records_of(written(tmp_path, ROWS), **SENTIMENT, prompts_per_row=4)
    drawn = Counter((one.meta["row"], one.meta["template"]) for one in found)
    assert len(found) == 160 and set(drawn.values()) == {1}


def test_worked_steps_come_before_a_final_answer(tmp_path: Path) -> None:
    rows = [{"question": "3 boxes of 4 pens: how many?", "answer": 12, "why": "3 times 4 is 12."}]
    settings: dict[str, Any] = {"kind": "question", "columns": {"rationale": "why"}, "turned": False}
    (found,) = records_of(written(tmp_path, rows), **settings)
    assert found.output == "3 times 4 is 12.\nThe answer is 12."
    assert (found.meta["rationale"], found.meta["final"]) == ("3 times 4 is 12.", "12")


TEMPLATES = TemplateFile(
    "tones",
    (
        Template("1", "ask", "Kind or rude? {{text}} ||| {{answer_choices[label]}}", "rude ||| kind", "", {"metrics": ["Accuracy"]}),
        Template("2", "only", "{% if label == 1 %}{{text}} ||| kind{% endif %}", None),
    ),
)  # fmt: skip
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a missing field": ({"label": 1}, "missing_variable"),
    "a null": ({"text": None, "label": 1}, "missing_variable"),
    "a label beyond the options": ({"text": "x", "label": 9}, "not_an_option"),
    "a label that is no option": ({"text": "x", "label": "mild"}, "not_an_option"),
    "a huge field": ({"text": "x" * 2_000_000, "label": 1}, "too_long"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_row_at_fault_is_rejected_with_its_place_by_flan_and_by_t0(name: str, tmp_path: Path) -> None:
    row, reason = FAULTS[name]
    path = written(tmp_path, [{"text": "a", "label": 1}, row, {"text": "b", "label": 0}])
    (tmp_path / "t.yaml").write_text(templates_text(TEMPLATES), "utf-8")
    for settings in ({"kind": "sentiment", "options": ("rude", "kind"), "turned": False},
                     {"templates_path": tmp_path / "t.yaml", "prompts_per_row": 2}):  # fmt: skip
        found = list(annotated("tones", AnnotatedSource(path=path, **settings), 0))
        refused = [one for one in found if isinstance(one, Rejection) and f"{path}:2, template" in one.detail]
        assert [one.reason for one in refused if one.reason != "not_applicable"][:1] == [reason]
        assert {one.meta["row"] for one in found if isinstance(one, Record)} == {"rows.jsonl:1", "rows.jsonl:3"}


def test_a_condition_that_leaves_a_row_out_is_no_record(tmp_path: Path) -> None:
    path = written(tmp_path, [{"text": "a", "label": 0}])
    (tmp_path / "t.yaml").write_text(templates_text(TEMPLATES), "utf-8")
    source = AnnotatedSource(path=path, templates_path=tmp_path / "t.yaml", prompts_per_row=2)
    found = {one.reason if isinstance(one, Rejection) else one.output for one in annotated("tones", source, 0)}
    assert found == {"rude", "not_applicable"}


def test_a_template_with_a_mistake_stops_before_any_row(tmp_path: Path) -> None:
    broken = TemplateFile("x", (Template("7", "odd", "{% if %} ||| x"),))
    (tmp_path / "t.yaml").write_text(templates_text(broken), "utf-8")
    source = AnnotatedSource(path=written(tmp_path, ROWS), templates_path=tmp_path / "t.yaml")
    with pytest.raises(InputError, match="template odd"):
        list(annotated("x", source, 0))


def test_rows_that_cannot_be_read_and_repeated_ones_are_counted_too(tmp_path: Path) -> None:
    path = written(tmp_path, [*ROWS[:2], ROWS[0]])
    path.write_text(path.read_text("utf-8") + "{broken\n", "utf-8")
    settings = AnnotateSettings(sources={"r": AnnotatedSource(path=path, mode="none", **SENTIMENT)})
    results = collect(tmp_path / "run", Scripted(lambda _: ""), lambda engine: annotate(engine, [], settings))
    flat = [one for batch in results for one in batch]
    reasons = Counter(one.reason for one in flat if isinstance(one, Rejection))
    assert len(flat) == 4 and reasons == {"unreadable": 1, "repeated": 1}
    assert any(f"{path}:4" in one.detail for one in flat if isinstance(one, Rejection))


@pytest.mark.parametrize("container", ["jsonl", "json", "csv", "parquet"])
def test_a_field_of_many_megabytes_costs_its_row_and_no_other(container: str, tmp_path: Path) -> None:
    rows = [ROWS[0], {"review": "x" * 12_000_000, "stars": 1}, ROWS[1]]
    path, frame = tmp_path / f"rows.{container}", pd.DataFrame(rows)
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container == "parquet":
        frame.to_parquet(path)
    elif container == "json":
        path.write_text(json.dumps(rows), "utf-8")
    else:
        written(tmp_path, rows)
    found = list(annotated("r", AnnotatedSource(path=path, **SENTIMENT, turned=False), 0))
    assert [one.output for one in found if isinstance(one, Record)] == ["negative", "positive"]
    (refused,) = [one for one in found if isinstance(one, Rejection)]
    assert refused.reason in ("unreadable", "too_long") and str(path) in refused.detail


REAL = Path(__file__).parents[3] / "shared/data/annotated"
REAL_ROWS: dict[str, dict[str, Any]] = {
    "ag_news": {"text": "Stocks fell on Monday.", "label": 2},
    "imdb": {"text": "A fine film.", "label": 1},
    "samsum": {"dialogue": "A: Coming?\nB: Soon.", "summary": "B will come soon."},
    "super_glue_rte": {"premise": "It rains.", "hypothesis": "It is wet.", "label": 0},
}


@pytest.mark.skipif(not REAL.is_dir(), reason="SKIPPED: no real templates beside this checkout")
@pytest.mark.parametrize("name", REAL_ROWS)
def test_every_real_template_tells_a_row_of_its_dataset(name: str, tmp_path: Path) -> None:
    templates = REAL / f"promptsource_{name}.yaml"
    path = written(tmp_path, [REAL_ROWS[name]])
    found = records_of(path, templates_path=templates, prompts_per_row=100)
    assert len(found) == len(read_templates(templates).templates)
    assert all(one.instruction and one.output and "{{" not in one.instruction for one in found)
    assert {one.meta["language"] for one in found} == {"en"}


def test_a_run_in_two_steps_gives_the_bytes_of_a_run_in_one(tmp_path: Path) -> None:
    source = {
        "path": str(written(tmp_path, ROWS)),
        **SENTIMENT,
        "options": ["negative", "positive"],
        "prompts_per_row": 2,
    }
    mixing = {"by": "task", "num_records": 30, "order": "length"}
    recipe = build_recipe({"annotate": {"sources": {"r": source}}, "mix": mixing, "respond": None})
    made = recipe.model_copy(update={"export": ExportSettings(formats=["alpaca"])})
    selected = run(made, tmp_path / "one").progress.stages["select"]
    assert selected.kept == 80 and not selected.rejected  # turned rows share prompts
    run(made, tmp_path / "two", until="annotate")
    run(made, tmp_path / "two")
    first, second = ((tmp_path / name / "export" / "alpaca.json").read_bytes() for name in ("one", "two"))
    assert first == second and len(json.loads(first)) == 30
