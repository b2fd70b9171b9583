"""Evolution with a teacher whose replies are written here: operators, generations, eliminations, lineage."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from synth.engine.budget import Budget
from synth.engine.ledger import Ledger
from synth.engine.progress import RunProgress
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.throttle import Throttle
from synth.errors import RequestRefused, StageStopped, UsageError
from synth.models.base import ChatRequest, Completion, Usage
from synth.prompts import Prompt
from synth.records import Lineage, Record, Rejection, digest
from synth.stages.evolve import OPERATOR_SETS, OPERATORS, EvolveSettings, evolve
from synth.stages.evolve.evolver import Evolver
from synth.stages.evolve.rewriting import rewriting

Reply = Callable[[str], str | Completion]
Result = Record | Rejection


class Teacher:
    """A chat model that answers by a function of the prompt."""

    name = endpoint = "written-here"

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.calls = 0
        self.notes: list[str] = []

    async def complete(self, request: ChatRequest) -> Completion:
        self.calls += 1
        said = self.reply(told(request.messages))
        answer = said if isinstance(said, Completion) else Completion(said)
        return replace(answer, model=self.name, usage=Usage(1, 1))

    async def close(self) -> None:
        pass


def told(messages: Sequence[dict[str, str]]) -> str:
    """The first message and the last, without the worked examples between them."""
    return "\n\n".join(dict.fromkeys(message["content"] for message in (messages[0], messages[-1])))


def given(prompt: str) -> tuple[str, str]:
    """Instruction and input of the task that is to be rewritten."""
    task = prompt.rpartition("### Instruction\n")[2].rpartition("\n\nRewrite this task")[0]
    instruction, _, material = task.partition("\n### Input\n")
    return instruction, material


def section(prompt: str, name: str) -> str:
    """The fenced text under the last heading `name` of a prompt."""
    return prompt.rpartition(f"## {name}\n\n```text\n")[2].partition("\n```")[0]


MORE = (
    "and also mention the oldest tree near its end",
    "in a calm tone that would suit a guide",
    "but leave out everything that costs money to see",
    "so that children of nine would like it too",
)
"""Nine words each."""


def good(prompt: str) -> str:
    """A sound evolution: a marked longer instruction, judged different, answered."""
    if "# Rewrite a task" in prompt:
        old, material = given(prompt)
        more = MORE[sum(words in old for words in MORE) % len(MORE)]
        return f"### Instruction\n{old} {more}\n### Input\n{material}"
    if "# Invent a task" in prompt:
        return f"### Instruction\nList rare facts about {digest(prompt)[:6]} fields and farms\n### Input\nNo input"
    if "# Compare two tasks" in prompt:
        return f"Verdict: {'equal' if section(prompt, 'First task') == section(prompt, 'Second task') else 'different'}"
    if "# Rate the difficulty" in prompt:
        return f"Difficulty: {min(10, 1 + len(section(prompt, 'Instruction').split()) // 10)}"
    return "A full answer with several words of substance about the matter."


def run(
    path: Path, reply: Reply, count: int = 5, material: str = "", **settings: object
) -> tuple[list[list[Result]], Teacher]:
    """Evolve `count` records with the input `material` in a fresh engine over the run folder `path`."""
    teacher = Teacher(reply)

    async def records() -> AsyncIterator[Record]:
        for n in range(count):
            yield Record(
                f"Describe garden number {n} for a visitor", material, "It is green.", lineage=Lineage("bootstrap")
            )

    async def main() -> list[list[Result]]:
        ledger = Ledger(path)
        roles = {role: RoleModel(teacher, Throttle(8)) for role in ("teacher", "judge")}
        engine = Engine(ledger, roles, Budget({}, (), None, None), RunProgress(), EngineOptions(run_seed=5))
        try:
            return [results async for results in evolve(engine, records(), EvolveSettings(**settings))]
        finally:
            teacher.notes = list(engine.progress.notes)
            await ledger.aclose()

    return asyncio.run(main()), teacher


def children(results: list[list[Result]]) -> list[Result]:
    return [child for one in results for child in one[1:]]


def test_each_generation_evolves_the_survivor_of_the_last(tmp_path: Path) -> None:
    results, _ = run(tmp_path, good, rounds=3, operators={"add_constraint": 1})
    for one in results:
        line = [r for r in one if isinstance(r, Record)]
        assert [r.lineage.generation for r in line] == [0, 1, 2, 3]
        assert [r.lineage.parents for r in line[1:]] == [(r.id,) for r in line[:-1]]
        assert all(r.output and len(r.lineage.completion_keys) == 2 for r in line[1:])


def test_a_task_that_fails_returns_to_the_pool_and_is_evolved_again_from_the_same_parent(tmp_path: Path) -> None:
    def fails_first(prompt: str) -> str:
        return given(prompt)[0] if "Rewrite this task, deepen:" in prompt else good(prompt)

    results, _ = run(tmp_path, fails_first, rounds=2, operators={"deepen": 1, "add_constraint": 1}, count=30)
    seen = [one for one in results if isinstance(one[1], Rejection) and isinstance(one[2], Record)]
    assert seen
    assert all(one[2].lineage.parents == (one[0].id,) for one in seen)  # type: ignore[union-attr]


def test_the_same_operator_on_the_same_parent_asks_for_another_answer(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def fails_once(prompt: str) -> str:
        seen[prompt] += 1
        return given(prompt)[0] if "# Rewrite" in prompt and seen[prompt] == 1 else good(prompt)

    results, _ = run(tmp_path, fails_once, rounds=2, operators={"deepen": 1})
    assert all(isinstance(one[1], Rejection) and isinstance(one[2], Record) for one in results)


@pytest.mark.parametrize("material", ["", "Roses along the wall, a pond, two old pear trees."])
def test_operator_shares_are_uniform_by_chi_square(tmp_path: Path, material: str) -> None:
    results, _ = run(tmp_path, good, count=240, material=material, rounds=1, judge=False, answer=False, checks=[])
    counts = Counter(r.lineage.operator for r in children(results) if isinstance(r, Record))
    names = {name for name in OPERATOR_SETS["default"] if material or name != "complicate_input"}
    expected = 240 / len(names)
    assert set(counts) == names, "there is no input to complicate without one"
    assert sum((counts[name] - expected) ** 2 / expected for name in names) < 20.5  # 5 degrees of freedom, p = 0.001


def test_the_draw_of_operators_does_not_depend_on_the_number_of_rounds(tmp_path: Path) -> None:
    two, _ = run(tmp_path / "a", good, rounds=2)
    three, _ = run(tmp_path / "b", good, rounds=3)
    assert [one[:3] for one in three] == two


def test_one_more_round_over_the_same_folder_pays_for_the_new_generation_only(tmp_path: Path) -> None:
    _, first = run(tmp_path, good, rounds=2)
    _, again = run(tmp_path, good, rounds=2)
    assert again.calls == 0
    _, more = run(tmp_path, good, rounds=3)
    _, whole = run(tmp_path.with_name("whole"), good, rounds=3)
    assert first.calls + more.calls == whole.calls


@pytest.mark.parametrize(
    ("marker", "reply", "check"),
    [
        ("Describe garden", "Sorry, I cannot help with that.", "short_apology"),
        ("Describe garden", "...", "no_content"),
        (
            "# Rewrite a task",
            "### Instruction\nDescribe to people what the rewritten prompt says of a garden",
            "prompt_words",
        ),
        ("# Rewrite a task", "### Instruction\nA\n### Instruction\nB", "parsing"),
    ],
)
def test_each_elimination_has_its_own_reason(tmp_path: Path, marker: str, reply: str, check: str) -> None:
    def bad(prompt: str) -> str:
        hit = prompt.startswith(marker) if marker != "Describe garden" else not prompt.startswith("# ")
        return reply if hit else good(prompt)

    results, _ = run(tmp_path, bad, rounds=1, operators={"add_constraint": 1})
    found = children(results)
    assert found and all(isinstance(r, Rejection) and r.check == check for r in found), found[0]


@pytest.mark.parametrize("checks", [None, ["unchanged"]])
def test_a_child_that_was_improbable_to_the_teacher_is_eliminated_unless_that_is_switched_off(
    checks: list[str] | None, tmp_path: Path
) -> None:
    def unlikely(prompt: str) -> Completion:
        return Completion(good(prompt), mean_logprob=-2.5)

    results, _ = run(tmp_path, unlikely, rounds=1, checks=checks)  # type: ignore[arg-type]
    found = {one.reason if isinstance(one, Rejection) else "kept" for one in children(results)}
    assert found == ({"kept"} if checks else {"improbable"})


def test_a_judge_that_contradicts_itself_by_order_keeps_the_task_and_says_so(tmp_path: Path) -> None:
    def by_order(prompt: str) -> str:
        first, second = section(prompt, "First task"), section(prompt, "Second task")
        if "# Compare two tasks" in prompt and "garden" in first:
            return f"Verdict: {'equal' if len(second) > len(first) else 'different'}"
        return good(prompt)

    results, _ = run(tmp_path, by_order, rounds=1, operators={"add_constraint": 1})
    assert all(isinstance(r, Record) and r.meta["judge_disagrees"] for r in children(results))


def test_what_a_judge_calls_equal_is_rejected_as_no_gain_and_what_cannot_be_read_as_unreadable(tmp_path: Path) -> None:
    for number, (verdict, reason) in enumerate({"Verdict: equal": "no_gain", "Hm.": "unreadable_verdict"}.items()):

        def says(prompt: str, verdict: str = verdict) -> str:
            return verdict if "# Compare two tasks" in prompt and "garden" in prompt else good(prompt)

        results, _ = run(tmp_path / str(number), says, rounds=1, operators={"add_constraint": 1})
        assert {(r.check, r.reason) for r in children(results) if isinstance(r, Rejection)} == {("judge", reason)}


@pytest.mark.parametrize("verdict", ["Verdict: equal", "Verdict: different", "I cannot say."])
def test_a_judge_that_says_the_same_of_every_planted_pair_is_switched_off(tmp_path: Path, verdict: str) -> None:
    def same(prompt: str) -> str:
        return verdict if "# Compare two tasks" in prompt else good(prompt)

    results, teacher = run(tmp_path, same, count=20, rounds=1, operators={"add_constraint": 1})
    assert all(isinstance(r, Record) for r in children(results)) and len(children(results)) == 20
    assert any("judge is switched off" in note for note in teacher.notes)


def test_a_judge_that_eliminates_nearly_everything_stops_the_stage_and_is_named(tmp_path: Path) -> None:
    def equal(prompt: str) -> str:
        return "Verdict: equal" if "# Compare two tasks" in prompt and "garden" in prompt else good(prompt)

    with pytest.raises(StageStopped, match="no_gain"):
        run(tmp_path, equal, count=80, rounds=1)


def test_a_request_that_fails_for_good_costs_its_generation_only(tmp_path: Path) -> None:
    def refuses(prompt: str) -> str:
        if "garden number 2" in prompt and "# Rewrite" in prompt:
            raise RequestRefused("bad prompt", "bad_request")
        return good(prompt)

    results, _ = run(tmp_path, refuses, rounds=2, operators={"add_constraint": 1})
    assert [[isinstance(r, Record) for r in one] for one in results].count([True, False, False]) == 1
    assert sum(isinstance(r, Rejection) for r in children(results)) == 2


def test_difficulty_and_words_added_are_measured(tmp_path: Path) -> None:
    results, _ = run(tmp_path, good, rounds=1, operators={"add_constraint": 1}, rate_complexity=True)
    for child in children(results):
        assert isinstance(child, Record)
        assert child.meta["words_added"] == 9
        assert child.meta["complexity"] >= child.meta["complexity_before"] >= 1


def test_auto_tunes_a_method_keeps_the_best_and_costs_nothing_twice(tmp_path: Path) -> None:
    def reply(prompt: str) -> str:
        if prompt.startswith("# Find faults"):
            return "- It adds nothing."
        if prompt.startswith("# Improve a rewriting method"):
            return "Add one checkable demand."
        if "# Rewrite a task" in prompt and "checkable demand" not in prompt:
            return given(prompt)[0]
        return good(prompt)

    tune = {"steps": 2, "num_candidates": 2, "rounds": 1, "num_sample": 2, "num_held_out": 3}
    results, first = run(tmp_path, reply, rounds=1, method="auto", tune=tune)
    assert all(isinstance(r, Record) and r.lineage.operator == "auto" for r in children(results))
    _, again = run(tmp_path, reply, rounds=1, method="auto", tune=tune)
    assert first.calls > 0 and again.calls == 0


@pytest.mark.parametrize(
    "weights",
    [{"add_constraint": 0}, {"nonsense": 1}, {"deepen": -1}, {"deepen": float("inf")}, {}, [], "nonsense", None],
)
def test_weights_that_make_no_sense_are_refused(weights: Any) -> None:
    with pytest.raises(ValidationError):
        EvolveSettings(operators=weights)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ValidationError):
        EvolveSettings(rounds=0)


def test_a_tuned_method_stands_in_a_file_and_an_unusable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tuned.txt"
    path.write_text("Add one checkable demand.\n")
    operators = EvolveSettings(method_path=path).chosen_operators()
    assert {name: one.method for name, one in operators.items()} == {"auto": "Add one checkable demand."}
    path.write_text(" \n")
    for unusable in (path, tmp_path, tmp_path / "nowhere.txt"):
        with pytest.raises(UsageError, match="method_path"):
            EvolveSettings(method_path=unusable).chosen_operators()


def test_a_task_keeps_its_input_unless_the_operator_may_change_it(tmp_path: Path) -> None:
    def drops_input(prompt: str) -> str:
        if "# Rewrite a task" in prompt:
            return f"### Instruction\n{given(prompt)[0]} and sort them by weight afterwards\n### Input\nNone"
        return good(prompt)

    async def evolved(operator: str) -> Result:
        parent = Record("Name the heaviest of all fruits in one word", "melon, cherry, plum and a basket of quinces")
        evolver = Evolver(EvolveSettings(rounds=1, operators={operator: 1}, judge=False, answer=False), 0)

        async def ask(prompt: Prompt, *_: object, **__: object) -> Completion:
            return Completion(drops_input(told(prompt.messages)))

        return (await evolver.generations(parent, ask))[1]

    kept, lost = (asyncio.run(evolved(name)) for name in ("add_constraint", "complicate_input"))
    assert isinstance(kept, Record) and kept.input.startswith("melon")
    assert isinstance(lost, Rejection) and lost.check == "lost_input"


def test_an_easier_problem_is_asked_for_as_easier_in_template_and_method_alike() -> None:
    for name, is_easier in (("math_downward", True), ("breadth", False)):
        operator = OPERATORS[name]
        text = told(rewriting(Record("Add 3 and 4."), name, operator, operator.prompt, as_json=False).messages)
        assert ("clearly easier" in text) == is_easier == ("as difficult" not in text)
