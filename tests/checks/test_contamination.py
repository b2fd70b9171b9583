"""Planted copies of benchmark items are found, and clean records are left alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from synth.checks import build_checks
from synth.checks.contamination import Contamination, contamination, read_items
from synth.errors import InputError, UsageError
from synth.records import Record
from synth.shipped import EVAL_FILE

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


def tasks(path: Path) -> list[Record]:
    if not path.exists():
        pytest.skip(f"{path} is not there")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Record(r["instruction"], i["input"], i["output"]) for r in rows for i in r["instances"]]


def edited(text: str, rng: random.Random, share: float = 0.1) -> str:
    """`text` with so many of its words deleted, replaced or doubled."""
    words = text.split(" ")
    for _ in range(int(len(words) * share)):
        at = rng.randrange(len(words))
        words[at : at + 1] = rng.choice(([], ["something"], [words[at], "really"]))
    return " ".join(words)


def share_found(index: Contamination, records: list[Record]) -> float:
    return sum(bool(index.hits(record)) for record in records) / len(records)


def test_every_copy_of_our_held_out_tasks_is_found() -> None:
    assert share_found(contamination(), tasks(EVAL_FILE)) == 1.0


def test_copies_with_a_tenth_of_the_words_changed_are_found() -> None:
    rng = random.Random(3)
    copies = [
        Record(edited(r.instruction, rng), edited(r.input, rng), "new") for r in tasks(EVAL_FILE) for _ in range(4)
    ]
    assert share_found(contamination(), copies) >= 0.95


def test_no_seed_task_is_taken_for_a_held_out_one() -> None:
    assert share_found(contamination(), tasks(ROOT / "seed_tasks" / "seed_tasks.jsonl")) == 0.0


def test_a_foreign_benchmark_is_found_whole_and_edited_and_does_not_hit_our_seeds() -> None:
    path, rng = DATA / "self_instruct_seed_tasks.jsonl", random.Random(4)
    planted = tasks(path)
    index = contamination(files=[str(path)])
    assert share_found(index, planted) == 1.0
    assert share_found(index, [Record(edited(r.instruction, rng), edited(r.input, rng)) for r in planted]) >= 0.95
    assert share_found(index, tasks(ROOT / "seed_tasks" / "seed_tasks.jsonl")) == 0.0


def write(path: Path, *rows: object) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return str(path)


TEXT = "The lamp keeper rowed out every evening before dusk because the harbour board had never paid for a bridge"


def test_hits_name_kind_place_and_span(tmp_path: Path) -> None:
    file = write(
        tmp_path / "bench.jsonl", {"question": "Who rowed?", "answer": "Nobody."}, {"prompt": f"Sum up: {TEXT}."}
    )
    index = contamination([file], own_tasks=False)
    (hit,) = index.hits(Record("Write a story.", "", f"Once upon a time. {TEXT}, they said."))
    assert (hit.kind, hit.place, hit.span) == ("13-gram", "bench.jsonl#2", TEXT.lower())
    assert [h.kind for h in index.hits(Record("who ROWED"))] == ["exact", "rouge-l"]
    assert index(Record("Who rowed?")) == "contaminated: exact bench.jsonl#1 who rowed"
    assert index(Record("Name a bird.")) is None


def test_a_run_of_chinese_characters_counts_half(tmp_path: Path) -> None:
    index = contamination(
        [write(tmp_path / "zh.jsonl", {"question": "公司年度报告的主要目的是什么？"})], own_tasks=False
    )
    assert index.hits(Record("区块链技术的主要目的是什么？")) == []
    assert index.hits(Record("请回答：公司年度报告的主要目的是什么？为什么？谢谢你们大家"))[0].kind == "rouge-l"


def test_json_arrays_text_files_and_chats_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(["Name a bird.", {"query": "Name a fish."}]), "utf-8")
    (tmp_path / "b.txt").write_text("Name a tree.\n\nName a stone.\n", "utf-8")
    turns = [{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": "Rhine"}]
    chat = write(tmp_path / "c.jsonl", {"messages": turns})
    found = [item for name in ("a.json", "b.txt") for item in read_items(tmp_path / name)]
    assert [item.task for item in found] == ["Name a bird.", "Name a fish.", "Name a tree.", "Name a stone."]
    assert [(i.task, i.text) for i in read_items(Path(chat))] == [("Name a river.", "Name a river.\nRhine")]


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("[1, ", "utf-8")
    for name in ("missing.jsonl", "broken.json"):
        with pytest.raises(UsageError):
            list(read_items(tmp_path / name))
    with pytest.raises(InputError, match=r"bench.jsonl:2: no task"):
        list(read_items(Path(write(tmp_path / "bench.jsonl", {"question": "Who?"}, {"other": "x"}))))


def test_a_recipe_can_name_files(tmp_path: Path) -> None:
    file = write(tmp_path / "bench.jsonl", {"question": "Who rowed?"})
    ((_, check),) = build_checks([{"contamination": {"files": [file], "own_tasks": False}}])
    assert check(Record("Who rowed?")) and not check(Record("Who swam?"))
