"""The stage itself: requests drawn from the pool, replies read, candidates judged and settled in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from synth.checks import TASK_CHECKS, build_checks
from synth.checks.base import Check, split_reason
from synth.checks.echo import repeats_request
from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Ask, Engine, Fold, Item, StagePlan, request_failure
from synth.errors import RequestFailed, StageStopped
from synth.records import Record, Rejection, SeedTask, digest
from synth.stages.bootstrap.asking import Asker
from synth.stages.bootstrap.methods import METHODS, Method, Request
from synth.stages.bootstrap.pool import STAGE, Pool, Result
from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.stage import Stage

NamedCheck = tuple[str, Check]
NEED_INPUT = ("missing_input", "double_input", "answering_input")
GROWING = ("num_tasks", "max_requests")
"""Settings that may change while a run goes on; all others make the stage start again."""


async def bootstrap(
    engine: Engine, seeds: Sequence[SeedTask], settings: BootstrapSettings
) -> AsyncIterator[list[Result]]:
    """Yield the results of each request in order, until exactly `settings.num_tasks` new tasks are accepted.

    Raises StageStopped when so many tasks are rejected that the teacher is of no use, or that the limit on requests is
    reached first.
    """
    teacher = engine.roles["teacher"]
    structured = settings.structured == "auto" and await engine.takes_schema("teacher")
    method = METHODS[settings.method](seeds, settings, structured, engine.options.run_seed)
    dump = settings.model_dump(mode="json")
    shaping = {key: value for key, value in dump.items() if key not in GROWING}
    fingerprint = digest(shaping, method.versions, [seed.to_dict() for seed in seeds])
    pool = Pool(seeds, settings, await engine.targets(STAGE, fingerprint, settings.num_tasks))
    early, late = _checks(method, settings)

    def next_item(number: int) -> Item:
        def make() -> Request:
            rng = random.Random(int(digest(engine.options.run_seed, "bootstrap request", number)[:16], 16))
            return replace(method.request(pool, rng, number), number=number, lost=pool.lost)

        return Item(f"{settings.method}-{number}", make=make)

    async def work(request: Request, ask: Ask, _rng: random.Random) -> list[Result]:
        asker = Asker(ask, teacher.kind == "completion")
        candidates = await _candidates(method, request, asker)
        await pool.turn(request.number)
        own = [("prompt_echo", repeats_request(request.prompt.messages)), *early]
        judged = pool.judge([_checked(one, own) for one in candidates], request.lost)
        finished = await asyncio.gather(*(_finished(method, one, asker) for one in judged))
        return [_checked(result, late) for results in finished for result in results]

    plan = StagePlan(STAGE, fingerprint, dump, settings.num_tasks * settings.instances)
    fold = Fold(lambda _item, made: pool.settle(made))
    async for _, results in engine.grow(plan, next_item, pool.may_start, work, fold):
        yield results
    if pool.missing > 0:
        raise StageStopped(*pool.account.why_stopped(settings.num_tasks))


async def _candidates(method: Method, request: Request, ask: Asker) -> list[Result]:
    """The tasks of one reply. A request that fails for good is a rejection like any other, so that the row goes on."""
    try:
        return await method.propose(request, ask)
    except RequestFailed as error:
        return [request_failure(Record(""), STAGE, error)]


async def _finished(method: Method, result: Result, ask: Asker) -> list[Result]:
    return [result] if isinstance(result, Rejection) else await method.instances(result, ask)


def _checks(method: Method, settings: BootstrapSettings) -> tuple[list[NamedCheck], list[NamedCheck]]:
    """The checks of a task as it is proposed, and those that need its instance, where that is made later."""
    named = build_checks(["improbable", *method.checks, *TASK_CHECKS] if settings.checks is None else settings.checks)
    if method.languages and settings.language != "any":
        named += build_checks([{"language": {"languages": method.languages}}])
    late = [one for one in named if method.makes_instances and one[0] in NEED_INPUT]
    return [one for one in named if one not in late], late


def _checked(result: Result, checks: Sequence[NamedCheck]) -> Result:
    """The rejection by the first check that refuses a candidate, or the candidate."""
    if isinstance(result, Record):
        for name, check in checks:
            reason = check(result)
            if reason is not None:
                return Rejection(result, STAGE, name, *split_reason(reason))
    return result


def forecast(settings: BootstrapSettings, flow: Flow) -> None:
    """Four requests in five bring what they are asked for; inputs of a task are asked for by themselves."""
    solved = "solved task" if settings.outputs else "task"
    requests = settings.num_tasks / (0.8 * settings.per_request)
    flow.ask("new tasks", requests, "make", ANSWER_TOKENS[solved] * settings.per_request)
    steps = 2 if settings.method == "self_instruct" else int(settings.instances > 1)
    if steps:
        size = ANSWER_TOKENS["solved task"] * settings.instances / steps
        flow.ask("their inputs", steps * settings.num_tasks, "make", size)
    unanswered = 0 if settings.outputs or steps else settings.num_tasks
    flow.add(settings.num_tasks * settings.instances, unanswered, settings.num_tasks)


BOOTSTRAP = Stage(STAGE, BootstrapSettings, bootstrap, "seeds", forecast=forecast, growing=GROWING)
