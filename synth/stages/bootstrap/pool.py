"""The growing pool of tasks: what is shown in prompts, what is novel, whose turn it is, and when enough is asked for.

Candidates are judged in the order of their requests, whenever their answers come. So the instances of a task are only
asked for once it is known to be novel, as Self-Instruct does it, and nothing depends on timing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.checks.novelty import NoveltyIndex, Verdict
from synth.records import Record, Rejection, SeedTask
from synth.stages.bootstrap.account import LOOK_AFTER, Account
from synth.stages.bootstrap.settings import BootstrapSettings

STAGE = "bootstrap"
ADMITTED = "most_similar"
"""The key in `meta` that an admitted task carries: {"id", "score"} of its nearest task, null below a score of 0.4."""
PRIOR_ACCEPTANCE = 0.9
"""What share of the tasks asked for is expected to be accepted, before anything is known."""
RAMP = 8
"""Requests at the start where prompts show accepted tasks, else as many as tell whether a teacher is of any use. Each
one settled lets two more begin, up to the window."""
Result = Record | Rejection


@dataclass(frozen=True, slots=True)
class Example:
    """A task as it is shown in a prompt: a seed's first instance, or an accepted record.

    `topic`: what it is about in a few words, "" where nothing says it.
    """

    id: str
    instruction: str
    input: str
    output: str
    is_classification: bool = False
    language: str | None = None
    category: str = ""
    topic: str = ""

    @property
    def num_words(self) -> int:
        """Words of instruction and input."""
        return len(self.instruction.split()) + len(self.input.split())


def seed_example(seed: SeedTask) -> Example:
    """A seed with its first instance; its name, where that is made of words, tells the topic."""
    first, words = seed.instances[0], seed.name.replace("_", " ").split()
    topic = " ".join(words) if words and all(word.isalpha() for word in words) else ""
    return Example(
        seed.id,
        seed.instruction,
        first.input,
        first.output,
        seed.is_classification,
        seed.language,
        seed.category or "",
        topic,
    )


class Pool:
    """Seeds and accepted tasks, in order. All it decides depends on the order of the requests alone.

    `accepted`: tasks settled so far. `lost`: admitted tasks that came to nothing, for want of an instance.
    """

    def __init__(
        self, seeds: Sequence[SeedTask], settings: BootstrapSettings, targets: Sequence[tuple[int, int]] = ()
    ) -> None:
        """`targets`: (number of a request, tasks wanted from it on), see `Ledger.targets`."""
        self.settings = settings
        self._targets = list(targets) or [(0, settings.num_tasks)]
        self.seeds = [seed_example(seed) for seed in seeds]
        self.accepted: list[Example] = []
        self.lost = 0
        self._index = NoveltyIndex(
            settings.novelty_threshold, strict=settings.novelty_strict, tokenizer=settings.novelty_tokenizer
        )
        self._ids = [seed.id for seed in self.seeds]
        self._admitted: set[str] = set()
        self._judged = 0
        self._settled = 0
        self._turns: dict[int, asyncio.Event] = {}
        self.account = Account()
        for seed in self.seeds:
            self._index.add(seed.instruction)

    @property
    def missing(self) -> int:
        """Accepted tasks still wanted."""
        return self.settings.num_tasks - len(self.accepted)

    def target(self, number: int) -> int:
        """Accepted tasks wanted when request `number` was, or is, made."""
        return [wanted for start, wanted in self._targets if start <= number][-1]

    def may_start(self, started: int, committed: int) -> bool:
        """Is one more request needed now? No more is under way than the acceptance so far says is needed."""
        if started >= self.settings.request_limit or self.account.is_hopeless:
            return False
        under_way, missing = started - committed, self.target(started) - len(self.accepted)
        limit = min(self.settings.window, (RAMP if self.settings.machine_examples else LOOK_AFTER) + committed)
        if missing <= 0 or under_way >= limit:
            return False
        prior = PRIOR_ACCEPTANCE * self.settings.per_request
        per_request = (len(self.accepted) + prior) / (committed + 1)
        return under_way == 0 or under_way * per_request < missing

    async def turn(self, number: int) -> None:
        """Wait until the candidates of all requests before `number` are judged."""
        if number > self._judged:
            await self._turns.setdefault(number, asyncio.Event()).wait()

    def judge(self, results: list[Result], lost: int = 0) -> list[Result]:
        """Admit or reject the candidates of the next request, one after the other.

        `lost`: how many tasks were known to be lost when the request was made; so many more than wanted are admitted.
        """
        judged = [self._judge(one, lost) for one in results]
        self._judged += 1
        if event := self._turns.pop(self._judged, None):
            event.set()
        return judged

    def settle(self, results: list[Result]) -> list[Result]:
        """Take the final results of the next request into the pool. An admitted task may have several records.

        Results stored by an earlier process have not been judged in this one; they come out as they are.
        """
        if self._settled == self._judged:
            results = self.judge(results, self.lost)
        self._settled += 1
        results = self.account.judge(results)
        tasks: dict[str, Record | None] = {}
        for one in results:
            record = one if isinstance(one, Record) else one.record
            if ADMITTED in record.meta and tasks.get(record.instruction) is None:
                tasks[record.instruction] = one if isinstance(one, Record) else None
        for task in tasks.values():
            if task is None:
                self.lost += 1
            else:
                shown = bool(task.meta.get("is_classification", False))
                self.accepted.append(Example(task.id, task.instruction, task.input, task.output, shown))
        return results

    def _judge(self, one: Result, lost: int) -> Result:
        record = one if isinstance(one, Record) else one.record
        known = ADMITTED in record.meta
        if (isinstance(one, Rejection) and not known) or (known and record.instruction in self._admitted):
            return one
        if len(self._admitted) - lost >= self.target(self._judged):
            rest = replace(record, meta={key: value for key, value in record.meta.items() if key != ADMITTED})
            return Rejection(rest, STAGE, "target", "surplus", "the number of tasks wanted was reached before it")
        if known:
            self._admit(record)
            return one
        verdict = self._index.score(record.instruction)
        if not verdict.novel or verdict.score >= 1.0:
            nearest = None if verdict.nearest is None else self._ids[verdict.nearest]
            reason = "no_tokens" if verdict.no_tokens else "too_similar"
            return Rejection(record, STAGE, "novelty", reason, f"ROUGE-L {verdict.score:.3f} to {nearest}")
        note = self._note(record.instruction, verdict)
        self._admit(record)
        return replace(record, meta=record.meta | {ADMITTED: note})

    def _admit(self, record: Record) -> None:
        self._admitted.add(record.instruction)
        self._index.add(record.instruction)
        # Where instances are asked for later, a stored task has an input that it had not when it was admitted.
        later = self.settings.method == "self_instruct" or self.settings.instances > 1
        self._ids.append(replace(record, input="").id if later else record.id)

    def _note(self, instruction: str, verdict: Verdict) -> dict[str, Any]:
        """The nearest task and its score; under `others` the next ones, as [id, score], where settings want more."""
        more = self.settings.num_most_similar - 1
        if not more:
            found = verdict.nearest is not None
            nearest = self._ids[verdict.nearest] if verdict.nearest is not None else None
            return {"id": nearest, "score": round(verdict.score, 4) if found else None}
        scores = self._index.all_scores(instruction).tolist()
        best = sorted(range(len(scores)), key=lambda at: (-scores[at], at))[: more + 1]
        pairs = [[self._ids[at], round(scores[at], 4)] for at in best]
        return {"id": pairs[0][0], "score": pairs[0][1], "others": pairs[1:]}
