"""Faults of form planted by the served teacher, counted from end to end: what did `synth run` make of each?

    python benchmarks/bootstrap_faults.py [--scale 1.0] [--keep DIR] [--verbose]

`synth serve-teacher` serves the profile `gpt3-2022` with the faults of form raised, so that each is planted often
enough, and notes each plant in a side file. The real command line bootstraps over HTTP: Self-Instruct's lists and
instances, tasks in sections with their answers, tasks as JSON. Then each stored reply is taken apart: the embedded
teacher says what the clean reply was, the noted plants what was done to it, and the run folder what came of each item.

A reply fault is recovered when every item of the reply came through word for word; an item fault when the item came
through, or was refused for a reason that is right for it. Lost: a clean item that did not come through. An item that
came through may still be refused by the novelty rule or a check of its wording, or be one too many.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth import embedded
from synth.embedded.defects import Item, read_items
from synth.embedded.faults import FAULTS, Faults, parse_faults, prompt_kind, request_digest
from synth.engine.ledger import LedgerReader
from synth.errors import RequestRefused
from synth.models.base import ChatRequest, Sampling
from synth.parsing import clean_input
from synth.records import Record, Rejection

MODEL = "embedded"
CHECKS = ["instruction_length", "write_a_program", "starts_with_punctuation", "non_ascii_start", "odd_start",
          "needs_media", "needs_web"]  # fmt: skip
RIGHT: dict[str, tuple[str, ...]] = {
    "copy_example": ("too_similar", "wrong_language"),
    "near_copy": ("too_similar", "wrong_language"),
    "repeat_in_batch": ("too_similar",),
    "too_short": ("too_short",),
    "too_long": ("too_long",),
    "starts_with_mark": ("starts_with_punctuation", "odd_start"),
    "starts_non_ascii": ("non_ascii_start", "odd_start"),
    "write_program": ("write_a_program",),
    "asks_image": ("needs_media",),
    "asks_link": ("needs_web",),
    "other_language": ("non_ascii_start", "wrong_language"),
    "empty_output": ("no_output",),
    "echoes_input": ("output_equals_input",),
    "none_word": ("no_tasks_found", "no_instances_found", "too_short", "unreadable_answer"),
    "content_filter": ("content_filter",),
    "cut": ("cut_off",),
}
"""Item and envelope faults -> the reasons that are right for them; all other faults are to be recovered."""
LIST = ("numbering_words", "numbering_paren", "numbering_bold", "restarts_at_one", "bullets", "merged_line")
HEADED = ("headings_bold", "headings_plain", "heading_inline", "item_heads_lost")
AROUND = ("preamble", "postamble", "code_fence")
PROPOSED = tuple(name for name in RIGHT if FAULTS[name].stage == "proposal")
ENVELOPE = ("empty", "blank", "none_word", "cut", "content_filter", "think_block", "reasoning_field")
VERDICTS = ("undecided", "wordy_verdict", "label_outside", "verdict_bold")
RUNS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "lists and instances": (
        {"method": "self_instruct", "tasks_per_request": 4, "num_tasks": 500, "instances_per_task": 2},
        dict.fromkeys(LIST, 0.1) | dict.fromkeys((*AROUND, *HEADED), 0.04) | dict.fromkeys(PROPOSED, 0.02)
        | dict.fromkeys(VERDICTS, 0.04) | dict.fromkeys(ENVELOPE, 0.02)
        | {"empty_output": 0.03, "echoes_input": 0.03, "repeat_in_batch": 0.05, "content_filter": 0.03},
    ),
    "sections with answers": (
        {"method": "alpaca", "tasks_per_request": 4, "num_tasks": 400},
        dict.fromkeys(("numbering_words", "numbering_paren", "numbering_bold"), 0.08) | dict.fromkeys(HEADED, 0.08)
        | dict.fromkeys(AROUND, 0.05) | dict.fromkeys(PROPOSED, 0.02) | dict.fromkeys(ENVELOPE, 0.02)
        | {"no_input_spelling": 0.5},
    ),
    "JSON": (
        {"method": "diverse", "tasks_per_request": 4, "num_tasks": 250, "structured": "json"},
        dict.fromkeys(("single_quotes", "trailing_comma"), 0.2) | {"code_fence": 0.1, "preamble": 0.1, "cut": 0.03},
    ),
}  # fmt: skip
"""What is run: the bootstrap section, and the rates of the faults that are raised over the profile's."""
NO_TEXT = {"none_word", "content_filter"}
"""After these nothing of the reply is left to look at."""
LOST = {"not_found", "merged_sections", "no_instruction", "cut_off", "broken_json", "not_an_object", "wrong_type"}
"""A sound item of which this is said was not read rightly."""
Texts = tuple[str, str, str]
"""Instruction, input and output; "" where the reply had no such field."""


@dataclass
class Score:
    """Plants of one fault: `good` ones were recovered or refused for the right reason."""

    planted: int = 0
    good: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def add(self, is_good: bool, reason: str, example: str) -> None:
        """Count one plant."""
        self.planted += 1
        self.good += is_good
        self.reasons[reason] += 1
        self.bad += [] if is_good else [example]


