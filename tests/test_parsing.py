"""What models write instead of what they were asked for, and what is read from it."""

from __future__ import annotations

import json

import pytest
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
    rows = [
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": 5},
        "x",
        {"instruction": "Say hi.", "input": "No input"},
    ]
    parsed = parse_tasks("```json\n" + json.dumps({"tasks": rows}) + "\n```")
    assert [t.problem for t in parsed] == [None, "wrong_type", "not_an_object", None]
    assert parsed[3].input == ""


def test_every_spelling_of_no_input_is_empty_and_real_inputs_stay() -> None:
    for spelling in (
        "No input",
        "noinput",
        "<noinput>",
        "N/A",
        "None",
        "none.",
        "(no input needed)",
        "NO_INPUT",
        "null",
        "-",
        "**No input**",
    ):
        assert clean_input(spelling) == "", spelling
    for text in ("No inputs were found in row 3", "None of the above", "n/a, 5, 6", "-5"):
        assert clean_input(text) == text


def test_numbered_lists_are_read_in_every_shape() -> None:
    reply = " Write a poem about NASA.\n10. Sort the\nnumbers.\n**11.** Say hi.\n[12] List fruits. 13. Name 20. things.\nTask 14: Plan a trip."
    got = [t.instruction for t in parse_numbered(reply, 9)]
    assert got == [
        "Write a poem about NASA.",
        "Sort the numbers.",
        "Say hi.",
        "List fruits.",
        "Name 20. things.",
        "Plan a trip.",
    ]


def test_talk_around_a_list_is_not_a_task() -> None:
    reply = "Sure, here are more tasks:\n1. Say hi.\n2. Say bye.\nLet me know if you want more!"
    assert [t.instruction for t in parse_numbered(reply, 9)] == ["Say hi.", "Say bye."]


def test_a_cut_list_loses_its_last_item_only() -> None:
    assert [t.problem for t in parse_numbered("9. Say hi.\n10. Say b", 9, cut=True)] == [None, "cut_off"]


def test_instances_are_read_input_first_and_label_first() -> None:
    reply = "## Example 1\n### Input\n1 2\n### Output\n3\n## Example 2\n### Input\nNo input\n### Output\n4"
    assert [(i.input, i.output) for i in parse_instances(reply)] == [("1 2", "3"), ("", "4")]
    labels = "## Example 1\n### Label\nSpam\n### Input\nBuy now\n## Example 2\nClass label: Ham\nInput: See you"
    assert [(i.input, i.output) for i in parse_instances(labels, wants_label=True)] == [
        ("Buy now", "Spam"),
        ("See you", "Ham"),
    ]


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


# -- texts that hold what looks like a heading ------------------------------------------------------------------------


def one_task(instruction: str, given: str, output: str) -> str:
    return f"## Task 1\n### Instruction\n{instruction}\n### Input\n{given}\n### Output\n{output}\n\n"


TEXTS_WITH_HEADINGS = [
    ("Continue the pairs.", "Input: 3\nOutput: 6\nInput: 4", "8"),
    ("Answer the quiz.", "Question: Which river?\nAnswer: ...\nLabel: geography", "The Danube"),
    (
        "Make a plan.",
        "Task 1: mop\nTask 2: sweep\n1. first\n2. second",
        "## Task 1: mop\n\nMop it.\n\n## Task 2: sweep\n\nSweep.",
    ),
    ("Write the page.", "No headings", "# Guide\n\n## Output format\n\nJSON.\n\n### Input validation\n\nNone."),
    ("What is it worth?", "It was made in 20.\n\nThen 20. followed.", "In 2020. About $20. ### is a mark."),
    ("Say the number.", "x", "5"),
]


@pytest.mark.parametrize("row", TEXTS_WITH_HEADINGS)
def test_lines_that_look_like_headings_stay_where_they_are(row: tuple[str, str, str]) -> None:
    reply = one_task(*row) + one_task("Say hi.", "No input", "Hi.").replace("Task 1", "Task 2")
    assert texts(reply, wants_output=True) == [row, ("Say hi.", "", "Hi.")]


def test_a_bare_number_as_answer_is_no_head_of_an_item() -> None:
    reply = (
        "### Instruction\nAdd.\n### Input\n2 3\n### Output\n5\n\n### Instruction\nDouble.\n### Input\n3\n### Output\n6"
    )
    assert texts(reply) == [("Add.", "2 3", "5"), ("Double.", "3", "6")]


