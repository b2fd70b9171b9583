"""A teacher that is of no use is told from its replies: the stage stops early, says why, and keeps all that was paid."""

from __future__ import annotations

import contextlib
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from scripted import MATERIAL, Results, Scripted, collect, draw_for, inventive, new_task, whole

from synth.engine.ledger import LedgerReader
from synth.engine.run import Engine
from synth.errors import StageStopped, SynthError
from synth.models.base import ChatRequest, Completion
from synth.records import Record, Rejection
from synth.stages.bootstrap import BootstrapSettings, bootstrap
from synth.stages.bootstrap.account import ADVICE, LOOK_AFTER, NONSENSE, SURE, Account
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parents[2] / "seed_tasks" / "seed_tasks.jsonl")
GERMAN = (
    "### Instruction\nErkläre dem Kind mit einfachen Worten, warum der Himmel über der Stadt {} ist.\n### Input\n"
    + MATERIAL
)
TEACHERS: dict[str, tuple[Callable[[ChatRequest], str], str]] = {
    "its prompt": (whole, "prompt_echo"),
    "a shown example": (lambda request: request.messages[2]["content"], "prompt_echo"),
    "chatter": (lambda request: "Sure! I would love to help you with that.", ""),
    "another language": (lambda request: GERMAN.format(draw_for(request).random()), "wrong_language"),
    "gibberish": (
        lambda request: "### Instruction\nSort the the the the the the the the list.\n### Input\n" + MATERIAL,
        "gibberish",
    ),
}


def stopped(folder: Path, model: Scripted, **settings: object) -> tuple[Results, StageStopped]:
    """The results until the stage stopped, and its error."""
    chosen = BootstrapSettings(language=["en"], **settings)  # type: ignore[arg-type]
    seen: Results = []

    async def watched(engine: Engine) -> AsyncIterator[list[Record | Rejection]]:
        async for batch in bootstrap(engine, SEEDS, chosen):
            seen.append(batch)
            yield batch

    with pytest.raises(StageStopped) as error:
        collect(folder, model, watched)
    return seen, error.value


@pytest.mark.parametrize("name", TEACHERS)
def test_a_useless_teacher_is_given_up_early_with_counts_reasons_and_advice(name: str, tmp_path: Path) -> None:
    reply, reason = TEACHERS[name]
    model = Scripted(reply)
    results, error = stopped(tmp_path, model, num_tasks=1000, window=16)
    reasons = Counter(one.reason for batch in results for one in batch if isinstance(one, Rejection))
    least = SURE if reason in NONSENSE else LOOK_AFTER
    assert error.exit_code == 3 and reasons.total() >= least and len(model.requests) <= 2 * LOOK_AFTER + 16
    commonest, count = reasons.most_common(1)[0]
    assert not reason or commonest == reason
    assert re.search(r"this teacher gives too little( that makes sense)?: ", error.message)
    assert f"{reasons.total()} tasks tried, 0 kept of 1000 wanted" in error.message
    assert f"commonest reasons: {commonest} {count}" in error.message and "everything paid for is kept" in error.message
    assert error.hint and (reason not in ADVICE or error.hint == ADVICE[reason])
    reader = LedgerReader(tmp_path)
    assert [list(batch) for batch in results] and sum(1 for _ in reader.results("bootstrap")) == reasons.total()
    reader.close()


@pytest.mark.usefixtures("quick_retries")
def test_a_teacher_that_answers_with_nothing_ends_the_run_by_name(tmp_path: Path) -> None:
    chosen = BootstrapSettings(num_tasks=1000, window=16)  # 20 failures at the same moment would stop the engine first
    with pytest.raises(SynthError, match=r"this teacher gives too little.*empty_answer") as error:
        collect(tmp_path, Scripted(lambda request: ""), lambda engine: bootstrap(engine, SEEDS, chosen))
    assert error.value.exit_code == 3


def unlikely(request: ChatRequest) -> Completion:
    """A new task; where it is asked how probable its words were, two in three were not."""
    mean = -3.1 if draw_for(request, "sense").random() < 2 / 3 else -1.0
    return Completion(inventive(request), mean_logprob=mean if request.logprobs else None)


@pytest.mark.parametrize("method", ["diverse", "alpaca", "self_instruct"])
def test_a_teacher_that_finds_its_own_words_improbable_is_given_up_and_what_comes_later_is_not_kept(
    method: str, tmp_path: Path
) -> None:
    first, again = Scripted(unlikely), Scripted(unlikely)
    results, error = stopped(tmp_path, first, num_tasks=300, window=16, method=method)
    flat = [one for batch in results for one in batch]
    reasons = [one.reason if isinstance(one, Rejection) else None for one in flat]
    assert error.exit_code == 3 and error.hint == ADVICE["improbable"] and "that makes sense" in error.message
    assert reasons.index("improbable") < reasons.index("given_up") and None not in reasons[reasons.index("given_up") :]
    assert all(one.detail == "-3.10 nats a token" for one in flat if getattr(one, "reason", "") == "improbable")
    assert stopped(tmp_path, again, num_tasks=300, window=16, method=method)[0] == results and not again.requests


