"""Shared talks are cleaned with every removal counted; message trees give threads and pairs that add up."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from synth.cli.app import app
from synth.records import Record
from synth.sources import read_records
from synth.sources.cleaning import Cleaning, clean, estimated_tokens, import_talks
from synth.sources.rows import Row
from synth.sources.talks import Talk, read_talk
from synth.sources.trees import pairs, read_trees, threads

CHATS = Path(__file__).parents[2] / ".." / "shared" / "data" / "chats"
needs_chats = pytest.mark.skipif(not CHATS.exists(), reason="../shared/data/chats is not here")
PAGE = (
    '<div class="markdown prose"><p>Use <code>a &lt; b</code>:</p><pre><div><span>python</span><button>Copy code</button>'
    "<code>if a &lt; b:\n    go()\n</code></div></pre><ul><li>one</li><li><b>two</b></li></ul></div>"
)


def row(*turns: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": who, "value": text} for who, text in turns], **more}


def cleaned(*rows: dict[str, Any], **settings: Any) -> Any:
    talks = [read_talk(Row(f"f:{number}", one)) for number, one in enumerate(rows, 1)]
    return clean(talks, Cleaning(**settings))


def test_html_of_the_page_becomes_markdown_and_its_buttons_go() -> None:
    ask = ("human", "How do I compare? <div>\n</div>")
    done = cleaned(row(ask, ("gpt", PAGE)), row(("human", "Again?"), ("gpt", "2 / 3\nYes, a < b.")))
    one, other = done.records
    assert one.output == "Use `a < b`:\n\n```python\nif a < b:\n    go()\n```\n\n- one\n- **two**"
    assert one.instruction == ask[1] and other.output == "Yes, a < b."
    assert done.changed == {"HTML made Markdown": 1, "buttons of the page left out": 2}


def test_text_that_only_speaks_of_html_stays_as_it_is() -> None:
    for text in ("<b>bold</b> is a tag", "Write `<div>` first.\n</div>", "a < b", "<div>", "&lt;p&gt;"):
        assert cleaned(row(("human", text), ("gpt", text))).records == [Record(text, "", text)]


REMOVED: dict[str, dict[str, Any]] = {
    "no_turns": {"conversations": []},
    "unknown_role": row(("human", "Hi?"), ("tool", "x")),
    "not_text": row(("human", "Hi?"), ("gpt", None)),
    "wrong_roles": row(("human", "Hi?"), ("human", "Hi?"), ("gpt", "Yes.")),
    "empty_turn": row(("human", "Hi?"), ("gpt", " "), ("human", "So?"), ("gpt", "Yes.")),
    "too_short": row(("gpt", "How can I help?"), ("human", "Hi?")),
    "other_language": row(
        ("human", "Wie ist das Wetter und was ist der Plan für heute?"), ("gpt", "Das weiß ich nicht.")
    ),
    "blocked_words": row(("human", "Who are you?"), ("gpt", "I am ACME Bot, made by people.")),
    "repeated": row(("human", "What is the time of the day?"), ("gpt", "It is noon.")),
}


@pytest.mark.parametrize("reason", REMOVED)
def test_each_removal_has_its_reason_and_its_place(reason: str) -> None:
    good = REMOVED["repeated"]
    done = cleaned(good, REMOVED[reason], languages=frozenset({"en"}), blocked=("acme bot",))
    assert done.removed == [("f:2", reason)] and len(done.records) == 1 and done.talks == 2


def test_a_blocked_word_is_a_whole_word() -> None:
    assert cleaned(row(("human", "Is a placebo bad?"), ("gpt", "No.")), blocked=("ace",)).removed == []


def test_a_greeting_before_and_a_question_after_are_left_out_and_counted() -> None:
    done = cleaned(row(("gpt", "Hello!"), ("human", "One?"), ("gpt", "1"), ("human", "Two?")))
    assert [record.messages() for record in done.records] == [Record("One?", "", "1").messages()]
    assert sum(done.changed.values()) == 2


EXCHANGES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=30)


@given(sizes=EXCHANGES, most=st.integers(8, 60), system=st.booleans())
def test_a_long_talk_is_split_between_exchanges_and_nothing_is_lost(
    sizes: list[tuple[int, int]], most: int, system: bool
) -> None:
    turns = [{"role": "system", "content": "s"}] if system else []
    for number, pair in enumerate(sizes):
        turns += [{"role": r, "content": f"{number} " * n} for r, n in zip(("user", "assistant"), pair, strict=True)]

    def count(text: str) -> int:
        return len(text.split())

    done = clean([Talk("f:1", turns)], Cleaning(max_tokens=most, count_tokens=count))
    assert all(sum(count(turn["content"]) for turn in record.messages()) <= most for record in done.records)
    kept = [pair for record in done.records for pair in (*record.history, (record.instruction, record.output))]
    left_out = [where for where, _ in done.removed]
    assert len(kept) + len(left_out) == len(sizes)
    assert [int(user.split()[0]) for user, _ in kept] == [
        n for n in range(len(sizes)) if f"f:1: exchange {n + 1}" not in left_out
    ]
    assert all(record.system == turns[0]["content"] for record in done.records if system)


def test_a_talk_of_ten_thousand_turns_is_read_cleaned_split_and_written(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    turns = [("human", f"And {n}?") if n % 2 == 0 else ("gpt", f"It is {n}.") for n in range(10_000)]
    path.write_text(json.dumps([row(*turns)]))
    (whole,) = import_talks(path, Cleaning()).cleaned.records
    assert len(whole.history) == 4_999 and Record.from_dict(whole.to_dict()) == whole
    parts = import_talks(path, Cleaning(max_tokens=2048)).cleaned.records
    assert sum(len(record.history) + 1 for record in parts) == 5_000
    assert max(sum(estimated_tokens(m["content"]) for m in part.messages()) for part in parts) <= 2048


def test_a_row_that_is_no_json_is_one_of_the_removed(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(json.dumps(row(("human", "Hi?"), ("gpt", "Yes."))) + "\n{broken\n")
    done = import_talks(path, Cleaning()).cleaned
    assert (len(done.records), done.talks, done.reasons) == (1, 2, {"unreadable_row": 1})


def unpacked(name: str, place: Path) -> Path:
    path = place / name
    path.write_bytes(gzip.decompress((CHATS / f"{name}.gz").read_bytes()))
    return path


@needs_chats
def test_the_talks_of_a_real_file_are_kept_or_counted(tmp_path: Path) -> None:
    path = unpacked("sharegpt_dummy_conversation.json", tmp_path)
    done = import_talks(path, Cleaning()).cleaned
    assert done.talks == 500 == len(done.records) + len(done.removed) and set(done.reasons) <= {"repeated"}
    unique = {json.dumps(one["conversations"]) for one in json.loads(path.read_text())}
    assert len(done.records) == len(unique)


# --- trees -----------------------------------------------------------------------------------------------------------


def post(name: str, parent: str | None, rank: int | None = None, **more: Any) -> dict[str, Any]:
    """A message of a tree; names are u... for prompts and a... for replies."""
    role = "prompter" if name[0] == "u" else "assistant"
    return {"message_id": name, "parent_id": parent, "role": role, "text": f"text {name}", "lang": "en",
            "message_tree_id": "u0", "rank": rank, **more}  # fmt: skip


TREE = [
    post("u0", None), post("a1", "u0", 1), post("a0", "u0", 0, model_name="m"), post("a2", "u0", 2, deleted=True),
    post("u1", "a0"), post("b0", "u1"), post("u2", "a0"), post("u3", "a1"), post("c1", "u3", 1, role="assistant"),
    post("c0", "u3", 0, role="assistant", labels={"name": ["quality"], "value": [0.75]}),
]  # fmt: skip
TREE[5]["role"] = "assistant"


def tree(messages: list[dict[str, Any]]) -> Any:
    return read_trees(Row(f"f:{n}", one) for n, one in enumerate(messages, 1))


def ways(choice: str | int) -> list[str]:
    (found,) = tree(TREE).trees
    return [" ".join(m["content"].removeprefix("text ") for m in talk.messages) for talk in threads(found, choice)]


def test_threads_follow_the_best_the_ranked_or_all_replies() -> None:
    assert ways("best") == ["u0 a0 u1 b0"]
    assert ways("all") == ["u0 a0 u1 b0", "u0 a1 u3 c0", "u0 a1 u3 c1"]
    assert ways(1) == ["u0 a0 u1 b0"] and ways(2) == ways("all")


def test_each_question_gives_a_pair_for_every_two_ranks_and_a_thread_keeps_the_worse_answers() -> None:
    (found,) = tree(TREE).trees
    said = [tuple(one[key][-1]["content"][5:] for key in ("prompt", "chosen", "rejected")) for one in pairs(found)]
    assert sorted(said) == [("u0", "a0", "a1"), ("u3", "c0", "c1")]
    talk = next(talk for talk in threads(found, "all") if talk.messages[-1]["content"] == "text c0")
    assert [(other.output, other.grade) for other in talk.others] == [("text c1", 0.0)]
    assert talk.meta["labels"] == {"quality": 0.75}


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([post("u8", "a9"), post("a9", "u8")], "cycle"),
        ([post("u8", "gone")], "missing_parent"),
        ([post("a0", "u0")], "repeated_message"),
        ([post("u8", None)], "several_roots"),
        ([post("u8", "u1")], "wrong_roles"),
        ([post("u8", "a0", text=" ")], "empty_message"),
        ([post("u8", "a0", role="system")], "unknown_role"),
        ([{}], "unknown_role"),
    ],
)
def test_a_tree_that_is_none_is_refused_and_the_others_stay(extra: list[dict[str, Any]], reason: str) -> None:
    other = [one | {"message_tree_id": "x", "text": "other"} for one in TREE]
    found = tree([*TREE, *({"message_tree_id": "u0"} | one for one in extra), *other])
    assert [why for _, why in found.refused] == [reason] and found.counts["trees"] == 1


def test_a_tree_whose_root_has_a_parent_is_a_cycle_or_lacks_it() -> None:
    assert tree([post("u0", "a0"), post("a0", "u0")]).refused == [("f:1", "cycle")]


def test_a_tree_of_five_thousand_messages_is_exact(tmp_path: Path) -> None:
    """Ten trees of 500: each question has three ranked replies, the best of which is gone on from."""
    path = tmp_path / "flat.jsonl"
    rows: list[dict[str, Any]] = []
    for number in range(10):
        parent = None
        for level in range(125):
            name = f"u{number}.{level}"
            replies = [post(f"a{number}.{level}.{rank}", name, rank) for rank in (2, 0, 1)]
            rows += [one | {"message_tree_id": str(number)} for one in (post(name, parent), *replies)]
            parent = f"a{number}.{level}.0"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    assert len(rows) == 5_000
    found = import_talks(path, Cleaning(), "all")
    assert found.counts == {"trees": 10, "messages": 5_000, "prompts": 1_250, "replies": 3_750}
    assert len(found.cleaned.records) == 10 * (124 * 2 + 3)
    assert sum(1 for one in found.trees for _ in pairs(one)) == 1_250 * 3
    best = import_talks(path, Cleaning()).cleaned.records
    assert [len(record.history) for record in best] == [124] * 10


@needs_chats
def test_real_trees_keep_their_counts_and_each_way_of_the_file_is_a_thread(tmp_path: Path) -> None:
    path = unpacked("oasst_en_100_tree.jsonl", tmp_path)
    roles, ends, better = Counter[str](), [0], [0]

    def walk(one: dict[str, Any]) -> bool:
        """An independent count; True where an answer stands below."""
        roles[one["role"]] += 1
        ranks = sorted(reply["rank"] for reply in one["replies"] if reply.get("rank") is not None)
        if one["role"] == "prompter":
            better[0] += sum(low < high for at, low in enumerate(ranks) for high in ranks[at + 1 :])
        below = [walk(reply) for reply in one["replies"]]
        ends[0] += one["role"] == "assistant" and not any(below)
        return one["role"] == "assistant" or any(below)

    for line in path.read_text().splitlines():
        walk(json.loads(line)["prompt"])
    found = import_talks(path, Cleaning(), "all")
    assert found.counts == {
        "trees": 100,
        "messages": 1_167,
        "prompts": roles["prompter"],
        "replies": roles["assistant"],
    }
    cleaned = found.cleaned
    assert cleaned.talks == ends[0] == len(cleaned.records) + len(cleaned.removed)
    assert sum(1 for one in found.trees for _ in pairs(one)) == better[0] > 0
    assert len(read_records(path)) == 100  # as the input of a run: the best thread of each


def test_the_command_writes_records_removals_and_pairs(tmp_path: Path) -> None:
    path = tmp_path / "trees.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [*TREE, post("u9", "gone", message_tree_id="bad")]))
    words = ["import", str(path), "--out", str(tmp_path / "o.jsonl"), "--pairs", str(tmp_path / "p.jsonl"), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["records"], told["pairs"], told["removed"]) == (1, 2, {"missing_parent": 1})
    assert len(read_records(tmp_path / "o.jsonl", "records")) == 1
    assert json.loads((tmp_path / "o.jsonl.removed.jsonl").read_text())["reason"] == "missing_parent"
    wrong = CliRunner().invoke(app, [*words[:4], "--threads", "worst"])
    assert wrong.exit_code == 2 and "best, all or a number" in wrong.output
    wrong = CliRunner().invoke(app, ["import", str(path), "--out", str(path)])
    assert wrong.exit_code == 2 and "must be different files" in wrong.output
    wrong = CliRunner().invoke(app, [*words[:4], "--language", "english"])
    assert wrong.exit_code == 2 and "it is en" in wrong.output


def test_a_tree_without_an_answer_is_counted_as_removed_and_labels_are_finite_numbers(tmp_path: Path) -> None:
    rows = [{"message_id": "a", "text": "Why?", "role": "prompter", "message_tree_id": "a"}]
    answer = {"message_id": "c", "parent_id": "b", "text": "So.", "role": "assistant", "message_tree_id": "b"}
    labels = {"quality": {"value": float("nan")}, "humor": {"value": 0.5}}
    rows += [rows[0] | {"message_id": "b", "message_tree_id": "b"}, answer | {"labels": labels, "lang": {"x": 1}}]
    path = tmp_path / "trees.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = import_talks(path, Cleaning())
    assert found.cleaned.reasons == {"no_answer": 1} and found.cleaned.talks == 2
    (record,) = found.cleaned.records
    assert record.meta["labels"] == {"humor": 0.5} and "language" not in record.meta


def test_talks_on_one_line_are_told_apart_and_texts_in_parts_are_joined(tmp_path: Path) -> None:
    part = {"role": "user", "content": [{"type": "text", "text": "Which river is long?"}]}
    image = {"role": "user", "content": [{"type": "image_url"}]}
    answer = {"role": "assistant", "content": "The Po."}
    path = tmp_path / "talks.json"
    path.write_text(json.dumps([{"messages": [one, answer]} for one in (part, image)]))
    found = import_talks(path, Cleaning()).cleaned
    assert [record.instruction for record in found.records] == ["Which river is long?"]
    assert found.removed == [(f"{path}:1, object 2", "not_text")]


def test_a_fraction_at_the_beginning_of_an_answer_is_no_button_of_the_page() -> None:
    ask = ("human", "What is three quarters as a decimal number?")
    done = cleaned(row(ask, ("gpt", "3 / 4 is 0.75 as a decimal number.")))
    assert done.records[0].output.startswith("3 / 4 is")


@pytest.mark.parametrize(
    "row",
    [
        {"system": "Be brief.", "question": "Why?", "response": "So."},
        {"system": "Be brief.", "prompt": "Why?", "completion": "So."},
        {
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
        },
    ],
    ids=["Orca", "prompt and completion", "messages"],
)
def test_a_system_text_in_a_column_of_its_own_is_never_dropped(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert read_records(path) == [Record("Why?", "", "So.", "Be brief.")]


def test_triples_of_system_question_and_response_come_in(tmp_path: Path) -> None:
    path = tmp_path / "orca.jsonl"
    path.write_text(
        json.dumps({"id": "t1", "system_prompt": "Be brief.", "question": "Why?", "response": "So."}) + "\n"
    )
    assert read_records(path) == [Record("Why?", "", "So.", "Be brief.")]
