"""What parsing and checks make of each known fault of the embedded teacher: recall, precision, neighbours lost.

    python benchmarks/bench_checks.py [--replies 24] [--fault NAME] [--json] [--refused]

Real prompts of every stage are answered by the embedded teacher; each answer is spoiled with one fault at a time and
read again as the stages read it (same parsers, same checks, same pool). What the clean answer already loses is left
out, so a figure speaks of the fault alone. A third of the items of a reply get an item fault; the rest are neighbours.

recall: share of the faults that came out as expected (retried, recovered, rejected, stopped; for `judged` faults, that
no parser or check is meant to see, the share that was caught all the same). precision: of all items thrown away, those
with the fault. lost: clean neighbours thrown away. The embedded teacher's replies are tidy: recall is an upper bound.

Below the table: what the default checks of select refuse of the seeds and, where the data is there, of 999 rows of
Alpaca's answers by ChatGPT. The rows named in FALSE_ALARMS were judged good by hand, all other refused ones dirt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from synth import embedded
from synth.checks import TASK_CHECKS, build_checks, build_pair_checks
from synth.checks.base import Check
from synth.checks.echo import repeats_request
from synth.embedded.defects import read_items
from synth.embedded.faults import FAULTS, Fault, Faults, FaultyModel
from synth.errors import CredentialsError, RequestRefused, RetryableError
from synth.models.base import ChatRequest, Completion, Sampling
from synth.parsing import (
    ParsedTask,
    parse_choice,
    parse_instances,
    parse_numbered,
    parse_rewrite,
    parse_score,
    parse_tasks,
    parse_yes_no,
)
from synth.prompts import Prompt, render
from synth.prompts.replies import instance_reply
from synth.records import Record, Rejection, SeedTask
from synth.stages.bootstrap.methods import METHODS, instance_records, tasks_schema
from synth.stages.bootstrap.pool import Pool
from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.bootstrap.stage import NEED_INPUT
from synth.stages.evolve.operators import OPERATORS
from synth.stages.evolve.rewriting import rewriting
from synth.stages.seeds import read_seed_tasks
from synth.stages.select import DEFAULT_CHECKS, apply_checks

SEEDS = Path(__file__).resolve().parents[1] / "seed_tasks" / "seed_tasks.jsonl"
METHOD_OF = {"list": "self_instruct", "tasks": "diverse", "full_tasks": "alpaca"}
DEMO = SEEDS.parents[2] / "shared" / "data" / "alpaca_en_demo.json"
FALSE_ALARMS = {
    "Find the angle given two sides of a triangle.": "says rightly that it cannot be known",
    "Organize the sentences chronologically.": "they were in order already",
    "Summarize the timeline of important events leading to World War II.": "whole, but without a full stop",
}
GRADES = ("Correctness", "Instruction-following", "Completeness")
ITEM_RATE = 0.34
Content = tuple[str, ...]
Reading = list[tuple[Content, str | None]]
"""What a stage makes of a reply: each item's content and the reason to throw it away, None where it is kept."""


@dataclass(frozen=True)
class Case:
    """A prompt of a stage with the teacher's answer. `task`: the record that the prompt is about."""

    kind: str
    request: ChatRequest
    answer: Completion
    task: Record


@dataclass
class Score:
    """The counts behind one line of the table."""

    faults: int = 0
    expected: int = 0
    neighbours: int = 0
    lost: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def recall(self) -> float | None:
        return self.expected / self.faults if self.faults else None

    @property
    def precision(self) -> float | None:
        caught = sum(self.reasons.values())
        return caught / (caught + self.lost) if caught + self.lost else None


def early_checks(name: str, seeds: Sequence[SeedTask]) -> list[Check]:
    """The checks of a task that a method proposes; those that need its input come later where that is made later."""
    method = METHODS[name](seeds, BootstrapSettings(method=name), False)  # type: ignore[arg-type]
    found = build_checks([*method.checks, *TASK_CHECKS])
    return [check for named, check in found if not (method.makes_instances and named in NEED_INPUT)]


def _solved(seed: SeedTask, *, label_first: bool) -> dict[str, str]:
    """A seed as a worked example of the instance prompts."""
    one = Record(seed.instruction, seed.instances[0].input, seed.instances[0].output)
    return {"instruction": seed.instruction, "reply": instance_reply(one, label_first=label_first)}


class Replay:
    """A model that gives the answers it was given before, by request."""

    name, endpoint = "embedded", "replay"

    def __init__(self, cases: Sequence[Case]) -> None:
        self._answers = {json.dumps(case.request.to_dict(), sort_keys=True): case.answer for case in cases}

    async def complete(self, request: ChatRequest) -> Completion:
        return self._answers[json.dumps(request.to_dict(), sort_keys=True)]

    async def close(self) -> None: ...