def test_improbable_tasks_are_kept_where_the_check_is_not_asked_for_or_the_server_does_not_tell(tmp_path: Path) -> None:
    for name, reply, checks in (("off", unlikely, ["instruction_length"]), ("silent", inventive, None)):
        model = Scripted(reply)
        chosen = BootstrapSettings(num_tasks=12, checks=checks)
        found = collect(tmp_path / name, model, lambda engine, chosen=chosen: bootstrap(engine, SEEDS, chosen))
        kept = [one for batch in found for one in batch if isinstance(one, Record)]
        assert len(kept) == 12 and all(("mean_logprob" in one.meta) == (name == "off") for one in kept)


def test_what_is_asked_again_after_the_stop_is_free(tmp_path: Path) -> None:
    first, again = Scripted(whole), Scripted(whole)
    results, _ = stopped(tmp_path, first, num_tasks=300, window=16)
    assert stopped(tmp_path, again, num_tasks=300, window=16)[0] == results
    assert first.requests and len(again.requests) <= 16


def test_a_teacher_of_which_one_reply_in_three_is_good_goes_on(tmp_path: Path) -> None:
    def one_in_three(request: ChatRequest) -> str:
        return inventive(request) if draw_for(request, "good").random() < 1 / 3 else whole(request)

    chosen = BootstrapSettings(num_tasks=12, max_requests=1000)
    results = collect(tmp_path, Scripted(one_in_three), lambda engine: bootstrap(engine, SEEDS, chosen), run_seed=3)
    assert sum(isinstance(one, Record) for batch in results for one in batch) == 12


def test_a_teacher_that_repeats_itself_is_given_up_with_the_reason(tmp_path: Path) -> None:
    same = f"### Instruction\n{new_task(random.Random(1))}\n### Input\nkale, pears and plums"
    _, error = stopped(tmp_path, Scripted(lambda request: same), num_tasks=1000)
    assert "1 kept" in error.message and "too_similar" in error.message and error.hint == ADVICE["too_similar"]


def test_the_limit_on_requests_is_named_where_it_ended_the_stage(tmp_path: Path) -> None:
    _, error = stopped(tmp_path, Scripted(whole), method="alpaca", num_tasks=5, max_requests=3)
    assert "the limit on requests was reached" in error.message and "bootstrap.max_requests" in (error.hint or "")


def test_the_account_names_three_reasons_and_leaves_surplus_out() -> None:
    account = Account()
    reasons = ["a"] * 30 + ["cut_off"] * 20 + ["c"] * 3 + ["d"] + ["surplus"] * 9
    account.add([Record("x"), *(Rejection(Record("y"), "bootstrap", "z", reason) for reason in reasons)])
    message, hint = account.why_stopped(10)
    assert "55 tasks tried, 1 kept of 10 wanted; commonest reasons: a 30, cut_off 20, c 3;" in message
    assert hint == ADVICE["cut_off"] and account.is_hopeless


def test_a_teacher_is_given_up_where_a_tenth_of_its_tasks_is_nonsense_that_can_be_seen() -> None:
    account, nonsense = Account(), Rejection(Record("asd"), "bootstrap", "gibberish", "gibberish")
    account.add([Record("Sort the list.")] * 46 + [nonsense] * 4)
    assert not account.is_hopeless
    account.add([nonsense])
    assert not account.is_hopeless
    account.add([nonsense])
    assert account.is_hopeless and account.why_stopped(99)[1] == ADVICE["gibberish"]


def test_one_bad_reply_gives_no_teacher_up_however_many_tasks_it_holds() -> None:
    bad = Rejection(Record("asd"), "bootstrap", "improbable", "improbable", "-3.00 nats a token")
    good, account = [Record(f"Sort list {number}.") for number in range(8)], Account()
    account.judge([bad] * 8)
    account.judge([bad] * 8)
    assert not account.is_hopeless and account.judge(good) == good
    account.judge([bad] * 8)
    assert account.is_hopeless and account.judge(good[:1])[0].reason == "given_up"  # type: ignore[union-attr]
    flooded = Account()
    flooded.judge([bad] * 58 + good)
    assert not flooded.writes_nonsense


def test_tasks_in_a_language_that_no_example_is_in_are_refused_unless_any_will_do(tmp_path: Path) -> None:
    def reply(request: ChatRequest) -> str:
        return GERMAN.format(draw_for(request).random())

    for language, reason in (("shown", "wrong_language"), ("any", None), (["de"], None)):
        chosen = BootstrapSettings(language=language, num_tasks=1, max_requests=1, checks=[])
        place = tmp_path / str(language)
        with contextlib.suppress(StageStopped):
            collect(place, Scripted(reply), lambda engine, chosen=chosen: bootstrap(engine, SEEDS, chosen))
        reader = LedgerReader(place)
        found = [one.reason if isinstance(one, Rejection) else None for one in reader.results("bootstrap")]
        reader.close()
        assert found == [reason]