def test_heads_in_other_dress_are_no_part_of_the_text_before_them() -> None:
    for head in ("2)", "**2.**", "[2]", "Task 2:", "### Task 2", "---\n\n## Task 2", "**Task 2**", "## 2."):
        reply = CLEAN.replace("## Task 2", head)
        assert texts(reply) == WANTED, head


def test_a_task_whose_instruction_stands_under_its_head_is_read() -> None:
    assert texts(CLEAN.replace("### Instruction\nSay hi.", "Say hi.")) == WANTED
    reply = "Task 1: Add NASA's numbers.\nInput: 1 2\nOutput: 3\nTask 2: Say hi.\nInput: none\nOutput: Hi."
    assert texts(reply, wants_output=True) == WANTED


def test_titles_after_the_number_of_an_item_are_left_out() -> None:
    assert texts(CLEAN.replace("## Task 1", "## Task 1: Sums").replace("## Task 2", "## Task 2 - A greeting")) == WANTED


def test_two_outputs_in_one_task_are_refused_and_cost_no_neighbour() -> None:
    assert problems(CLEAN.replace("3\n", "3\n### Output\n4\n"), wants_output=True) == ["merged_sections", None]


def test_fields_in_fences_as_a_base_model_writes_them_are_unwrapped() -> None:
    reply = "## Task 1\n### Instruction\n```text\nAdd NASA's numbers.\n```\n### Input\n````text\n```\n1 2\n```\n````\n### Output\n```text\n3\n```"
    assert texts(reply) == [("Add NASA's numbers.", "```\n1 2\n```", "3")]


def test_windows_line_ends_change_nothing() -> None:
    assert texts(CLEAN.replace("\n", "\r\n")) == WANTED


def test_headings_in_the_language_of_the_reply_are_read() -> None:
    zh = "## 任务 1\n### 指令\n写一首诗。\n### 输入\n无\n### 输出\n大江东去。\n\n## 任务 2\n### 指令\n数一数。\n### 输入\n一二\n### 输出\n二"
    assert texts(zh) == [("写一首诗。", "", "大江东去。"), ("数一数。", "一二", "二")]
    ru = "**Инструкция:** Назови реку.\n**Ввод:** нет\n**Вывод:** Волга"
    assert texts(ru) == [("Назови реку.", "", "Волга")]


def test_closing_words_are_dropped_and_closing_lines_of_a_letter_are_not() -> None:
    assert texts(CLEAN + "\n\nLet me know if you need more tasks!") == WANTED
    letter = one_task("Write to Ann.", "No input", "Dear Ann,\n\nI cannot come.\n\nI hope you are well.")
    assert texts(letter)[0][2].endswith("I hope you are well.")


# -- JSON -------------------------------------------------------------------------------------------------------------

ROWS = [
    {"instruction": "Add NASA's numbers.", "input": "1 2", "output": "3"},
    {"instruction": "Say hi.", "input": "No input", "output": "Hi."},
]


def test_json_as_python_prints_it_or_with_loose_commas_or_line_breaks_is_read() -> None:
    assert texts(repr({"tasks": ROWS})) == WANTED
    assert texts(json.dumps(ROWS).replace("}, {", "},\n{").replace("]", ",]")) == WANTED
    assert texts(json.dumps(ROWS).replace("1 2", "1\n2"))[0][1] == "1\n2"
    assert texts("Sure, here they are:\n" + json.dumps({"tasks": ROWS}) + "\nEnjoy!") == WANTED


def test_json_that_was_cut_loses_the_cut_object_only() -> None:
    reply = json.dumps({"tasks": [*ROWS, {"instruction": "Third one", "input": "x"}]})
    assert problems(reply[:-20], cut=True) == [None, None, "cut_off"]
    assert problems(json.dumps({"tasks": ROWS}), cut=True) == [None, None]


def test_one_broken_object_costs_no_other() -> None:
    reply = json.dumps({"tasks": [*ROWS, *ROWS]}).replace('"Add NASA\'s numbers."', '"Add "NASA"\'s numbers."', 1)
    assert problems(reply) == ["broken_json", None, None, None]