@dataclass
class Tally:
    """All that was counted: scores by fault, clean items and those of them that did not come through."""

    scores: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    clean: int = 0
    lost: list[str] = field(default_factory=list)


def play(name: str, folder: Path, scale: float) -> tuple[Path, list[dict[str, Any]], Faults]:
    """One of RUNS by the command line; (its run folder, the noted plants, the faults as the server had them)."""
    section, rates = RUNS[name]
    profile = "gpt3-2022," + ",".join(f"{fault}={rate}" for fault, rate in rates.items())
    labels, recipe = folder / "labels.jsonl", folder / "recipe.yaml"
    command = [sys.executable, "-m", "synth"]
    served = [*command, "serve-teacher", "--port", "0", "--json", "--faults", profile, "--labels", str(labels)]
    server = subprocess.Popen(served, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")["url"]
        data: dict[str, Any] = {"teacher": {"backend": "openai", "model": MODEL, "base_url": url}}
        data["bootstrap"] = section | {
            "num_tasks": int(section["num_tasks"] * scale),
            "checks": CHECKS,
            "language": ["en"],
        }
        recipe.write_text(json.dumps(data | dict.fromkeys(("respond", "select", "export", "report"))))
        run = [*command, "run", str(recipe), "--run", str(folder / "run"), "--json"]
        done = subprocess.run(run, capture_output=True, text=True, env=os.environ | {"OPENAI_API_KEY": "none"})
        if done.returncode not in (0, 3):
            raise SystemExit(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    finally:
        server.terminate()
        server.wait(10)
    return folder / "run", [json.loads(line) for line in labels.read_text().splitlines()], _item_faults(profile)


def _item_faults(profile: str) -> Faults:
    """The same choice of item faults as the server's, and no other faults."""
    names = {name: rate for name, rate in parse_faults(profile).items() if FAULTS[name].item}
    return Faults(",".join(f"{name}={rate}" for name, rate in names.items()))


def count(folder: Path, labels: Sequence[dict[str, Any]], items: Faults, tally: Tally) -> None:
    """Every stored reply of a run folder against what became of it."""
    reader = LedgerReader(folder)
    plants: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for label in labels:
        plants[label["digest"]].append(label)
    came: dict[str, list[Record | Rejection]] = defaultdict(list)
    verdicts: dict[str, list[Record | Rejection]] = defaultdict(list)
    for result in reader.results("bootstrap"):
        record = _record(result)
        verdicts[record.instruction].append(result)
        for key in record.lineage.completion_keys:
            came[key].append(result)
    for key, text, reason, row in reader.query("SELECT key, text, finish_reason, request FROM requests"):
        request = _request(json.loads(row))
        kind = prompt_kind(request.messages)
        done = plants.get(request_digest(MODEL, request), [])
        try:
            clean = embedded.reply(request, embedded.Settings())
        except RequestRefused:
            continue
        if kind == "classify":
            _verdict(request, clean.text, done, verdicts, tally)
        elif text is not None and reason != "content_filter":
            spoiled = items.spoil(clean, request, request_digest(MODEL, request), 0).text
            _reply(read_items(spoiled, kind), kind, done, came[key], text if reason == "length" else "", tally)
        else:
            asked = re.search(
                r"^## Instruction\n+`{3,}text\n(.*?)\n`{3,}\s*\Z", request.messages[-1]["content"], re.S | re.M
            )
            _reply([], kind, done, verdicts[asked[1] if asked else ""], "", tally)
    reader.close()


def _request(row: dict[str, Any]) -> ChatRequest:
    sampling = Sampling(**row["sampling"] | {"stop": tuple(row["sampling"].get("stop", ()))})
    rest = {name: row[name] for name in ("schema", "draw", "kind") if name in row}
    return ChatRequest(tuple(row["messages"]), sampling, **rest)


def _record(result: Record | Rejection) -> Record:
    return result.record if isinstance(result, Rejection) else result


def _verdict(
    request: ChatRequest, clean: str, done: Sequence[dict[str, Any]], results: dict[str, list[Record | Rejection]],
    tally: Tally,
) -> None:  # fmt: skip
    """Is the class of the task what the clean reply says, or was the reply asked for again and then refused?"""
    instruction = re.findall(r"^Task: (.+)$", request.messages[-1]["content"], re.M)[-1]
    names = {label["fault"] for label in done}
    unread = names & {"undecided", "label_outside"}
    for label in () if names & NO_TEXT else [label for label in done if not unread or label["fault"] in unread]:
        for result in [one for one in results[instruction] if _record(one).instruction == instruction][:1]:
            class_ = _record(result).meta.get("is_classification")
            reason = result.reason if isinstance(result, Rejection) and class_ is None else "read"
            asked_again = reason == "unreadable_answer" and label["fault"] in ("undecided", "label_outside", "cut")
            is_good = class_ is (clean == "Yes") or asked_again
            if reason not in NO_TEXT:  # the second reply may have been filtered away
                tally.scores[label["fault"]].add(is_good, reason, instruction)


def _reply(
    expected: list[Item], kind: str, done: Sequence[dict[str, Any]], results: Sequence[Record | Rejection], cut: str,
    tally: Tally,
) -> None:  # fmt: skip
    """One reply with tasks or instances: its items, what was planted in them, and what came of them."""
    whole = {label["fault"] for label in done if label["item"] is None}
    by_item = {label["item"]: label["fault"] for label in done if label["item"] is not None}
    refused = whole & NO_TEXT
    if refused:
        reasons = {result.reason for result in results if isinstance(result, Rejection)} or {"none"}
        for fault in refused:
            right = reasons & set(RIGHT[fault])
            tally.scores[fault].add(bool(right), min(right or reasons), kind)
        return
    if cut:
        if whole - {"cut"}:
            return  # where the cut lies cannot be told any more
        expected = expected[: max(0, len(read_items(cut, kind)) - 1)]
        if "cut" in whole:
            reasons = {result.reason for result in results if isinstance(result, Rejection)} | {"none"}
            tally.scores["cut"].add("cut_off" in reasons, "cut_off" if "cut_off" in reasons else "none", cut[-80:])
    through = [_came_through(_texts(item), kind, results) for item in expected]
    for at, (item, reasons) in enumerate(zip(expected, through, strict=True)):
        fault, text = by_item.get(at), f"{kind} {sorted(whole)} {item}"
        if fault == "repeat_in_batch" and not any(_texts(item)[0] == _texts(other)[0] for other in expected[:at]):
            continue  # what it repeats was itself changed, so it stands there once
        if fault in RIGHT:
            right = reasons & set(RIGHT[fault])
            if right or "surplus" not in reasons:
                tally.scores[fault].add(bool(right), min(right or reasons), text)
        elif fault and FAULTS[fault].expect == "recovered":
            tally.scores[fault].add(not reasons & LOST, min(reasons), text)
        elif fault is None and not whole:
            tally.clean += 1
            tally.lost += [f"{min(reasons)}: {text}"] if reasons & LOST else []
    damaged = [
        str(expected[at]) for at, reasons in enumerate(through) if by_item.get(at) not in RIGHT and reasons & LOST
    ]
    for fault in whole - {"cut"} if expected else ():
        tally.scores[fault].add(not damaged, "damaged" if damaged else "read", f"{kind} {damaged[:1]}")


def _texts(item: Item) -> Texts:
    return item.get("instruction", ""), clean_input(item.get("input", "")), item.get("output", "")


def _came_through(texts: Texts, kind: str, results: Sequence[Record | Rejection]) -> set[str]:
    """What became of the results with just these texts: "kept", reasons of refusal, or "not_found"."""
    instruction, given, output = (" ".join(text.split()) for text in texts)
    reasons = set()
    for result in results:
        record = _record(result)
        same = kind in ("instances", "labels") or " ".join(record.instruction.split()) == instruction
        if kind != "list":
            same = same and " ".join(record.input.split()) == given
        if kind not in ("list", "tasks"):
            same = same and " ".join(record.output.split()) == output
        if same:
            later = kind == "list" and isinstance(result, Rejection) and result.check in ("instance", "request")
            reasons.add(result.reason if isinstance(result, Rejection) and not later else "kept")
    return reasons or {"not_found"}


def rows(tally: Tally) -> Iterator[str]:
    """A Markdown table, and the totals."""
    yield "| fault | planted | recovered, or refused for the right reason | share | what became of them |"
    yield "|---|--:|--:|--:|---|"
    shown = sorted((name, score) for name, score in tally.scores.items() if FAULTS[name].expect != "judged")
    for name, one in shown:
        became = ", ".join(f"{reason} {count}" for reason, count in one.reasons.most_common(4))
        yield f"| {name} | {one.planted} | {one.good} | {one.good / one.planted:.1%} | {became} |"
    least = min((one.planted for _, one in shown), default=0)
    planted, good = (sum(getattr(one, what) for _, one in shown) for what in ("planted", "good"))
    yield f"\nall: {good} of {planted} ({good / max(1, planted):.2%}), at least {least} of each;"
    yield f"clean items lost: {len(tally.lost)} of {tally.clean}"


def measure(scale: float = 1.0, keep: Path | None = None) -> Tally:
    """All of RUNS, counted together."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        for number, name in enumerate(RUNS):
            folder = (keep or Path(temporary)) / str(number)
            folder.mkdir(parents=True)
            count(*play(name, folder, scale), tally)
    return tally


def main(options: argparse.Namespace) -> None:
    """Measure and print; with --verbose what went wrong too."""
    tally = measure(options.scale, options.keep)
    print("\n".join(rows(tally)))
    for name, score in tally.scores.items() if options.verbose else ():
        print(*(f"\n{name}: {text}" for text in score.bad[:3]))
    print(*tally.lost[: 20 if options.verbose else 0], sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the tasks")
    parser.add_argument("--keep", type=Path, help="keep the run folders here")
    parser.add_argument("--verbose", action="store_true", help="print what went wrong")
    main(parser.parse_args())
