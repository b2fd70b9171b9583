"""Pairs of other people come in from every form, go out again equal, and bad rows are refused with a reason each."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.records import OtherAnswer, Record
from synth.sources import read_source
from synth.stages.export import ExportSettings, export
from synth.stages.export.formats import FORMATS

Q, GOOD, BAD = "Which river is it?", "The Ebro.", "No idea."
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": Q}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def rows(path: Path, *values: Any) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def pair(record: Record) -> tuple[Any, ...]:
    others = [(other.output, other.grade) for other in record.others]
    return record.system, record.history, record.question, record.output, others


ASKED = {"Q": ("", ()), "talk": ("", (("Hi", "Hello."),)), "system": ("Be brief.", ())}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "trl, texts": ("Q", {"prompt": Q, "chosen": GOOD, "rejected": BAD}),
    "trl, turns": ("talk", {"prompt": TALK, "chosen": said(GOOD), "rejected": said(BAD)}),
    "trl, transcript": ("talk", {"prompt": f"User: Hi\n\nAssistant: Hello.\n\nUser: {Q}\n\nAssistant:",
                                 "chosen": GOOD, "rejected": BAD}),
    "trl, implicit turns": ("talk", {"chosen": TALK + said(GOOD), "rejected": TALK + said(BAD)}),
    "trl, implicit texts": ("Q", {"chosen": f"{Q} {GOOD}", "rejected": f"{Q} {BAD}"}),
    "hh": ("talk", {"chosen": f"\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: {Q}\n\nAssistant: {GOOD}",
                    "rejected": f"\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: {Q}\n\nAssistant: {BAD}"}),
    "binarised": ("talk", {"prompt": Q, "chosen": TALK + said(GOOD), "rejected": TALK + said(BAD),
                           "score_chosen": 8.5, "score_rejected": 8}),
    "with a system text": ("system", {"system": "Be brief.", "question": Q, "chosen": GOOD, "rejected": BAD}),
    "openai": ("talk", {"input": {"messages": TALK, "tools": []}, "preferred_output": said(GOOD),
                        "non_preferred_output": said(BAD)}),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_form_gives_the_better_answer_with_the_worse_one_beside_it(shape: str, tmp_path: Path) -> None:
    kind, row = SHAPES[shape]
    (record,) = read_source(rows(tmp_path / "pairs.jsonl", row), strict=True).records
    assert pair(record) == (*ASKED[kind], Q, GOOD, [(BAD, 0.0)])


def test_ultrafeedback_comes_by_score_and_the_fine_grained_one_counts(tmp_path: Path) -> None:
    completions = [
        {"model": "a", "response": "bad", "overall_score": 10.0, "fine-grained_score": 1.5},
        {"model": "b", "response": "good", "overall_score": 8.0, "fine-grained_score": 4.5},
        {"model": "c", "response": "as good", "annotations": {"honesty": {"Rating": "5"}, "help": {"Rating": "4"}}},
        {"model": "d", "response": " ", "overall_score": 3},
    ]
    source = read_source(rows(tmp_path / "uf.jsonl", {"instruction": Q, "source": "x", "completions": completions}))
    (record,) = source.records
    assert pair(record) == ("", (), Q, "good", [("as good", 0.5), ("bad", 0.0)]) and record.lineage.model == "b"
    assert record.others[1].model == "a" and record.meta == {"prefer": {"by": "given", "margins": [0.0, 3.0]}}
    assert any("were left out" in note for note in source.notes)


def test_labels_of_one_prompt_are_joined(tmp_path: Path) -> None:
    labels: list[tuple[str, Any]] = [("bad one", False), ("good", "true"), ("also good", 1), ("worse", "False")]
    found = read_source(
        rows(tmp_path / "kto.jsonl", *({"prompt": Q, "completion": text, "label": label} for text, label in labels))
    )
    (record,) = found.records
    assert pair(record)[3:] == ("good", [("bad one", 0.0), ("also good", 0.5), ("worse", 0.0)])


@pytest.mark.parametrize("margin", [float("inf"), float("nan"), "2", None, True])
def test_a_margin_that_is_no_number_is_passed_over(margin: Any, tmp_path: Path) -> None:
    row = {"prompt": Q, "chosen": GOOD, "rejected": BAD, "margin": margin}
    (record,) = read_source(rows(tmp_path / "pairs.jsonl", row)).records
    noted = replace(record, meta={"prefer": {"margins": [margin]}})
    assert record.meta == {} and (FORMATS["preference"].row(noted) or {})["margin"] in (None, 1.0)


@pytest.mark.parametrize("choice", [0, 1])
def test_comparisons_of_summaries_follow_the_choice(choice: int, tmp_path: Path) -> None:
    row = {
        "info": {"id": "x", "post": "A long post."},
        "summaries": [{"text": " One"}, {"text": " Two"}],
        "choice": choice,
    }
    (record,) = read_source(rows(tmp_path / "tldr.jsonl", row), strict=True).records
    assert (record.output, record.others[0].output) == (("One", "Two") if choice == 0 else ("Two", "One"))
    assert "A long post." in record.question


HH = "\n\nHuman: {}\n\nAssistant: {}"
ALL_TIED = [{"response": text, "overall_score": 7} for text in ("a", "b")]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "identical": ({"prompt": Q, "chosen": GOOD, "rejected": f"{GOOD} "}, "the same text"),
    "empty": ({"prompt": Q, "chosen": GOOD, "rejected": ""}, "is empty"),
    "missing": ({"prompt": Q, "chosen": GOOD, "rejected": None}, "`rejected` must be"),
    "other prompts, hh": ({"chosen": HH.format("a", "x"), "rejected": HH.format("b", "y")}, "prompts of the better"),
    "other prompts, turns": ({"chosen": TALK + said(GOOD), "rejected": TALK[2:] + said(BAD)}, "prompts of the better"),
    "other prompt given": ({"prompt": "What?", "chosen": TALK + said(GOOD), "rejected": TALK + said(BAD)}, "is not what"),
    "no prompt": ({"chosen": "blue.", "rejected": "green."}, "no common beginning"),
    "half a transcript": ({"chosen": HH.format("a", "x"), "rejected": "y"}, "only one of"),
    "tied scores": ({"prompt": Q, "chosen": GOOD, "rejected": BAD, "score_chosen": 7, "score_rejected": 7}, "not above"),
    "no turns": ({"prompt": Q, "chosen": [], "rejected": said(BAD)}, "not empty"),
    "no object": ({"chosen": ["x"], "rejected": ["y"]}, "must be an object"),
    "no answer last": ({"chosen": TALK, "rejected": TALK}, "ends with the user"),
    "a prompt of another kind": ({"prompt": 7, "chosen": GOOD, "rejected": BAD}, "must be a text or a list"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_row_that_is_no_pair_is_refused_with_its_place_and_reason(name: str, tmp_path: Path) -> None:
    row, words = REFUSED[name]
    good = {"prompt": Q, "chosen": GOOD, "rejected": BAD}
    source = read_source(rows(tmp_path / "pairs.jsonl", good, row))
    assert len(source.records) == 1 and source.num_skipped == 1
    assert source.skipped[0].startswith(f"{tmp_path / 'pairs.jsonl'}:2: ") and words in source.skipped[0]


OTHER_FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "openai": ({"input": {"messages": TALK}, "preferred_output": said(GOOD), "non_preferred_output": []}, "lists of turns"),
    "openai, identical": (
        {"input": {"messages": TALK}, "preferred_output": said(GOOD), "non_preferred_output": said(GOOD)}, "the same text"
    ),
    "summaries": ({"info": {}, "summaries": [], "choice": 2}, "info.post"),
    "ultrafeedback, tied": ({"instruction": Q, "completions": ALL_TIED}, "the same score"),
    "ultrafeedback, one": ({"instruction": Q, "completions": ALL_TIED[:1] * 3}, "two or more different"),
    "ultrafeedback, none": ({"instruction": Q, "completions": "x"}, "two or more different"),
    "kto": ({"prompt": Q, "completion": GOOD, "label": "maybe"}, "true or false"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_rows_of_the_other_forms_are_refused_too(name: str, tmp_path: Path) -> None:
    from synth.errors import InputError

    row, words = OTHER_FORMS[name]
    with pytest.raises(InputError, match=words):
        read_source(rows(tmp_path / "pairs.jsonl", row))


def test_of_many_bad_rows_each_reason_is_told_with_its_count(tmp_path: Path) -> None:
    same = [{"prompt": f"{Q} {n}", "chosen": GOOD, "rejected": GOOD} for n in range(30)]
    tied = [{"prompt": Q, "chosen": GOOD, "rejected": BAD, "score_chosen": 1, "score_rejected": 2}] * 3
    source = read_source(rows(tmp_path / "p.jsonl", {"prompt": Q, "chosen": GOOD, "rejected": BAD}, *same, *tied))
    told = "\n".join(source.told("p.jsonl"))
    assert (
        "33 rows" in told and "30 × the better and the worse answer are the same text" in told and "3 × score_" in told
    )


# --- round trips -----------------------------------------------------------------------------------------------------

LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
TEXT = st.text(LETTERS, min_size=1, max_size=30).filter(str.strip) | st.sampled_from(
    ["\n\nHuman: hello\n\nAssistant:", "User: x", "漢字\u2028", "line\r\nline", " space ", "a: b", "=1+1"]
)
OTHERS = st.lists(st.builds(OtherAnswer, TEXT, st.none(), st.sampled_from([0.0, 0.5])), max_size=3).map(tuple)
RECORDS = st.lists(
    st.builds(
        Record,
        instruction=TEXT,
        input=st.just(""),
        output=TEXT,
        system=st.just("") | TEXT,
        history=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
        others=OTHERS,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda record: record.id,
)


def answers(record: Record) -> list[str]:
    return [record.output, *(other.output for other in record.others)]


def held(name: str, record: Record) -> tuple[Any, ...]:
    """What a format holds of a record: two answers, or all of them that differ."""
    system, history, question, output, _ = pair(record)
    if name not in ("kto", "ultrafeedback"):
        return system, history, question, output, [(record.worse()[-1].output, 0.0)]
    others = [(one.output, one.grade) for one in record.others]
    if name == "ultrafeedback":
        others.sort(key=lambda one: -(one[1] or 0))
    return system, history, question, output, others


@pytest.mark.parametrize(
    "name",
    ["preference", "preference_messages", "preference_implicit", "hh", "openai_preference", "kto", "ultrafeedback"],
)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(records=RECORDS)
def test_pairs_that_are_exported_are_imported_equal(name: str, records: list[Record]) -> None:
    kept = [record for record in records if FORMATS[name].row(record)]
    if name == "ultrafeedback":  # a text that is given twice, with two grades, is one answer there
        kept = [
            one for one in kept if len({o.output.strip() for o in one.others} | {one.output.strip()}) > len(one.others)
        ]
    with tempfile.TemporaryDirectory() as folder:
        export(records, Path(folder), ExportSettings(formats=[name]), {})
        if not kept:
            return
        back = read_source(Path(folder) / FORMATS[name].file)
    found = {one.id: pair(one) for one in back.records}
    assert [found[one.id] for one in kept] == [held(name, one) for one in kept]
