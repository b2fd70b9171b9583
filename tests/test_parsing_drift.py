"""Fields that a model renamed, remarks it added, and the published reply formats: read right, or refused by name."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from synth.parsing import ParsedTask, clean_input, parse_instances, parse_numbered, parse_rewrite, parse_tasks
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parent.parent / "seed_tasks" / "seed_tasks.jsonl")
NEXT = "\n\n## Task 2\n### Instruction\nSay hi.\n### Input\nNo input\n### Output\nHi."
HI = ("Say hi.", "", "Hi.")
Fields = tuple[str, str, str]


def read(found: list[ParsedTask]) -> list[Fields]:
    return [(one.instruction, one.input, one.output) for one in found if one.problem is None]


@pytest.mark.parametrize(
    "heading",
    [
        "### Sentence",
        "### Text",
        "Email:",
        "**Passage:**",
        "### Input Text",
        "### Customer Review",
        "Code:",
        "### Data:",
    ],
)
def test_an_input_under_the_name_of_its_kind_is_the_input(heading: str) -> None:
    reply = f"## Task 1\n### Instruction\nJudge the mood.\n{heading}\nI love it.\n### Output\nGood{NEXT}"
    assert read(parse_tasks(reply, wants_output=True)) == [("Judge the mood.", "I love it.", "Good"), HI]


def test_several_kinds_of_material_keep_their_names() -> None:
    reply = f"## Task 1\n### Instruction\nAnswer.\nContext: It rained.\nQuestion: Was it dry?\n### Output\nNo{NEXT}"
    assert read(parse_tasks(reply, wants_output=True))[0] == (
        "Answer.",
        "Context: It rained.\nQuestion: Was it dry?",
        "No",
    )


def test_material_named_in_an_instruction_beside_an_input_stays_there() -> None:
    reply = "## Task 1\n### Instruction\nFix it.\nEmail:\nshort\n### Input\nDeer sir\n### Output\nDear sir"
    assert read(parse_tasks(reply, wants_output=True)) == [("Fix it.\nEmail:\nshort", "Deer sir", "Dear sir")]


def test_a_section_of_unknown_meaning_is_refused_and_one_of_constraints_is_text() -> None:
    reply = "## Task 1\n### Instruction\nPlan it.\n### {}\nlow cost\n### Output\nDone" + NEXT
    assert [t.problem for t in parse_tasks(reply.format("Budget Box"), wants_output=True)] == ["unknown_section", None]
    assert [t.problem for t in parse_tasks(reply.format("Constraints"), wants_output=True)] == [None, None]


def test_labels_with_texts_below_are_read_as_self_instruct_writes_them() -> None:
    found = parse_instances("Class label: A\nText: one\nClass label: B\nText: two", wants_label=True)
    assert [(one.output, one.input) for one in found] == [("A", "Text: one"), ("B", "Text: two")]


def test_outputs_without_examples_are_instances_without_input() -> None:
    assert read(parse_instances("### Output\nHi there.")) == [("", "", "Hi there.")]
    assert read(parse_instances("Output: Hi.\nOutput: Ho.")) == [("", "", "Hi."), ("", "", "Ho.")]


@pytest.mark.parametrize("between", ["", "###\n", "###\n13.\n", "\n####\n\n"])
def test_what_stands_between_items_is_no_text(between: str) -> None:
    items = [f"{n}. Instruction: Add {n}.\n{n}. Input:\n<noinput>\n{n}. Output:\n{n}\n" for n in (12, 13, 14)]
    found = read(parse_tasks(between.join(items) + between, wants_output=True))
    assert found == [(f"Add {n}.", "", f"{n}") for n in (12, 13, 14)]


@pytest.mark.parametrize("form", ["ours", "alpaca"])
def test_numbered_instructions_inside_an_output_are_its_text(form: str) -> None:
    listed = "1. Instruction: Sort.\n2. Instruction: Add."
    alpaca = "4. Instruction: Make two tasks.\n4. Input:\n<noinput>\n4. Output:\n{}\n###\n5. Instruction: Say hi.\n"
    alpaca += "5. Input:\n<noinput>\n5. Output:\nHi."
    ours = "## Task 1\n### Instruction\nMake two tasks.\n### Input\nNo input\n### Output\n{}" + NEXT
    reply = (alpaca if form == "alpaca" else ours).format(listed)
    assert read(parse_tasks(reply, wants_output=True)) == [("Make two tasks.", "", listed), HI]


@pytest.mark.parametrize(
    "text",
    ["No input (the task stands alone)", "No input. The instruction is complete.", "N/A - no input needed.",
     "No input\n\n(None needed as this is general knowledge.)", "None, as the question is self-contained."],
)  # fmt: skip
def test_a_remark_after_no_input_is_no_input(text: str) -> None:
    assert clean_input(text) == ""


@pytest.mark.parametrize("text", ["No input devices were found.", "None of the tasks is done.", "None: 4, given: 5"])
def test_a_text_that_begins_like_no_input_stays(text: str) -> None:
    assert clean_input(text) == text


@pytest.mark.parametrize(
    ("reply", "instruction", "given"),
    [
        ("Rewritten task: Sort them and say why.", "Sort them and say why.", ""),
        ("Here is the rewritten task:\n\nSort them.", "Sort them.", ""),
        ("**Rewritten Task:**\nSort.\n\n**Input:** 3 1", "Sort.", "3 1"),
        ("### New Prompt\nSort.\n### Input\n3 1", "Sort.", "3 1"),
        ("### Instruction\nSort up.\n(I added a constraint)\n### Input\n3 1", "Sort up.", "3 1"),
        ("### Instruction\nSort up. (I have added one more step.)\n### Input\n3 1", "Sort up.", "3 1"),
        ("### Instruction\nSort.\n### Input\n3 1\n\nNote: I added a constraint about order.", "Sort.", "3 1"),
        ("### Instruction\nSay why (I think it is clear).\n### Input\n3 1", "Say why (I think it is clear).", "3 1"),
    ],
)
def test_talk_about_the_rewriting_is_no_part_of_the_task(reply: str, instruction: str, given: str) -> None:
    found = parse_rewrite(reply)
    assert (found.instruction, found.input, found.problem) == (instruction, given, None)


def test_an_instruction_that_goes_on_with_its_answer_is_refused() -> None:
    assert (
        parse_rewrite("### Instruction\nAdd 3 and 1.\nAnswer: 4\n### Input\nNo input").problem
        == "answer_in_instruction"
    )
    for fine in (
        "Add. End with a line in this form:\nAnswer: 12",
        "Add.\nAnswer: [number]",
        "Go on.\nQ: 1\nAnswer: 2\nQ: 2\nAnswer: 3\nQ: 4",
    ):
        assert parse_rewrite(f"### Instruction\n{fine}\n### Input\nNo input").problem is None


# --- the published formats -------------------------------------------------------------------------------------------


def as_alpaca_reads(reply: str, first: int) -> list[Fields]:
    """Alpaca's rule: cut at ###, then each part must divide in seven at its own number's three headings."""
    found = []
    for number, part in enumerate(re.split("###", reply), first):
        pieces = re.split(rf"{number}\.\s+(?:Instruction|Input|Output):", part)
        if len(pieces) == 4:
            instruction, given, output = map(str.strip, pieces[1:])
            found.append((instruction, "" if given.lower() == "<noinput>" else given, output))
    return found


def as_self_instruct_reads(reply: str, labels: bool) -> list[Fields]:
    """Self-Instruct's rule: cut at `Class label:`, or at `Example N` and then at `Output:`."""
    if labels:
        parts = [part.strip().partition("\n") for part in reply.split("Class label:")[1:]]
        return [("", rest.strip(), label.strip()) for label, _, rest in parts]
    found = []
    for part in re.split(r"Example\s?\d*\.?", reply):
        given, mark, output = part.strip().partition("Output:")
        if mark:
            found.append(("", re.sub("^Input:", "", given.strip()).strip(), output.strip()))
    return found


