"""Faulty replies planted among real ones: what is read right, refused with its reason, lost, or changed in silence.

    python -m benchmarks.planted_replies

Takes the rows of `planted_rows` and writes them as a teacher would: as replies of tasks, as evolved tasks, as answers,
as numbers. 2,000 good ones and 20 of each kind go through the parsers and checks of a run. Exit code 1 where a good one
is lost, or anything is refused for another reason or changed in silence.

Left out of the rows, being no good answers, are those that apologise or begin with a heading of the prompt.
Read as what they mean, and so no change: an input that spells "no input", and a bare code fence around a whole text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.planted_rows import DATA, EACH, GOOD, Count, Row, real_rows
from synth.checks import build_checks, build_pair_checks
from synth.checks.evolution import evolved_input
from synth.parsing import ParsedTask, parse_instances, parse_rewrite, parse_tasks
from synth.records import Record
from synth.verify import verify

Outcome = tuple[object, ...] | str
"""What was read, or the reason why it was refused."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of reply: what becomes of the one written for a row, and what must."""

    name: str
    found: Callable[[Row], Outcome]
    wanted: Callable[[Row], Outcome]


def good_rows() -> list[Row]:
    """2,000 rows whose answers are good ones; their inputs that spell "no input" as "", and no bare fence."""
    no_answer = re.compile("I('| a)m sorry|Unfortunately, I|### Output")
    rows = [row for row in real_rows(GOOD + 100) if not no_answer.match(row["output"])][:GOOD]
    for row in rows:
        row["input"] = "" if re.sub(r"\W", "", row["input"]).casefold() == "noinput" else row["input"]
        row["output"] = re.sub(r"\A\s*```\n([^`]*)\n```\s*\Z", r"\1", row["output"])
    return rows


def fields(row: Row) -> tuple[str, str, str]:
    return tuple(row[name].strip() for name in ("instruction", "input", "output"))  # type: ignore[return-value]


def outcome(tasks: Sequence[ParsedTask]) -> Outcome:
    """All tasks of a reply; the reason alone where one of them has a problem."""
    reasons = [task.problem for task in tasks if task.problem]
    return reasons[0] if reasons else tuple((task.instruction, task.input, task.output) for task in tasks)


# --- replies of tasks ------------------------------------------------------------------------------------------------

BEFORE, AFTER = ("Say hi.", "", "Hi."), ("Add 1 and 2.", "1 2", "3")


def item(task: Sequence[str], number: int = 2, heading: str = "### Input", none: str = "No input") -> str:
    instruction, given, output = task
    return f"## Task {number}\n### Instruction\n{instruction}\n{heading}\n{given or none}\n### Output\n{output}\n\n"


def tasks(name: str, written: Callable[[Row], str], wanted: Callable[[Row], tuple[str, str, str]] = fields) -> Kind:
    """An item between two good ones, which must be read as well."""

    def found(row: Row) -> Outcome:
        return outcome(parse_tasks(item(BEFORE, 1) + written(row) + item(AFTER, 3), wants_output=True))

    return Kind(name, found, lambda row: (BEFORE, wanted(row), AFTER))


def refused(name: str, written: Callable[[Row], str], reason: str) -> Kind:
    return Kind(name, tasks(name, written).found, lambda row: reason)


def renamed(heading: str) -> Kind:
    """The input under another name, a text in one line."""
    line = "The ferry leaves at nine, and it is full."
    return tasks(
        f"input as {heading}",
        lambda row: item((row["instruction"], line, row["output"]), heading=heading),
        lambda row: (fields(row)[0], line, fields(row)[2]),
    )


def alpaca(between: str) -> Kind:
    """Three items in Alpaca's form with `between` before the later two."""

    def found(row: Row) -> Outcome:
        items = [
            f"{n}. Instruction: {a}\n{n}. Input:\n{b or '<noinput>'}\n{n}. Output:\n{c}\n"
            for n, (a, b, c) in enumerate((BEFORE, fields(row), AFTER), 12)
        ]
        return outcome(parse_tasks(between.join(items), wants_output=True))

    return Kind(f"{between!r} between items", found, lambda row: (BEFORE, fields(row), AFTER))


