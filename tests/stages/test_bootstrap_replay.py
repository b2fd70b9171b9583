"""Self-Instruct's order of work: a recorded log of replies gives the tasks that the published rules give.

The rules are written here once more, from their description and with rouge-score, and share no code with the stage.
Two of its steps are left out on purpose: it puts all but the first letter into lower case, and it throws a reply away
whole when it was cut.
"""

from __future__ import annotations

import contextlib
import json
import re
import string
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from rouge_score import rouge_scorer
from scripted import Scripted, collect, kind_of, prompt_of

from synth.engine.run import Engine
from synth.errors import StageStopped
from synth.models.base import ChatRequest
from synth.records import Record, Rejection
from synth.stages.bootstrap import BootstrapSettings, bootstrap
from synth.stages.seeds import read_seed_tasks

TESTS = Path(__file__).parents[1]
LOG = [json.loads(line) for line in (TESTS / "data" / "self_instruct_log.jsonl").read_text("utf-8").splitlines()]
SEEDS = [seed for seed in read_seed_tasks(TESTS.parent / "seed_tasks" / "seed_tasks.jsonl") if seed.language == "en"]
PROPOSALS = [row["reply"] for row in LOG if row["step"] == "instructions"]
BY_TASK = {(row["step"], row["instruction"]): row["reply"] for row in LOG if row["step"] != "instructions"}
BANNED = "image images graph graphs picture pictures file files map maps draw plot".split()
Task = tuple[str, bool, tuple[tuple[str, str], ...]]


def published(seeds: list[str]) -> list[Task]:
    """What the published rules make of the log: instruction, is it classification, its instances."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    pool = list(seeds)
    accepted: list[str] = []
    for reply in PROPOSALS:
        for part in re.split(r"\n\d+\s?\. ", "\n9. " + reply.lstrip()):
            text = re.sub(r"\s+", " ", part).strip()
            if text and well_formed(text) and max(scorer.score(text, old)["rougeL"].fmeasure for old in pool) <= 0.7:
                accepted.append(text)
                pool.append(text)
    tasks = [(text, BY_TASK["classification", text].strip().lower() == "yes") for text in accepted]
    made = [
        (text, is_classification, published_instances(text, is_classification)) for text, is_classification in tasks
    ]
    return [task for task in made if task[2]]


def well_formed(text: str) -> bool:
    """The filters of step 1."""
    words = text.split()
    return not (
        len(words) <= 3
        or len(words) > 150
        or any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in [*BANNED, "go to"])
        or text.startswith("Write a program")
        or text[0] in string.punctuation
        or not text[0].isascii()
    )


def published_instances(instruction: str, is_classification: bool) -> tuple[tuple[str, str], ...]:
    """The filters of step 4."""
    first, second = ("Label", "Input") if is_classification else ("Input", "Output")
    found = re.findall(
        rf"### {first}\n(.*?)\n### {second}\n(.*?)(?=\n## Example|\Z)", BY_TASK["instances", instruction], re.DOTALL
    )
    pairs = [(b.strip(), a.strip()) if is_classification else (a.strip(), b.strip()) for a, b in found]
    pairs = [("" if given == "No input" else given, output) for given, output in pairs]
    pairs = [pair for pair in pairs if pair[1]]
    if any(a == c and a and b != d for a, b in pairs for c, d in pairs):
        return ()
    kept = [(a, b) for a, b in pairs if a != b and not a.endswith(":") and not b.endswith(":")]
    return tuple(dict.fromkeys(kept))[:5]


def replayed() -> Callable[[ChatRequest], str]:
    """The log as a teacher: proposals in their order, everything else by the task it is about."""
    proposals = iter(PROPOSALS)

    def reply(request: ChatRequest) -> str:
        task, kind = prompt_of(request).partition("Task: ")[2], kind_of(request)
        if kind == "list":
            return next(proposals)
        if kind == "classify":
            return str(BY_TASK["classification", task])
        return str(BY_TASK["instances", task])

    return reply


def test_a_recorded_log_gives_the_tasks_of_the_published_rules(tmp_path: Path) -> None:
    wanted = published([seed.instruction for seed in SEEDS])
    settings = BootstrapSettings(
        method="self_instruct", num_tasks=1000, max_requests=len(PROPOSALS), window=1, instances_per_task=5, language="any", novelty_tokenizer="rouge",
        checks=["instruction_length", {"banned_words": {"words": "self_instruct"}}, "write_a_program",
                "starts_with_punctuation", {"non_ascii_start": {"languages": []}}],
    )  # fmt: skip

    async def to_the_end_of_the_log(engine: Engine) -> AsyncIterator[list[Record | Rejection]]:
        with contextlib.suppress(StageStopped):
            async for batch in bootstrap(engine, SEEDS, settings):
                yield batch

    results = collect(tmp_path, Scripted(replayed()), to_the_end_of_the_log)
    seen: dict[str, list[Record]] = {}
    for record in (one for batch in results for one in batch if isinstance(one, Record)):
        seen.setdefault(record.instruction, []).append(record)
    got = [
        (text, bool(records[0].meta["is_classification"]), tuple((r.input, r.output) for r in records))
        for text, records in seen.items()
    ]
    assert got == wanted
    assert 30 <= len(got) <= sum(reply.count("\n") + 1 for reply in PROPOSALS) - 20