def drawn(rng: random.Random, count: int) -> list[Fields]:
    rows = [
        (" ".join(seed.instruction.split()), seed.instances[0].input.strip(), seed.instances[0].output.strip())
        for seed in rng.sample(SEEDS, count)
    ]
    return [row for row in rows if not re.search("###|Output:|Input:|Example|Class label", "\n".join(row))]


def test_alpacas_replies_are_read_as_by_its_script_or_better() -> None:
    """Differences seen: other spellings of no input are read as none, and neighbours of a slip are not lost."""
    counts: Counter[str] = Counter()
    for number in range(200):
        rng = random.Random(f"alpaca {number}")
        rows = drawn(rng, 6)
        none = rng.choice(["<noinput>", "<noinput>", "<noinput>", "<no input>", "N/A"])
        items = [
            f"{n}. Instruction: {a}\n{n}. Input:\n{b or none}\n{n}. Output:\n{c}\n"
            for n, (a, b, c) in enumerate(rows, 4)
        ]
        slip = rng.random() < 0.2
        reply = "".join(item + ("##\n" if slip and not at else "###\n") for at, item in enumerate(items))
        ours, theirs = read(parse_tasks(reply, wants_output=True)), as_alpaca_reads(reply, 4)
        assert ours == rows, number
        counts["theirs right"] += sum(row in theirs for row in rows)
        counts["ours right"] += sum(row in ours for row in rows)
    assert counts["ours right"] > counts["theirs right"] > 0.5 * counts["ours right"]


def test_self_instructs_replies_are_read_as_by_its_script() -> None:
    """One difference: marks of bold type around a whole text are taken off, so labels here have none."""
    for number in range(200):
        rng = random.Random(f"self-instruct {number}")
        rows = [("", given, output) for _, given, output in drawn(rng, 5)]
        if number % 2:
            rows = [
                ("", b.replace("\n\n", "\n") or "x", c.split("\n")[0].strip("* ")) for _, b, c in rows if "```" not in c
            ]
            reply = "\n".join(f"Class label: {c}\n{b}" for _, b, c in rows)
        else:
            rows = [row for row in rows if row[1]]
            reply = "\n\n".join(f"Example {n}\n{b}\nOutput: {c}" for n, (_, b, c) in enumerate(rows, 1))
        ours = read(parse_instances(reply, wants_label=bool(number % 2)))
        assert ours == as_self_instruct_reads(reply, bool(number % 2)) == rows, (number, reply)


def test_self_instructs_lists_are_read_as_by_its_script() -> None:
    """One difference: its script writes all but the first letter of an instruction small, which here stays as it is."""
    for number in range(200):
        rng = random.Random(f"list {number}")
        wanted = [instruction for instruction, _, _ in drawn(rng, 8)]
        reply = " " + wanted[0] + "".join(f"\n{n}. {text}" for n, text in enumerate(wanted[1:], 10))
        theirs = [" ".join(part.split()).capitalize() for part in re.split(r"\n\d+\s?\. ", reply)]
        ours = [one.instruction for one in parse_numbered(reply, 9)]
        assert ours == wanted and [text.capitalize() for text in ours] == theirs, (number, reply)
