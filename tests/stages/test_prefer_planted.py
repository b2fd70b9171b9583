"""Prefer where the truth is known: the embedded teacher's answers with wrong ones planted beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_tasks import solved_tasks, with_wrong_answers
from scripted import Reply, Scripted, collect
from stages.test_prefer import longest

from synth import embedded
from synth.models.base import ChatRequest
from synth.ranking import length_leaning, position_leaning
from synth.records import OtherAnswer, Record
from synth.stages.prefer import PreferSettings, prefer


def honest(request: ChatRequest) -> str:
    return embedded.reply(request, embedded.Settings()).text


@pytest.fixture(scope="module")
def planted() -> list[Record]:
    """Records whose wrong answer comes first, then the right one in two spellings; the check knows."""
    solved = solved_tasks(60)
    return [
        Record(right.instruction, right.input, wrong.output, others=(OtherAnswer(right.output), OtherAnswer(f"{right.output}.")),
               meta={"check": {"kind": "exact", "answer": right.output}})
        for right, wrong in zip(solved, with_wrong_answers(solved), strict=True) if wrong is not None
    ]  # fmt: skip


def ranked(folder: Path, records: Sequence[Record], judge: Reply, **settings: Any) -> tuple[list[Record], Scripted]:
    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    model = Scripted(judge)
    results = collect(folder, model, lambda engine: prefer(engine, stream(), PreferSettings(**settings)))
    return [one for (one,) in results if isinstance(one, Record)], model


def answers(record: Record) -> list[tuple[str, float | None]]:
    return [(record.output, None), *((other.output, other.grade) for other in record.others)]


def test_by_check_and_by_an_honest_judge_the_ranking_is_exact(planted: list[Record], tmp_path: Path) -> None:
    checked, model = ranked(tmp_path / "check", planted, honest)
    judged, _ = ranked(tmp_path / "judge", planted, honest, verify=False, calibrate=False)
    assert len(planted) >= 50 and not model.requests
    for record, *found in zip(planted, checked, judged, strict=True):
        wrong, right, again = record.output, *(other.output for other in record.others)
        assert [answers(one) for one in found] == [[(right, None), (again, 0.5), (wrong, 0.0)]] * 2


def counts(records: Sequence[Record], name: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for record in records:
        found.update(record.meta["prefer"].get(name, {}))
    return found


@pytest.mark.parametrize("judge", [honest, longest], ids=["honest", "goes by length"])
def test_a_judge_that_goes_by_length_is_found_by_an_audit_and_an_honest_one_is_not(
    judge: Reply, planted: list[Record], tmp_path: Path
) -> None:
    padded = [  # the wrong answer is the longer one in every second record
        Record(r.instruction, r.input, f"{r.output} {r.output}" if n % 2 else r.output[:1], others=r.others, meta=r.meta)
        for n, r in enumerate(planted)
    ]  # fmt: skip
    kept, _ = ranked(tmp_path, padded, judge, audit=1.0, calibrate=False)
    found = counts(kept, "audit")
    leaning = length_leaning(*(found[name] for name in ("long_wrong", "long_errors", "short_wrong", "short_errors")))
    judged = counts(kept, "judged")
    assert leaning.is_bias is (judge is longest)
    assert not position_leaning(judged["first"], judged["second"]).is_bias


def test_a_judge_that_goes_by_place_is_found_by_its_counts(planted: list[Record], tmp_path: Path) -> None:
    kept, _ = ranked(tmp_path, planted, lambda _request: "Verdict: A", verify=False, calibrate=False)
    judged = counts(kept, "judged")
    assert position_leaning(judged["first"], judged["second"]).is_bias and judged["flips"] == judged["pairs"]
    assert all(one.meta["prefer"]["none"] == "tied" for one in kept)