class Bench:
    """Cases of every kind of prompt, and the reading of their replies as the stages do it."""

    def __init__(
        self, answer: Callable[[ChatRequest], Completion], seeds: Sequence[SeedTask], num_replies: int
    ) -> None:
        self._answer, self._seeds, self._wanted = answer, seeds, num_replies
        self._checks = {name: early_checks(name, seeds) for name in METHOD_OF.values()}
        self._task_checks = [check for _, check in build_checks(TASK_CHECKS)]
        stateless = [name for name in DEFAULT_CHECKS if name != "repeated_task"]
        self._select = build_checks([*stateless, {"language": {"languages": ["en"]}}])
        self._pairs = build_pair_checks()
        self.declined: Counter[str] = Counter()
        self.cases = list(self._all_cases())
        self.clean = {id(case): self.read(case, case.answer) for case in self.cases}

    # -- cases

    def _all_cases(self) -> Iterator[Case]:
        proposals = {kind: list(self._proposals(kind)) for kind in METHOD_OF}
        for cases in proposals.values():
            yield from cases
        tasks = [task for kind in ("full_tasks", "tasks") for case in proposals[kind] for task in self._kept(case)]
        for task, other in pairwise(tasks[: self._wanted + 1]):
            yield from self._about(task, other)

    def _proposals(self, kind: str) -> Iterator[Case]:
        settings = BootstrapSettings(method=METHOD_OF[kind], num_tasks=10**6)  # type: ignore[arg-type]
        pool = Pool(self._seeds, settings)
        for number in range(self._wanted):
            structured = kind != "list" and number % 4 == 3
            method = METHODS[settings.method](self._seeds, settings, structured)
            prompt = method.request(pool, random.Random(number)).prompt
            schema = tasks_schema(method.wants_output, settings.per_request) if structured else None
            yield from self._case(kind, prompt, Record(""), schema=schema)

    def _kept(self, case: Case) -> Iterator[Record]:
        for (instruction, given, output), reason in self.read(case, case.answer):
            if reason is None:
                yield Record(instruction, given, output)

    def _about(self, task: Record, other: Record) -> Iterator[Case]:
        """The prompts of the later steps about one task, and about two."""
        values: dict[str, Any] = {"instruction": task.instruction, "input": task.input}
        for kind, name in (("instances", "instances"), ("labels", "instances_output_first")):
            solved = [_solved(seed, label_first=kind == "labels") for seed in self._seeds[:3]]
            yield from self._case(kind, render(name, examples=solved, num_instances=3, **values), task)
        shown = [{"instruction": s.instruction, "is_classification": s.is_classification} for s in self._seeds[:8]]
        yield from self._case(
            "classify", render("is_classification", examples=shown, instruction=task.instruction), task
        )
        name = sorted(OPERATORS)[len(task.instruction) % len(OPERATORS)]
        operator = OPERATORS[name]
        yield from self._case("evolve", rewriting(task, name, operator, operator.prompt, as_json=False), task)
        yield from self._case("equal", render("judge_equal", first=task, second=other, talk="", examples=[]), task)
        yield from self._case("difficulty", render("rate_complexity", **values), task)
        answers = list(self._case("answer", render("answer", **values), task))
        yield from answers
        for text in [case.answer.text for case in answers]:
            yield from self._case(
                "pair", render("judge_pair", answer_a="I do not know.", answer_b=text, **values), task
            )
            yield from self._case("grade", render("grade", answer=text, **values), task)

    def _case(self, kind: str, prompt: Prompt, task: Record, schema: dict[str, Any] | None = None) -> Iterator[Case]:
        request = ChatRequest(prompt.messages, Sampling(temperature=0.7, seed=len(prompt.text)), schema)
        try:
            yield Case(kind, request, self._answer(request), task)
        except RequestRefused:
            self.declined[kind] += 1

    # -- reading

    def read(self, case: Case, answer: Completion) -> Reading:
        """What the stage that asked makes of the answer."""
        text, cut = answer.text, answer.finish_reason == "length"
        if case.kind in METHOD_OF:
            return self._read_proposals(case, text, cut)
        if case.kind in ("instances", "labels"):
            found = parse_instances(text, cut=cut, wants_label=case.kind == "labels")
            return self._selected(instance_records(case.task, found, answer, 5))
        if case.kind == "evolve":
            return [self._read_rewrite(case.task, parse_rewrite(text))]
        if case.kind == "answer":
            return self._selected([case.task.answered(text.strip())])
        return [_read_verdict(case.kind, text)]

    def _read_proposals(self, case: Case, text: str, cut: bool) -> Reading:
        settings = BootstrapSettings(method=METHOD_OF[case.kind], num_tasks=10**6)  # type: ignore[arg-type]
        if case.kind == "list":
            tasks = parse_numbered(text, settings.examples + 1, cut=cut)
        else:
            tasks = parse_tasks(text, cut=cut, wants_output=case.kind == "full_tasks")
        results: list[Record | Rejection] = []
        checks = [repeats_request(case.request.messages), *self._checks[settings.method]]
        for task in tasks:
            record = Record(task.instruction, task.input, task.output)
            problem = task.problem or next(filter(None, (check(record) for check in checks)), None)
            results.append(Rejection(record, "bootstrap", "", problem) if problem else record)
        settled = Pool(self._seeds, settings).settle(results)
        return self._selected(settled, answered=case.kind == "full_tasks")

    def _selected(self, results: Sequence[Record | Rejection], answered: bool = True) -> Reading:
        """`results`, the records among them run through the default checks of select and a check for English."""
        checks = [pair for pair in self._select if answered or pair[0] != "empty_output"]
        checks += build_checks(["repeated_task"])  # this one remembers, so each reply has its own
        return [
            _verdict(next(iter(apply_checks([result], checks))) if isinstance(result, Record) else result)
            for result in results
        ]

    def _read_rewrite(self, parent: Record, parsed: ParsedTask) -> tuple[Content, str | None]:
        child = Record(parsed.instruction, parsed.input or parent.input)
        found = (*(check(parent, child) for _, check in self._pairs), *(check(child) for check in self._task_checks))
        reason = parsed.problem or next(filter(None, found), None)
        return (child.instruction, child.input), reason

    # -- scoring

    async def score(self, name: str) -> Score:
        """All cases of the fault's kinds, spoiled with it and read again."""
        fault, score = FAULTS[name], Score()
        cases = [case for case in self.cases if case.kind in fault.kinds]
        if fault.wire:
            cases = random.Random(0).sample(cases, min(6, len(cases)))
        faults = Faults(f"{name}={ITEM_RATE if fault.item and any(len(self.clean[id(c)]) > 1 for c in cases) else 1}")
        model = FaultyModel(Replay(cases), faults)
        for case in cases:
            before = faults.counts[name]
            try:
                answer = await model.complete(case.request)
            except (RetryableError, RequestRefused, CredentialsError) as error:
                outcome = {RetryableError: "retried", RequestRefused: "rejected"}.get(type(error), "stopped")
                _tally(score, outcome == fault.expect, getattr(error, "reason", "credentials"))
                continue
            if faults.counts[name] > before:
                self._compare(case, answer, fault, score)
        return score

    def _compare(self, case: Case, answer: Completion, fault: Fault, score: Score) -> None:
        clean, seen = self.clean[id(case)], self.read(case, answer)
        kept = Counter(content for content, reason in seen if reason is None)
        if fault.item is None:
            for content, reason in clean[: self._whole_items(case, answer)]:
                if reason is None:
                    now = _reason_at(seen, clean.index((content, reason)))
                    good = {"recovered": kept[content] > 0, "judged": now is not None}.get(
                        fault.expect, not kept[content]
                    )
                    _tally(score, good, now)
            return
        before, after = (read_items(text, case.kind) for text in (case.answer.text, answer.text))
        marks = [a != b for a, b in zip(before, after, strict=True)]
        strange = {content for content, reason in seen if reason is None} - {content for content, _ in clean}
        for at, ((content, reason), spoiled) in enumerate(zip(clean, marks, strict=False)):
            if reason is not None:
                continue
            if spoiled:
                aligned = len(seen) == len(clean)
                refused = seen[at][1] is not None if aligned else not strange
                healed = fault.expect != "judged" and kept[content] > 0
                _tally(
                    score,
                    healed or (refused and fault.expect != "recovered"),
                    _reason_at(seen, at) if aligned else None,
                )
            else:
                score.neighbours += 1
                score.lost += not kept[content]

    def _whole_items(self, case: Case, answer: Completion) -> int:
        """How many items of the clean reply are whole in `answer`: fewer only where it was cut off."""
        if answer.finish_reason != "length":
            return len(self.clean[id(case)])
        return max(0, len(read_items(answer.text, case.kind)) - 1) if case.kind in METHOD_OF else 0