LISTED = "1. Instruction: Sort them.\n2. Instruction: Add them."
GOOD_REPLIES = tasks("good replies", lambda row: item(fields(row)))
REPLIES = [
    *(renamed(heading) for heading in ("### Sentence", "### Text", "Email:", "**Passage:**", "### Customer Review")),
    *(alpaca(between) for between in ("###\n", "###\n13.\n")),
    tasks(
        "a remark after No input",
        lambda row: item((row["instruction"], "", row["output"]), none="No input (the task stands alone)"),
        lambda row: (fields(row)[0], "", fields(row)[2]),
    ),
    tasks(
        "numbered instructions in an output",
        lambda row: item((row["instruction"], row["input"], LISTED)),
        lambda row: (*fields(row)[:2], LISTED),
    ),
    refused(
        "an answer in the instruction",
        lambda row: item((f"{row['instruction']}\nAnswer: Lima", row["input"], row["output"])),
        "answer_in_instruction",
    ),
    refused(
        "a section of unknown meaning",
        lambda row: item((f"{row['instruction']}\n### Budget Box\nlow cost", "", row["output"]), heading="", none=""),
        "unknown_section",
    ),
    Kind(
        "labels with texts below",
        lambda row: outcome(
            parse_instances(f"Class label: A\nText: {line(row)}\nClass label: B\nText: two", wants_label=True)
        ),
        lambda row: (("", f"Text: {line(row)}", "A"), ("", "Text: two", "B")),
    ),
    Kind(
        "outputs without examples",
        lambda row: outcome(parse_instances(f"### Output\n{line(row)}")),
        lambda row: (("", "", line(row)),),
    ),
]


def line(row: Row) -> str:
    """The row's instruction on one line."""
    return " ".join(row["instruction"].split())


# --- evolved tasks ---------------------------------------------------------------------------------------------------

LOST = build_pair_checks(["lost_input"])[0][1]
TABLE = "name,hours\nAda,{}\nBo,7\nCem,2\nDea,9"


def rewrite(name: str, reply: str) -> Kind:
    """An evolved task with talk about it, which is no part of the task."""

    def found(row: Row) -> Outcome:
        return outcome([parse_rewrite(reply.format(line(row)))])

    return Kind(name, found, lambda row: ((line(row), "", ""),))


def evolved(name: str, given: Callable[[str], str], wanted: str = "", may_change: bool = True) -> Kind:
    """An evolved task whose input is said as `given` of the parent's; "" wants the parent's input back."""

    def table(row: Row) -> str:
        return TABLE.format(len(row["instruction"]))

    def found(row: Row) -> Outcome:
        own = evolved_input(table(row), given(table(row)), may_change)
        verdict = LOST(Record(line(row), table(row)), Record(f"{line(row)} Give reasons.", own))
        return verdict.partition(":")[0] if verdict else (own,)

    return Kind(name, found, lambda row: wanted or (table(row),))


def repeated(row: Row) -> Outcome:
    """What is read of a real row's task, written out once more with a request added."""
    parsed = parse_rewrite(f"### Instruction\n{row['instruction']} Say why.\n### Input\n{row['input'] or 'No input'}")
    own = evolved_input(row["input"], parsed.input, True)
    verdict = LOST(Record(row["instruction"], row["input"]), Record(parsed.instruction, own))
    return parsed.problem or verdict or (parsed.instruction, own)


GOOD_REWRITES = Kind(
    "good rewrites", repeated, lambda row: (f"{row['instruction'].strip()} Say why.", row["input"].strip())
)
EVOLVED = [
    rewrite("Rewritten task:", "Rewritten task: {}"),
    rewrite("Here is the rewritten task:", "Here is the rewritten task:\n\n{}"),
    rewrite("(I added a constraint)", "### Instruction\n{}\n(I added a constraint)\n### Input\nNo input"),
    *(
        evolved(said, lambda table, said=said: said)  # type: ignore[misc]
        for said in ("(unchanged)", "Same as above", "[Table as given]")
    ),
    evolved("cut, may not change", lambda table: table.replace("Dea,9", "..."), may_change=False),
    evolved("a table cut with ...", lambda table: table.replace("Dea,9", "..."), "cut_input"),
    evolved("another table", lambda table: "day,trips\nMon,3", "lost_input"),
]

# --- answers ---------------------------------------------------------------------------------------------------------

CHECKS = build_checks(["stand_in", "refusal", "prompt_leak"])
REFUSALS = {
    "Italian": "Mi dispiace, ma non posso aiutarti con questo.",
    "Polish": "Przepraszam, ale nie mogę wykonać tego zadania.",
    "Dutch": "Het spijt me, maar ik kan dat niet doen.",
    "Japanese": "申し訳ありませんが、その質問にはお答えできません。",
    "Korean": "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "Arabic": "عذرًا، لا أستطيع المساعدة في ذلك.",
    "Hindi": "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।",
}