def test_instances_in_json_are_read() -> None:
    reply = json.dumps(
        {"examples": [{"label": "spam", "input": "Buy"}, {"label": 5, "input": "x"}, {"label": "", "input": "y"}]}
    )
    assert [(i.output, i.problem) for i in parse_instances(reply, wants_label=True)] == [
        ("spam", None),
        ("5", None),
        ("", "no_output"),
    ]


# -- numbers, instances, lists ----------------------------------------------------------------------------------------


def test_tasks_carry_the_number_they_were_asked_under() -> None:
    assert [t.number for t in parse_tasks(CLEAN.replace("Task 1", "Task 4").replace("Task 2", "Task 7"))] == [4, 7]
    assert [t.number for t in parse_tasks(CLEAN.replace("Task 2", "Task 1"))] == [1, 2]
    assert [t.number for t in parse_tasks(json.dumps(ROWS))] == [1, 2]


def test_instances_without_heads_are_divided_at_their_first_field() -> None:
    reply = "Input: a\nOutput: 1\n\nInput: b\nOutput: 2"
    assert [(i.input, i.output) for i in parse_instances(reply)] == [("a", "1"), ("b", "2")]
    reply = "Class label: Spam\nInput: a\nClass label: Ham\nInput: b"
    assert [(i.input, i.output) for i in parse_instances(reply, wants_label=True)] == [("a", "Spam"), ("b", "Ham")]


def test_another_task_after_the_instances_is_left_out() -> None:
    reply = "## Example 1\n### Input\na\n### Output\n1\n### Instruction:\nNow the next.\n### Input\nb\n### Output\n2"
    assert [(i.input, i.output, i.problem) for i in parse_instances(reply)] == [("a", "1", None)]


def test_lists_in_other_scripts_are_read() -> None:
    assert [t.instruction for t in parse_numbered("写一首诗。\n10、数一数单词。11、画一条线。", 9)] == [
        "写一首诗。",
        "数一数单词。",
        "画一条线。",
    ]
    assert [t.instruction for t in parse_numbered("Назови реку. 10. Сравни города.\n11. Найди ошибку.", 9)] == [
        "Назови реку.",
        "Сравни города.",
        "Найди ошибку.",
    ]
    assert [t.instruction for t in parse_numbered("١. اشرح المطر.\n٢. رتب الكلمات.", 9)] == [
        "اشرح المطر.",
        "رتب الكلمات.",
    ]


def test_bullets_and_lines_without_any_mark_are_items_too() -> None:
    assert [t.instruction for t in parse_numbered("- Say hi.\n- Say bye.", 9)] == ["Say hi.", "Say bye."]
    assert [t.instruction for t in parse_numbered("Say hi.\nSay bye.", 9)] == ["Say hi.", "Say bye."]
    assert [t.instruction for t in parse_numbered("9. Rank these:\n- tea\n- milk\n10. Say hi.", 9)] == [
        "Rank these: - tea - milk",
        "Say hi.",
    ]


def test_case_and_names_are_kept_as_written() -> None:
    assert (
        parse_numbered("9. Tell NASA how Python's print() works.", 9)[0].instruction
        == "Tell NASA how Python's print() works."
    )


# -- what nobody foresaw ----------------------------------------------------------------------------------------------


NEAR = st.lists(
    st.sampled_from(
        [
            "## Task 1",
            "### In\u017ftruction",
            "### Instruction",
            "Input:",
            "**Output:** x",
            "```",
            "\n",
            "2.",
            "---",
            "No input",
            "{",
            "},",
            '"instruction":',
            "a b",
        ]
    )
).map("\n".join)


@given(st.one_of(st.text(), NEAR))
def test_no_text_makes_a_parser_fail(reply: str) -> None:
    parse_tasks(reply)
    parse_numbered(reply, 9)
    parse_tasks(reply, cut=True, wants_output=True)
    parse_instances(reply, wants_label=True)
    parse_instances(reply)
    parse_rewrite(reply)
    find_json(reply)


WORD = st.text(st.characters(categories=("Lu", "Ll", "Lo", "Nd")), min_size=1, max_size=12).filter(
    lambda w: clean_input(w) == w
)


@given(st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=6))
def test_whatever_is_written_in_the_format_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    reply = "\n".join(
        f"## Task {n}\n### Instruction\nDo {a} now\n### Input\n{b} here\n### Output\n{c} it is"
        for n, (a, b, c) in enumerate(rows, 1)
    )
    assert texts(reply) == [(f"Do {a} now", f"{b} here", f"{c} it is") for a, b, c in rows]