def _tally(score: Score, expected: bool, reason: str | None) -> None:
    score.faults += 1
    score.expected += expected
    if reason:
        score.reasons[reason.partition(":")[0]] += 1


def _reason_at(seen: Reading, at: int) -> str | None:
    return seen[at][1] if at < len(seen) else "not_found"


def _verdict(result: Record | Rejection) -> tuple[Content, str | None]:
    record = result.record if isinstance(result, Rejection) else result
    content = (record.instruction, record.input, record.output)
    return content, result.reason if isinstance(result, Rejection) else None


def _read_verdict(kind: str, text: str) -> tuple[Content, str | None]:
    if kind == "classify":
        value: Any = parse_yes_no(text)
    elif kind in ("equal", "pair"):
        value = parse_choice(text, "Verdict", ("equal", "different") if kind == "equal" else ("A", "B", "tie"))
    elif kind == "grade":
        grades = [parse_score(text, name, 1, 5) for name in GRADES]
        value = None if None in grades else grades
    else:
        value = parse_score(text, "Difficulty", 1, 10)
    return (str(value),), "unreadable" if value is None else None


def _line(name: str, score: Score) -> str:
    def share(value: float | None) -> str:
        return "     –" if value is None else f"{value:6.1%}"

    fault = FAULTS[name]
    reasons = ", ".join(f"{reason} {count}" for reason, count in score.reasons.most_common(2))
    lost = score.lost / score.neighbours if score.neighbours else None
    shares = f"{share(score.recall)} {share(score.precision if fault.expect == 'rejected' else None)} {share(lost)}"
    return f"{fault.stage:10} {name:20} {fault.expect:10} {score.faults:6} {shares}  {reasons}"