def checked(record: Record) -> Outcome:
    verdicts = [verdict for _, check in CHECKS if (verdict := check(record))]
    return verdicts[0].partition(":")[0] if verdicts else (record.instruction, record.output)


def answer(name: str, said: str, reason: str) -> Kind:
    """An answer to a question that asks for no such answer."""
    asked = "Evaluate the plan for {} new trees: is it sound?"
    return Kind(name, lambda row: checked(Record(asked.format(len(row["output"])), "", said)), lambda row: reason)


def about(name: str, question: str, said: str) -> Kind:
    """An answer that looks like a stand-in and is what the task asks for."""
    return Kind(name, lambda row: checked(Record(question, "", said)), lambda row: (question, said))


GOOD_ANSWERS = Kind(
    "good answers",
    lambda row: checked(Record(row["instruction"], row["input"], row["output"])),
    lambda row: (row["instruction"], row["output"]),
)
ANSWERS = [
    *(answer(said, said, "stand_in") for said in ("N/A", "None", "<nooutput>", "<web page with a form>")),
    Kind(
        "the instruction's table again",
        lambda row: checked(
            Record(f"Sum the hours of:\n{TABLE.format(len(row['output']))}", "", TABLE.format(len(row["output"])))
        ),
        lambda row: "echoes_table",
    ),
    about("talk of a token", "What does the token <|im_end|> mean?", "<|im_end|> ends a turn."),
    about("None asked for", "Name the moons of Venus, or say None.", "None"),
    *(answer(f"refusal in {language}", said, "refusal") for language, said in REFUSALS.items()),
]


# --- numbers ---------------------------------------------------------------------------------------------------------


def number(name: str, said: str, right: Callable[[int], float], other: Callable[[int], float]) -> Kind:
    """A number as people write it; `other`: how it is misread."""

    def found(row: Row) -> Outcome:
        n = 11 + len(row["instruction"]) % 80
        readings = ((right(n), True), (other(n), False))
        text = said.format(n=n, m=n + 2, k=n + 4)
        return tuple(
            verify(text, {"kind": "numeric", "answer": value, "tolerance": 1e-9}).passed == passes
            for value, passes in readings
        )

    return Kind(name, found, lambda row: (True, True))


GOOD_NUMBERS = number("good numbers", "The answer is {n}.", lambda n: n, lambda n: n + 1)
NUMBERS = [
    number("1.299,00 €", "The price is 1.2{n},00 €.", lambda n: 1200 + n, lambda n: 1.2 + n / 1000),
    number("2,5,8,11", "2,5,{n},{k}", lambda n: n + 4, lambda n: 2.5),
    number("101 103 107", "1{n} 1{m} 1{k}", lambda n: 100 + n + 4, lambda n: (100 + n) * 1e6),
    number("15 minutes (step 3)", "It takes {n} minutes (step 3).", lambda n: n, lambda n: 3),
    number("3/4", "3/{n}", lambda n: 3 / n, lambda n: n),
    number("4.2 × 10^3", "4.{n} × 10^3", lambda n: 4000 + 10 * n, lambda n: 3),
]

PARTS = [(GOOD_REPLIES, REPLIES), (GOOD_REWRITES, EVOLVED), (GOOD_ANSWERS, ANSWERS), (GOOD_NUMBERS, NUMBERS)]


def counted(kind: Kind, rows: Sequence[Row]) -> Count:
    count = Count()
    for row in rows:
        found, wanted = kind.found(row), kind.wanted(row)
        if isinstance(found, str):
            count.refused += found == wanted
            count.wrong += found != wanted
        else:
            count.read += found == wanted
            count.silent += found != wanted
    return count


def measure() -> dict[str, Count]:
    """The counts of all kinds: of the good ones over all rows, of the others over the first 20."""
    rows = good_rows()
    found = {}
    for good, kinds in PARTS:
        found[good.name] = counted(good, rows)
        found |= {kind.name: counted(kind, rows[:EACH]) for kind in kinds}
    return found


def main() -> int:
    """Print one row a kind; 1 where a good one is lost or anything is wrong or changed in silence."""
    if not DATA.is_dir():
        print(f"{DATA} is not there: nothing was measured", file=sys.stderr)
        return 1
    found = measure()
    print(f"{'planted':36}{'read right':>12}{'refused right':>15}{'refused wrong':>15}{'silent':>8}")
    for name, one in found.items():
        print(f"{name:36}{one.read:12,}{one.refused:15,}{one.wrong:15,}{one.silent:8,}")
    return int(any(one.wrong or one.silent for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
