"""What models write instead of what they were asked for, and what is read from it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from synth.parsing import (
    clean_input,
    find_json,
    parse_choice,
    parse_instances,
    parse_numbered,
    parse_rewrite,
    parse_score,
    parse_tasks,
    parse_yes_no,
)

CLEAN = "## Task 1\n### Instruction\nAdd NASA's numbers.\n### Input\n1 2\n### Output\n3\n\n## Task 2\n### Instruction\nSay hi.\n### Input\nNo input\n### Output\nHi."


def texts(reply: str, **options: bool) -> list[tuple[str, str, str]]:
    return [(t.instruction, t.input, t.output) for t in parse_tasks(reply, **options) if t.problem is None]


def problems(reply: str, **options: bool) -> list[str | None]:
    return [t.problem for t in parse_tasks(reply, **options)]


WANTED = [("Add NASA's numbers.", "1 2", "3"), ("Say hi.", "", "Hi.")]


def test_the_asked_for_format_is_read_with_case_kept() -> None:
    assert texts(CLEAN) == WANTED


def test_bold_and_bracketed_headings_are_read() -> None:
    reply = "**Task 1**\n**Instruction:** Add NASA's numbers.\n**Input:** 1 2\n**Output:** 3\n\n[Task 2]\nInstruction: Say hi.\nInput: N/A\nOutput: Hi."
    assert texts(reply) == WANTED


def test_a_preamble_a_postamble_and_a_fence_around_all_are_ignored() -> None:
    assert texts("Sure! Here are two tasks:\n\n" + CLEAN) == WANTED
    assert texts("```markdown\n" + CLEAN + "\n```") == WANTED


def test_items_and_fields_on_one_line_are_divided() -> None:
    assert texts(CLEAN.replace("\n", " ")) == WANTED
    reply = "1. Instruction: Add NASA's numbers. Input: 1 2 Output: 3\n2. Instruction: Say hi. Input: none Output: Hi."
    assert texts(reply) == WANTED


def test_numbering_that_drifts_or_starts_again_changes_nothing() -> None:
    assert texts(CLEAN.replace("Task 2", "Task 1")) == WANTED
    assert texts(CLEAN.replace("Task 1", "Task 9").replace("## Task 2", "### Task no. 10:")) == WANTED


def test_missing_task_headings_are_made_up_by_the_next_instruction() -> None:
    assert texts(CLEAN.replace("## Task 1\n", "").replace("## Task 2\n", "")) == WANTED


def test_only_the_cut_last_item_is_lost() -> None:
    assert problems(CLEAN, cut=True) == [None, "cut_off"]


def test_a_task_without_instruction_costs_only_itself() -> None:
    broken = CLEAN.replace("### Instruction\nAdd NASA's numbers.\n", "")
    assert problems(broken) == ["no_instruction", None]


def test_a_missing_output_is_a_problem_only_where_one_is_wanted() -> None:
    without = CLEAN.replace("### Output\n3\n", "")
    assert problems(without) == [None, None]
    assert problems(without, wants_output=True) == ["no_output", None]


def test_our_headings_inside_a_fence_of_the_input_are_content() -> None:
    reply = "## Task 1\n### Instruction\nExplain the file.\n### Input\n```md\n### Output\nx\n```\n### Output\nIt has a heading."
    assert texts(reply) == [("Explain the file.", "```md\n### Output\nx\n```", "It has a heading.")]


def test_an_unclosed_fence_costs_no_neighbour() -> None:
    reply = CLEAN.replace("1 2", "```python\nprint(1)")
    assert texts(reply)[1:] == WANTED[1:]


def test_json_replies_are_read_and_wrong_types_cost_one_item() -> None:
    rows = [{"instruction": "Add.", "input": "1 2", "output": "3"}, {"instruction": 5}, "x", {"instruction": "Say hi.", "input": "No input"}]
    parsed = parse_tasks("```json\n" + json.dumps({"tasks": rows}) + "\n```")
    assert [t.problem for t in parsed] == [None, "wrong_type", "not_an_object", None]
    assert parsed[3].input == ""


def test_every_spelling_of_no_input_is_empty_and_real_inputs_stay() -> None:
    for spelling in ("No input", "noinput", "<noinput>", "N/A", "None", "none.", "(no input needed)", "NO_INPUT", "null", "-", "**No input**"):
        assert clean_input(spelling) == "", spelling
    for text in ("No inputs were found in row 3", "None of the above", "n/a, 5, 6", "-5"):
        assert clean_input(text) == text


def test_numbered_lists_are_read_in_every_shape() -> None:
    reply = " Write a poem about NASA.\n10. Sort the\nnumbers.\n**11.** Say hi.\n[12] List fruits. 13. Name 20. things.\nTask 14: Plan a trip."
    got = [t.instruction for t in parse_numbered(reply, 9)]
    assert got == ["Write a poem about NASA.", "Sort the numbers.", "Say hi.", "List fruits.", "Name 20. things.", "Plan a trip."]


def test_talk_around_a_list_is_not_a_task() -> None:
    reply = "Sure, here are more tasks:\n1. Say hi.\n2. Say bye.\nLet me know if you want more!"
    assert [t.instruction for t in parse_numbered(reply, 9)] == ["Say hi.", "Say bye."]


def test_a_cut_list_loses_its_last_item_only() -> None:
    assert [t.problem for t in parse_numbered("9. Say hi.\n10. Say b", 9, cut=True)] == [None, "cut_off"]


def test_instances_are_read_input_first_and_label_first() -> None:
    reply = "## Example 1\n### Input\n1 2\n### Output\n3\n## Example 2\n### Input\nNo input\n### Output\n4"
    assert [(i.input, i.output) for i in parse_instances(reply)] == [("1 2", "3"), ("", "4")]
    labels = "## Example 1\n### Label\nSpam\n### Input\nBuy now\n## Example 2\nClass label: Ham\nInput: See you"
    assert [(i.input, i.output) for i in parse_instances(labels, wants_label=True)] == [("Buy now", "Spam"), ("See you", "Ham")]


def test_a_rewrite_is_read_with_or_without_headings() -> None:
    assert parse_rewrite("### Instruction\nDo more.\n### Input\n1").input == "1"
    assert parse_rewrite("Do more of it.").instruction == "Do more of it."
    assert parse_rewrite("### Instruction\nA\n### Instruction\nB").problem == "several_tasks"
    assert parse_rewrite("  ").problem == "no_instruction"


def test_verdicts_that_cannot_be_read_are_none_and_never_no() -> None:
    assert parse_yes_no("Yes, because it has labels.") is True
    assert parse_yes_no("**No**") is False
    assert parse_yes_no("It depends.") is None and parse_yes_no("Nothing") is None
    assert parse_choice("Reason: x\nVerdict: Different.", "Verdict", ("equal", "different")) == "different"
    assert parse_choice("equal", "Verdict", ("equal", "different")) == "equal"
    assert parse_choice("They are equal or different", "Verdict", ("equal", "different")) is None


def test_scores_out_of_range_or_in_words_are_none() -> None:
    assert parse_score("Difficulty: 7/10", "Difficulty", 1, 10) == 7
    assert parse_score("Difficulty: 11", "Difficulty", 1, 10) is None
    assert parse_score("Difficulty: high", "Difficulty", 1, 10) is None
    assert parse_score("8", "Difficulty", 1, 10) == 8


@given(st.text())
def test_no_text_makes_a_parser_fail(reply: str) -> None:
    parse_tasks(reply)
    parse_numbered(reply, 9)
    parse_instances(reply)
    parse_rewrite(reply)
    find_json(reply)


WORD = st.text(st.characters(categories=("Lu", "Ll", "Lo", "Nd")), min_size=1, max_size=12).filter(lambda w: clean_input(w) == w)


@given(st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=6))
def test_whatever_is_written_in_the_format_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    reply = "\n".join(f"## Task {n}\n### Instruction\nDo {a} now\n### Input\n{b} here\n### Output\n{c} it is" for n, (a, b, c) in enumerate(rows, 1))
    assert texts(reply) == [(f"Do {a} now", f"{b} here", f"{c} it is") for a, b, c in rows]