def _alarms(show_all: bool) -> None:
    """What the default checks refuse of rows that people wrote or kept, and which of it they should not have."""
    seeds = [Record(s.instruction, i.input, i.output) for s in read_seed_tasks(SEEDS) for i in s.instances]
    rows = json.loads(DEMO.read_text("utf-8")) if DEMO.exists() else []
    demo = [Record(row["instruction"], row["input"], row["output"]) for row in rows]
    for name, records in (("seed instances", seeds), ("rows of alpaca_en_demo", demo)):
        results = apply_checks(records, build_checks(DEFAULT_CHECKS))
        refused = [result for result in results if isinstance(result, Rejection)]
        wrong = [one for one in refused if one.record.instruction in FALSE_ALARMS or name == "seed instances"]
        good = len(records) - len(refused) + len(wrong)
        share = len(wrong) / max(1, good)
        print(f"{len(records)} {name}: {len(refused)} refused, {len(wrong)} of {good} good ones ({share:.2%})")
        for one in refused if show_all else wrong:
            why = FALSE_ALARMS.get(one.record.instruction, "")
            print(f"    {one.check}: {one.record.instruction[:80]}" + (f" (false alarm: {why})" if why else ""))


async def _main(options: argparse.Namespace) -> None:
    settings = embedded.Settings()
    bench = Bench(lambda request: embedded.reply(request, settings), read_seed_tasks(SEEDS), options.replies)
    scores = {name: await bench.score(name) for name in FAULTS if options.fault in (None, name)}
    if options.json:
        rows = {n: replace(s, reasons=dict(s.reasons)).__dict__ | {"recall": s.recall} for n, s in scores.items()}  # type: ignore[arg-type]
        print(json.dumps(rows, indent=1))
        return
    kinds = Counter(case.kind for case in bench.cases)
    print("replies by prompt:", ", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    print("declined by the teacher:", dict(bench.declined))
    clean = [reason for reading in bench.clean.values() for _, reason in reading]
    print(f"clean items: {len(clean)}, thrown away as they are: {Counter(r for r in clean if r).most_common()}\n")
    print(f"{'stage':10} {'fault':20} {'expected':10} {'faults':>6} recall  prec.   lost  reasons given")
    for name, score in scores.items():
        print(_line(name, score))
    for expect in ("retried", "recovered", "rejected", "stopped", "judged"):
        chosen = [score for name, score in scores.items() if FAULTS[name].expect == expect and score.faults]
        if chosen:
            mean = sum(score.recall or 0.0 for score in chosen) / len(chosen)
            least = min(score.recall or 0.0 for score in chosen)
            print(f"{expect:10} {len(chosen):3} faults, mean recall {mean:.1%}, least {least:.1%}")
    neighbours, lost = (sum(getattr(score, what) for score in scores.values()) for what in ("neighbours", "lost"))
    print(f"clean neighbours lost: {lost} of {neighbours} ({lost / max(1, neighbours):.2%})")
    _alarms(options.refused)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replies", type=int, default=24, help="replies of each kind of prompt")
    parser.add_argument("--fault", choices=sorted(FAULTS), help="this fault only")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--refused", action="store_true", help="list every refused row, not the false alarms alone")
    asyncio.run(_main(parser.parse_args()))
