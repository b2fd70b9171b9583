"""Seed files: what is read, every mistake that is listed, and data of other people coming in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import InputError
from synth.parsing import clean_input
from synth.records import Instance, SeedTask
from synth.stages.seed_stats import card_block, nearest, put_in_card, stats
from synth.stages.seeds import import_seed_tasks, read_seed_tasks, write_seed_tasks

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here: published data is not checked")


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    whole = {
        "id": f"seed_task_{number}",
        "name": f"task_{number}",
        "instruction": f"Name river number {number}.",
        "instances": [{"input": "", "output": "The Ebro."}],
        "is_classification": False,
    }
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def put(path: Path, *lines: dict[str, Any] | str | bytes) -> Path:
    texts = [line if isinstance(line, str | bytes) else json.dumps(line) for line in lines]
    path.write_bytes(b"".join((text.encode() if isinstance(text, str) else text) + b"\n" for text in texts))
    return path


def mistakes_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        read_seed_tasks(path)
    assert caught.value.exit_code == 2
    return caught.value.mistakes


ROW_MISTAKES: dict[str, tuple[dict[str, Any] | str | bytes, str]] = {
    "broken JSON": ('{"id": "a", ', "is not JSON"),
    "two objects on a line": (json.dumps(row(1)) * 2, "is not JSON"),
    "no object": ("[1]", "is not a JSON object"),
    "not UTF-8": (b'{"id": "\xe9"}', "is not UTF-8"),
    "NaN": (row(name=float("nan")), "`name` is missing"),
    "infinity": (row(name=float("inf")), "`name` is not a text"),
    "a key twice": ('{"id": "a", "id": "b"}', "stands twice"),
    "half a surrogate pair": (row(1, name="\ud83d"), "surrogate"),
    "half a surrogate pair in a check": (row(1, check={"kind": "exact", "answer": "\udc00"}), "surrogate"),
    "deep nesting": ("[" * 100_000, "nested too deeply"),
    "id missing": (row(1, id=...), "`id` is missing"),
    "id a number": (row(1, id=7), "`id` is not a text"),
    "name empty": (row(1, name=" "), "`name` is empty"),
    "instruction null": (row(1, instruction=None), "`instruction` is missing"),
    "instruction blank": (row(1, instruction=" \u2028\n"), "`instruction` is empty"),
    "instances missing": (row(1, instances=...), "`instances` must be a list"),
    "instances empty": (row(1, instances=[]), "`instances` must be a list"),
    "instance a text": (row(1, instances=["x"]), "instance 1 is not an object"),
    "input missing": (row(1, instances=[{"output": "x"}]), "`input` is missing"),
    "input a number": (row(1, instances=[{"input": 3, "output": "x"}]), "`input` is missing or not a text"),
    "output empty": (row(1, instances=[{"input": "", "output": "  "}]), "`output` is empty"),
    "output missing": (row(1, instances=[{"input": ""}]), "`output` is missing"),
    "is_classification missing": (row(1, is_classification=...), "`is_classification` is missing"),
    "is_classification a text": (row(1, is_classification="yes"), "not true or false"),
    "language a name": (row(1, language="English"), "`language` is not a code"),
    "category empty": (row(1, category=""), "`category` is not a text or empty"),
    "a mistyped optional field": (row(1, catgory="plan"), "`category` was probably meant"),
    "check of no kind": (row(1, check={"kind": "magic"}), "`check` must be an object"),
    "output fails its check": (row(1, check={"kind": "exact", "answer": "The Oder"}), "does not pass the task's own"),
    "duplicate id": (row(1, id="seed_task_0"), "the id stands already at"),
    "duplicate instruction": (row(1, instruction="  name river\nnumber 0. "), "the instruction stands already at"),
}


@pytest.mark.parametrize("name", ROW_MISTAKES)
def test_a_mistake_in_a_row_is_listed_with_its_line(name: str, tmp_path: Path) -> None:
    line, words = ROW_MISTAKES[name]
    path = put(tmp_path / "seeds.jsonl", row(0), line, row(2))
    found = mistakes_of(path)
    assert len(found) == 1 and found[0].startswith(f"{path}:2:") and words in found[0]


def test_all_mistakes_of_a_file_are_listed_together(tmp_path: Path) -> None:
    path = put(tmp_path / "seeds.jsonl", *(line for line, _ in ROW_MISTAKES.values() if isinstance(line, bytes | str)))
    assert len(mistakes_of(path)) == sum(isinstance(line, bytes | str) for line, _ in ROW_MISTAKES.values())
    both = put(tmp_path / "both.jsonl", row(0, id=..., name=3, is_classification=None))
    assert len(mistakes_of(both)) == 3


def test_the_first_fifty_are_shown_then_a_count(tmp_path: Path) -> None:
    path = put(tmp_path / "seeds.jsonl", *["{"] * 73)
    with pytest.raises(InputError) as caught:
        read_seed_tasks(path)
    assert len(caught.value.mistakes) == 73
    assert str(caught.value).count("is not JSON") == 50 and str(caught.value).endswith("... and 23 more")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \r\n\n", "is empty"),
        (json.dumps(row()).encode("utf-16"), "UTF-16"),
        (json.dumps(row()).encode("utf-16-le"), "UTF-16"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b'{"id":' + b" " * 50_000_000 + b'"a"}\n', "too long"),
    ],
    ids=["empty", "only a mark and blanks", "UTF-16 with mark", "UTF-16 without", "gzip", "50 MB line"],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_bytes(content)
    found = mistakes_of(tmp_path / "seeds.jsonl")
    assert len(found) == 1 and words in found[0]


def test_a_directory_and_a_missing_file_are_named(tmp_path: Path) -> None:
    assert "is a directory" in mistakes_of(tmp_path)[0]
    assert "cannot be opened" in mistakes_of(tmp_path / "none.jsonl")[0]


def test_after_a_line_that_is_too_long_the_line_numbers_still_hold(tmp_path: Path) -> None:
    path = put(tmp_path / "seeds.jsonl", row(0), '"' + "x" * 25_000_000 + '"', "{")
    assert [mistake.split(": ")[0] for mistake in mistakes_of(path)] == [f"{path}:2", f"{path}:3"]


def test_what_other_tools_write_is_read(tmp_path: Path) -> None:
    odd = row(1, instances=[{"input": "a\u2028b\u0085c\x0b", "output": "ü\r\nend"}], source="elsewhere")
    lines = [json.dumps(odd, ensure_ascii=False), "", json.dumps(row(2))]
    (tmp_path / "seeds.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    tasks = read_seed_tasks(tmp_path / "seeds.jsonl")
    assert [task.id for task in tasks] == ["seed_task_1", "seed_task_2"]
    assert tasks[0].instances == (Instance("a\u2028b\u0085c\x0b", "ü\r\nend"),)


def test_another_format_is_pointed_to_the_import(tmp_path: Path) -> None:
    path = put(tmp_path / "alpaca.jsonl", {"instruction": "a", "input": "", "output": "b"})
    with pytest.raises(InputError) as caught:
        read_seed_tasks(path)
    assert "alpaca" in caught.value.mistakes[0] and "synth seeds import" in caught.value.hint


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
TASKS = st.builds(
    SeedTask,
    id=TEXT,
    name=TEXT,
    instruction=TEXT,
    instances=st.lists(st.builds(Instance, st.text(st.characters(codec="utf-8")), TEXT), min_size=1, max_size=3).map(
        tuple
    ),
    is_classification=st.booleans(),
    category=st.none() | TEXT,
    language=st.none() | st.sampled_from(["en", "de", "ja"]),
    check=st.none(),
)


@given(
    tasks=st.lists(
        TASKS, min_size=1, max_size=5, unique_by=(lambda t: t.id, lambda t: " ".join(t.instruction.split()).casefold())
    )
)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read_back_equal(tasks: list[SeedTask], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("seeds") / "seeds.jsonl"
    write_seed_tasks(path, tasks)
    assert read_seed_tasks(path) == tasks
    assert import_seed_tasks(path).tasks == tuple(tasks)


@needs_shared
def test_the_published_seeds_are_read_whole() -> None:
    tasks = read_seed_tasks(SHARED / "self_instruct_seed_tasks.jsonl")
    assert len(tasks) == 175 and sum(task.is_classification for task in tasks) == 26
    measures = stats(tasks)
    assert measures["empty_input"] == 50 and measures["words"]["instruction"]["mean"] == 13.0
    assert measures["rouge_l_within"] == {
        "highest": 0.8235,
        "pair": ["seed_task_47", "seed_task_74"],
        "mean_nearest": 0.3625,
    }


@needs_shared
def test_the_alpaca_demo_gives_999_tasks_and_goes_round_equal(tmp_path: Path) -> None:
    rows_in = json.loads((SHARED / "alpaca_en_demo.json").read_bytes())
    source = [row if clean_input(row["input"]) else row | {"input": ""} for row in rows_in]  # eight say "no input"
    found = import_seed_tasks(SHARED / "alpaca_en_demo.json")
    assert len(found.tasks) == 999 and "14 tasks repeat" in found.notes[1]
    rows = [
        {"instruction": task.instruction, "input": task.instances[0].input, "output": task.instances[0].output}
        for task in found.tasks
    ]
    assert rows == source
    write_seed_tasks(tmp_path / "seeds.jsonl", found.tasks)
    assert import_seed_tasks(tmp_path / "seeds.jsonl").tasks == found.tasks
    (tmp_path / "again.json").write_text(json.dumps(rows))
    assert import_seed_tasks(tmp_path / "again.json").tasks == found.tasks
    unique = import_seed_tasks(SHARED / "alpaca_en_demo.json", unique=True)
    assert len(unique.tasks) == 985
    write_seed_tasks(tmp_path / "unique.jsonl", unique.tasks)
    assert read_seed_tasks(tmp_path / "unique.jsonl") == list(unique.tasks)


def test_of_a_conversation_the_first_exchange_becomes_the_task(tmp_path: Path) -> None:
    turns = [("user", "Why?"), ("assistant", "Because."), ("user", "And?"), ("assistant", "So.")]
    path = put(tmp_path / "talk.jsonl", {"messages": [{"role": role, "content": text} for role, text in turns]})
    found = import_seed_tasks(path)
    assert found.tasks[0].instruction == "Why?" and found.tasks[0].instances == (Instance("", "Because."),)
    assert found.notes == ("1 conversations were cut to their first exchange",)


def test_statistics_count_what_is_there() -> None:
    tasks = [
        SeedTask("a", "a", "Sort the red and blue words.", (Instance("x " * 101, "y " * 121),), True, "sort", "en"),
        SeedTask(
            "b",
            "b",
            "Sort the red and blue words now.",
            (Instance("", "y"),),
            False,
            "sort",
            "en",
            {"kind": "exact", "answer": "y"},
        ),
    ]
    measures = stats(tasks, against=tasks[:1])
    assert (measures["tasks"], measures["classification"], measures["empty_input"]) == (2, 1, 1)
    assert measures["categories"] == {"sort": 2} and measures["checks"] == {"exact": 1}
    assert measures["outputs_over_120_words"] == measures["inputs_over_100_words"] == 1
    assert measures["rouge_l_within"]["highest"] == pytest.approx(2 * 6 / 13, abs=1e-4)
    assert measures["rouge_l_against"] == {"highest": 1.0, "pair": ["a", "a"], "mean_nearest": 0.9615}
    assert nearest([], []) == {"highest": 0.0, "pair": [], "mean_nearest": 0.0}
    card = put_in_card("# T\n<!-- stats: s.jsonl -->\nold\n<!-- end -->\nrest\n", "s.jsonl", card_block(measures))
    assert "old" not in card and "| sort | 2 |" in card and card.endswith("<!-- end -->\nrest\n")
