"""The mixture: shares, caps, temperature and order, exact, drawn by the seed, and told."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Scripted, collect

from synth.engine.funnel import count_funnel
from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.pipeline import run
from synth.recipe import build_recipe
from synth.records import Record, Rejection
from synth.stages.mix import MixSettings, group_of, mix, mixture
from synth.stages.report.facts import RunFacts
from synth.stages.report.mixture import mixture_blocks
from synth.student.mix import allocate, phases


def some(number: int, **meta: Any) -> list[Record]:
    return [Record(f"{meta} {n}", output="x" * (n % 7 + 1), meta=dict(meta)) for n in range(number)]


BIG, SMALL, STEPS = some(900, source="big", task="a"), some(90, source="small", task="b"), some(
    10, source="cot", task="c", rationale="because"
)  # fmt: skip
ALL = [*BIG, *SMALL, *STEPS]


def counts(records: list[Record], **options: Any) -> Counter[str]:
    results, _ = mixture(records, MixSettings(**options), 0)
    assert len(results) == len(records)
    return Counter(group_of(one, options.get("by", "source")) for one in results if isinstance(one, Record))


def test_shares_are_exact_and_nothing_is_lost() -> None:
    assert counts(ALL, shares={"big": 0.5, "small": 0.5}) == {"big": 90, "small": 90}
    assert counts(ALL, shares={"big": 0.25, "small": 0.75}, num_records=40) == {"big": 10, "small": 30}
    assert counts(ALL, by="steps", shares={"steps": 0.1, "direct": 0.9}) == {"steps": 10, "direct": 90}
    with pytest.raises(UsageError, match="no records of tiny"):
        counts(ALL, shares={"tiny": 1})


def test_a_cap_and_a_temperature_keep_big_data_from_drowning_small() -> None:
    assert counts(ALL, max_per_task=30) == {"big": 30, "small": 30, "cot": 10}
    assert counts(ALL, num_records=100) == {"big": 90, "small": 9, "cot": 1}
    flat = counts(ALL, num_records=100, temperature=2)
    assert (flat["big"], flat["small"], flat["cot"]) == (70, 22, 8)
    assert counts(ALL, num_records=30, temperature=100)["cot"] in (9, 10)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_records() -> None:
    wanted = MixSettings(shares={"big": 1, "small": 1}, num_records=20, order="shuffled")
    turned = random.Random(0).sample(ALL, len(ALL))
    first, second, other = mixture(ALL, wanted, 1)[0], mixture(turned, wanted, 1)[0], mixture(ALL, wanted, 2)[0]
    assert first[:20] == second[:20] != other[:20]


def test_the_order_goes_from_easy_to_hard() -> None:
    kept = mixture(ALL, MixSettings(order="length", num_records=50), 0)[0][:50]
    lengths = [len(one.asked()) + len(one.output) for one in kept if isinstance(one, Record)]
    assert lengths == sorted(lengths) and len(lengths) == 50
    parts = phases(ALL, "length", 0)
    assert [len(part) for part in parts] == [100] * 10
    assert max(len(one.asked()) for one in parts[0]) <= max(len(one.asked()) for one in parts[-1])
    with pytest.raises(ValueError, match="loss_model"):
        MixSettings(order="loss")


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1),
    total=st.integers(0, 200),
    seed=st.integers(0, 9),
)
def test_parts_add_up_and_no_group_gives_more_than_it_has(sizes: dict[str, int], total: int, seed: int) -> None:
    draw = random.Random(seed)
    weights = {name: draw.uniform(0.01, 5) for name in sizes}
    taken = allocate(sizes, weights, total)
    assert sum(taken.values()) == min(total, sum(sizes.values()))
    assert all(0 <= taken[name] <= sizes[name] for name in sizes)
    exact = allocate(sizes, weights)
    whole, number = sum(weights.values()), sum(exact.values())
    assert all(abs(exact[name] - number * weights[name] / whole) < 1 for name in sizes)
    assert all(exact[name] <= sizes[name] for name in sizes)


def test_the_stage_keeps_the_order_and_tells_what_was_asked_and_got(tmp_path: Path) -> None:
    async def given_records() -> Any:
        for record in ALL:
            yield record

    wanted = MixSettings(shares={"big": 0.5, "small": 0.5}, num_records=20, order="length")
    results = collect(tmp_path, Scripted(lambda _: ""), lambda engine: mix(engine, given_records(), wanted))
    flat = [one for batch in results for one in batch]
    reader = LedgerReader(tmp_path)
    kept, meta = list(reader.records("mix")), dict(reader.query("SELECT key, value FROM meta"))
    reader.close()
    assert kept == [one for one in flat if isinstance(one, Record)] and len(kept) == 20
    assert Counter(one.reason for one in flat if isinstance(one, Rejection)) == {"over_share": 980}
    assert json.loads(meta["mixture"])[0] == ["big", 900, 0.5, 10, 0.5]
    facts = RunFacts.__new__(RunFacts)
    facts.meta = meta
    (table,) = mixture_blocks(facts)
    assert table.rows[0] == ["big", 900, "50.00%", 10, "50.00%"]  # type: ignore[union-attr]


def test_an_order_by_difficulty_without_grades_is_noted(tmp_path: Path) -> None:
    async def given_records() -> Any:
        for record in (*SMALL, Record("graded", output="x", meta={"complexity": 3})):
            yield record

    collect(
        tmp_path, Scripted(lambda _: ""), lambda engine: mix(engine, given_records(), MixSettings(order="difficulty"))
    )
    reader = LedgerReader(tmp_path)
    (note,) = [detail for _, detail in reader.query("SELECT kind, detail FROM events WHERE kind='note'")]
    reader.close()
    assert note.startswith("mix: 90 of 91 records have no grade of their difficulty")


def test_a_students_loss_orders_the_records_and_is_noted(tmp_path: Path) -> None:
    tiny = pytest.importorskip("synth.student.tiny")
    base = tiny.make_tiny([f" {one.asked()} {one.output}" for one in STEPS], tmp_path / "base", hidden=32, heads=2)
    results, _ = mixture([*STEPS, Record("no answer")], MixSettings(order="loss", loss_model=str(base)), 0)
    losses = [one.meta.get("loss") for one in results if isinstance(one, Record)]
    assert losses[0] is None and len(losses) == 11
    assert losses[1:] == sorted(loss for loss in losses if loss is not None)


def test_the_counts_of_a_run_with_labelled_data_and_a_mixture_add_up(tmp_path: Path) -> None:
    rows = [{"text": f"Day {n} was fine.", "label": n % 2 if n != 5 else 7} for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    source = {"path": str(tmp_path / "rows.jsonl"), "kind": "sentiment", "options": ["bad", "good"], "turned": False}
    sections = {"annotate": {"sources": {"days": source}}, "rephrase": {"num_wordings": 2}, "mix": {"num_records": 9}}
    run(build_recipe({**sections, "bootstrap": {"num_tasks": 3}, "select": None}), tmp_path / "run", until="mix")
    reader = LedgerReader(tmp_path / "run")
    funnel = count_funnel(reader)
    reader.close()
    counts = {stage.stage: stage for stage in funnel.stages}
    assert funnel.problems == [] and funnel.kept == 9
    assert (counts["annotate"].made, counts["annotate"].kept) == (20, 19)
    assert counts["rephrase"].received == 22 <= counts["rephrase"].kept
    assert counts["rephrase"].joined == counts["mix"].joined == 0
