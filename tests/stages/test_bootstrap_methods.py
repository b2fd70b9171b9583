"""What each method shows and asks for, as published: composition of prompts, few-shot examples, sampling, forms of reply."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from scripted import MATERIAL, Results, Scripted, collect, draw_for, inventive, kind_of, new_task, prompt_of, whole

from synth.errors import StageStopped, UsageError
from synth.metrics import rouge_l
from synth.models.base import ChatRequest, Completion
from synth.parsing import ParsedTask
from synth.records import Instance, Lineage, Record, Rejection, SeedTask
from synth.stages.bootstrap import BootstrapSettings, attributes, bootstrap
from synth.stages.bootstrap.instances import instance_records
from synth.stages.bootstrap.methods import METHODS, tasks_schema
from synth.stages.bootstrap.pool import Example, Pool
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parents[2] / "seed_tasks" / "seed_tasks.jsonl")


def run(
    folder: Path, model: Scripted, seeds: list[SeedTask] = SEEDS, kind: str = "chat", **settings: object
) -> Results:
    chosen = BootstrapSettings(**settings)  # type: ignore[arg-type]
    return collect(folder, model, lambda engine: bootstrap(engine, seeds, chosen), kind=kind)  # type: ignore[arg-type]


def kept(results: Results) -> list[Record]:
    return [one for batch in results for one in batch if isinstance(one, Record)]


def pool_with(machine: int, **settings: object) -> Pool:
    pool = Pool(SEEDS, BootstrapSettings(**settings))  # type: ignore[arg-type]
    pool.accepted = [Example(f"m{n}", new_task(random.Random(n)), "", "") for n in range(machine)]
    return pool


def shown(method: str, machine: int, draw: int = 0, **settings: object) -> Counter[str]:
    """How many seeds, plain tasks and machine-made ones a request shows."""
    pool = pool_with(machine, method=method, **settings)
    request = METHODS[method](SEEDS, pool.settings).request(pool, random.Random(draw))
    sources = {"seed": "seed", "worked": "plain"}
    return Counter(sources.get(parent.partition("_")[0], "machine") for parent in request.parents)


# -- Self-Instruct ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("machine", "seeds", "made"), [(0, 8, 0), (1, 7, 1), (2, 6, 2), (500, 6, 2)])
def test_self_instruct_shows_eight_tasks_up_to_two_machine_made(machine: int, seeds: int, made: int) -> None:
    for draw in range(20):
        assert shown("self_instruct", machine, draw) == Counter({"plain": seeds, "machine": made})
        with_seeds = shown("self_instruct", machine, draw, examples_from="seeds")
        assert with_seeds == Counter({"seed": seeds, "machine": made})


@pytest.mark.parametrize(("method", "count"), [("alpaca", 3), ("diverse", 5)])
def test_the_other_methods_show_no_machine_made_task_however_large_the_pool(method: str, count: int) -> None:
    assert shown(method, 0) == shown(method, 500) == Counter({"plain": count})
    assert shown(method, 500, examples_from="seeds") == Counter({"seed": count})


@pytest.mark.parametrize("change", [{"language": "de"}, {"category": "knots"}])
def test_seeds_of_another_language_or_kind_are_shown_themselves(change: dict[str, str]) -> None:
    seeds = [replace(seed, **change) for seed in SEEDS]  # type: ignore[arg-type]
    request = METHODS["diverse"](seeds, BootstrapSettings()).request(pool_with(0), random.Random(0))
    assert all(parent.startswith("seed_task") for parent in request.parents)


def test_a_task_of_a_kind_is_not_shown_where_that_kind_is_wanted() -> None:
    method = METHODS["diverse"](SEEDS, BootstrapSettings())
    for number in range(60):
        request = method.request(pool_with(0), random.Random(0), number)
        assert f"worked_{request.notes[0]['category']}" not in request.parents


def test_the_classification_variant_shows_classification_seeds_and_asks_for_labels() -> None:
    pool = pool_with(0, method="self_instruct", classification_only=True)
    request = METHODS["self_instruct"](SEEDS, pool.settings).request(pool, random.Random(0))
    kinds = {seed.id: seed.is_classification for seed in SEEDS}
    assert all(kinds[parent] for parent in request.parents)
    assert "names the possible labels" in request.prompt.text


def test_only_instructions_are_listed_without_line_breaks_and_trailing_colons() -> None:
    seeds = [SeedTask(f"s{n}", "", f"Do\n this  number {n}:", (Instance("secret", "hidden"),), False) for n in range(8)]
    pool = Pool(seeds, BootstrapSettings(method="self_instruct", examples_from="seeds"))
    messages = METHODS["self_instruct"](seeds, pool.settings).request(pool, random.Random(1)).prompt.messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert re.fullmatch(r"(\d\. Do this number \d\n?){8}", messages[2]["content"])
    assert "secret" not in str(messages) and "8 more" in messages[3]["content"]


def test_each_step_has_the_published_sampling(tmp_path: Path) -> None:
    model = Scripted(inventive)
    run(tmp_path, model, method="self_instruct", num_tasks=30)
    seen = {kind_of(request): request.sampling.to_dict() for request in model.requests}
    assert seen["list"] == {"temperature": 0.7, "top_p": 0.5, "presence_penalty": 2.0, "max_tokens": 1024}
    assert seen["classify"] == {"temperature": 0.0, "max_tokens": 8}
    assert seen["instances"] == seen["labels"] == {"temperature": 0.0, "presence_penalty": 1.5, "max_tokens": 2048}


def shown_replies(model: Scripted, kind: str) -> list[str]:
    """The assistant's turns of the first request of a kind."""
    request = next(one for one in model.requests if kind_of(one) == kind)
    return [message["content"] for message in request.messages if message["role"] == "assistant"]


def test_the_few_shot_examples_are_12_and_19_and_11_and_16_of_our_own_seeds(tmp_path: Path) -> None:
    model = Scripted(inventive)
    run(tmp_path, model, method="self_instruct", num_tasks=30, examples_from="seeds")
    assert Counter(shown_replies(model, "classify")) == {"Yes": 12, "No": 19}
    instances, labels = shown_replies(model, "instances"), shown_replies(model, "labels")
    assert (len(instances), len(labels)) == (11, 16)
    assert all(re.match(r"### Label\n.*\n### Input\n", reply, re.DOTALL) for reply in labels)
    assert all(re.match(r"### Input\n.*\n### Output\n", reply, re.DOTALL) for reply in instances)
    assert any(reply.startswith("### Input\nNone\n") for reply in instances)
    texts = {" ".join(seed.instruction.split()) for seed in SEEDS}
    assert set(re.findall(r"^Task: (.+)$", model.prompts("classify")[0], re.MULTILINE)[:-1]) <= texts


@pytest.mark.parametrize("examples_from", ["plain", "seeds"])
def test_neither_answer_of_the_question_for_classification_is_shown_more_than_three_times_in_a_row(
    tmp_path: Path, examples_from: str
) -> None:
    model = Scripted(inventive)
    run(tmp_path, model, method="self_instruct", num_tasks=30, examples_from=examples_from)
    assert max(len(list(same)) for _, same in groupby(shown_replies(model, "classify"))) <= 3


def test_all_but_the_last_turn_of_a_step_is_the_same_for_all_its_requests(tmp_path: Path) -> None:
    model = Scripted(inventive)
    run(tmp_path, model, method="self_instruct", num_tasks=30)
    for kind in ("classify", "instances", "labels"):
        heads = {str(request.messages[:-1]) for request in model.requests if kind_of(request) == kind}
        assert len(heads) == 1


def test_up_to_five_instances_and_no_more_and_all_of_one_task(tmp_path: Path) -> None:
    def many(request: ChatRequest) -> str:
        if kind_of(request) not in ("instances", "labels"):
            return inventive(request)
        names = ("Input", "Output") if kind_of(request) == "instances" else ("Label", "Input")
        return "\n".join(f"## Example {n}\n### {names[0]}\na {n}\n### {names[1]}\nb {n}" for n in range(1, 9))

    results = run(tmp_path, Scripted(many), method="self_instruct", instances_per_task=5, num_tasks=10)
    assert set(Counter(record.instruction for record in kept(results)).values()) == {5}
    assert sum(isinstance(one, Rejection) and one.reason == "too_many_instances" for b in results for one in b) == 30


def answers(*pairs: tuple[str, str]) -> list[ParsedTask]:
    return [ParsedTask("", given, output) for given, output in pairs]


def reasons(*pairs: tuple[str, str], most: int = 5) -> list[str | None]:
    task = Record("Do it.", lineage=Lineage("bootstrap"))
    found = instance_records(task, answers(*pairs), Completion("", key="k"), most)
    return [one.reason if isinstance(one, Rejection) else None for one in found]


def test_one_input_with_two_outputs_drops_both_with_the_reason() -> None:
    assert reasons(("a", "1"), ("b", "3"), ("a", "2")) == ["conflicting_outputs", None, "conflicting_outputs"]
    assert reasons(("a", "1"), ("a", "1"), ("b", "2")) == [None, "repeated_instance", None]
    assert reasons(("", "one poem"), ("", "another poem")) == [None, "repeated_instance"]


def test_instances_are_refused_for_the_published_reasons() -> None:
    assert reasons(("same", "same")) == ["output_equals_input"]
    assert reasons(("list:", "1"), ("a", "The list is:"), ("b", "列表:")) == ["unfinished"] * 3
    assert reasons() == ["no_instances_found"]


# -- base models -----------------------------------------------------------------------------------------------------


def test_a_base_model_continues_our_prompts_and_is_stopped_in_time(tmp_path: Path) -> None:
    def goes_on(request: ChatRequest) -> str:
        prompt, rng = prompt_of(request), draw_for(request)
        if prompt.endswith("\n9."):
            lines = [f"{n}. {new_task(rng)}" for n in range(9, 30)]
            return "\n".join(lines).removeprefix("9.")
        if kind_of(request) == "classify":
            return f"{rng.choice(('Yes', 'No'))}\n\nTask: Another one.\nNo"
        first, second = ("Label", "Input") if prompt.endswith("### Label\n") else ("Input", "Output")
        more = "".join(f"\n\n## Example {n}\n### {first}\nabc {n}\n### {second}\nxyz {n}" for n in range(2, 9))
        return f"```text\nabc 1\n```\n### {second}\n```text\nxyz 1\n```" + more + "\n\n=====\n\nTask: Another one."

    model = Scripted(goes_on)
    results = run(tmp_path, model, kind="completion", method="self_instruct", instances_per_task=5, num_tasks=30)
    assert {request.kind for request in model.requests} == {"completion"}
    assert set(Counter(record.instruction for record in kept(results)).values()) == {5}
    assert {(r.input, r.output) for r in kept(results)} == {
        *((f"abc {n}", f"xyz {n}") for n in range(1, 6)),
        *((f"xyz {n}", f"abc {n}") for n in range(1, 6)),
    }
    assert sum(isinstance(one, Record) for one in results[0]) == 5 * 8
    stops = {kind_of(request): request.sampling.stop for request in model.requests}
    assert stops["list"] == ("\n\n", "\n17.") and stops["instances"] == stops["labels"] == ("\n=====",)


@pytest.mark.parametrize("method", ["alpaca", "diverse"])
def test_the_other_methods_lead_a_base_model_into_their_form(tmp_path: Path, method: str) -> None:
    def goes_on(request: ChatRequest) -> str:
        assert [message["role"] for message in request.messages] == ["user"]
        assert prompt_of(request).endswith("\n### Instruction\n") and "\n\n=====\n\n" in prompt_of(request)
        return inventive(request).partition("### Instruction\n")[2]

    results = run(tmp_path, Scripted(goes_on), kind="completion", method=method, num_tasks=30)
    assert len(kept(results)) == 30


# -- forms of reply --------------------------------------------------------------------------------------------------


def test_a_teacher_that_prefers_schemas_is_asked_by_schema_and_shown_json(tmp_path: Path) -> None:
    def as_json(request: ChatRequest) -> str:
        with_inputs = request.schema == tasks_schema(1, False)
        assert with_inputs or request.schema == tasks_schema(1, False, with_inputs=False)
        fields = {"instruction", "input"} if with_inputs else {"instruction"}
        assert all(set(json.loads(m["content"])) == fields for m in request.messages[2::2])
        return json.dumps({"instruction": new_task(draw_for(request)), "input": MATERIAL})

    results = run(tmp_path, Scripted(as_json, structured_outputs=True), method="diverse", num_tasks=20)
    assert len(kept(results)) == 20


def test_several_tasks_are_a_list_in_the_schema_and_in_the_example(tmp_path: Path) -> None:
    def as_json(request: ChatRequest) -> str:
        assert request.schema == tasks_schema(3, True)
        assert len(json.loads(request.messages[2]["content"])["tasks"]) == 3
        rng = draw_for(request)
        rows = [{"instruction": new_task(rng), "input": MATERIAL, "output": "Done."} for _ in range(3)]
        return json.dumps({"tasks": rows})

    results = run(tmp_path, Scripted(as_json, structured_outputs=True), method="alpaca", num_tasks=20)
    assert {record.output for record in kept(results)} == {"Done."}


@pytest.mark.parametrize("method", ["diverse", "alpaca"])
def test_other_teachers_are_shown_headed_sections(tmp_path: Path, method: str) -> None:
    model = Scripted(inventive)
    run(tmp_path, model, method=method, num_tasks=20)
    for request in model.requests:
        assert request.schema is None
        assert all("### Instruction\n" in message["content"] for message in request.messages[2::2])


def test_attributes_stay_with_their_task_when_a_neighbour_is_missing(tmp_path: Path) -> None:
    def skips(request: ChatRequest) -> str:
        return re.sub(r"## Task 3\n.*?(?=## Task 4)", "", inventive(request), flags=re.DOTALL)

    model = Scripted(skips)
    first = run(tmp_path, model, method="diverse", tasks_per_request=5, num_tasks=19)[0]
    wanted = re.findall(r"^\d+\. .+: the assistant is to ([^.]+)\.", prompt_of(model.requests[0]), re.MULTILINE)
    found = [attributes.kind_of(r.meta["requested_category"]).phrase for r in first if isinstance(r, Record)]
    assert len(wanted) == 5 and found == wanted[:2] + wanted[3:]


# -- topic, language, own prompts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_a_topic_is_in_every_proposal(method: str) -> None:
    pool = pool_with(0, method=method, topic="Running a small brewery")
    messages = METHODS[method](SEEDS, pool.settings).request(pool, random.Random(0)).prompt.messages
    assert messages[0]["content"].endswith(
        "## Topic\n\nAll tasks are about this:\n```text\nRunning a small brewery\n```"
    )
    assert " about " not in messages[-1]["content"]


@pytest.mark.parametrize("method", [name for name in METHODS if name != "magpie"])
def test_the_language_wanted_is_asked_for_and_others_are_refused(tmp_path: Path, method: str) -> None:
    model = Scripted(inventive)
    with pytest.raises(StageStopped, match="0 kept of 5 wanted"):
        run(tmp_path, model, method=method, language=["hi"], num_tasks=5, max_requests=2, checks=[])
    assert all("Hindi" in whole(request) for request in model.requests)


FOREIGN = {
    "zh": [("把这句话翻译成英语,并解释其中的成语。", "他总是画蛇添足。", "He always gilds the lily."), ("写一首关于长江的短诗,要有四句。", "", "大江东去,浪花千叠。")],
    "ru": [("Объясни ребёнку, почему небо днём голубое.", "", "Воздух рассеивает синий свет."), ("Отсортируй города по численности жителей.", "Омск, Москва", "Москва, Омск")],
    "ar": [("اشرح لطفل صغير لماذا تمطر السماء في الشتاء.", "", "لأن بخار الماء يبرد."), ("رتب الكلمات التالية حسب الحروف الأبجدية.", "تفاح، باب", "باب، تفاح")],
    "hi": [("एक बच्चे को समझाइए कि आकाश नीला क्यों होता है।", "", "हवा नीले प्रकाश को बिखेरती है।"), ("नीचे दिए गए शहरों को क्रम से लगाइए।", "दिल्ली, आगरा", "आगरा, दिल्ली")],
}  # fmt: skip


@pytest.mark.parametrize("code", FOREIGN)
def test_seeds_and_answers_in_other_scripts_pass_whole_and_repeats_are_caught(tmp_path: Path, code: str) -> None:
    rows = FOREIGN[code]
    seeds = [SeedTask(f"s{n}", "", SEEDS[n].instruction, (Instance("", "x"),), False) for n in range(5)]
    seeds.append(SeedTask("foreign", "", rows[0][0], (Instance(rows[0][1], rows[0][2]),), False))
    more = rows[1:] + rows[:1]
    reply = "\n".join(
        f"## Task {n}\n### Instruction\n{a}\n### Input\n{b or 'No input'}\n### Output\n{c}"
        for n, (a, b, c) in enumerate(more, 1)
    )
    results = run(tmp_path, Scripted(lambda request: reply), seeds, method="alpaca", num_tasks=1, language=[code])
    record, again = results[0]
    assert isinstance(record, Record) and (record.instruction, record.input, record.output) == rows[1]
    assert isinstance(again, Rejection) and again.reason in ("prompt_echo", "too_similar")


def test_the_ascii_rule_applies_to_english_only(tmp_path: Path) -> None:
    lines = [
        "→ Name three rivers of the country and where they end.",
        "Étudie ce texte et donne les idées principales.",
        "写一首关于长江的短诗,要有四句。",
    ]
    reply = "\n".join(
        f"## Task {n}\n### Instruction\n{a}\n### Input\nNo input\n### Output\nx" for n, a in enumerate(lines, 1)
    )
    results = run(
        tmp_path, Scripted(lambda request: reply), method="alpaca", num_tasks=2, max_requests=1, language="any"
    )
    assert [one.reason if isinstance(one, Rejection) else None for one in results[0]] == ["non_ascii_start", None, None]


def test_own_prompts_take_the_place_of_ours_by_path(tmp_path: Path) -> None:
    own = tmp_path / "mine.jinja"
    own.write_text("{# mine #}\n# New tasks\nWrite like a pirate: {{ wanted_items[0].kind }}.")
    model = Scripted(inventive)
    results = run(tmp_path / "run", model, method="diverse", num_tasks=1, prompt_paths={"diverse": str(own)})
    assert "like a pirate" in prompt_of(model.requests[0])
    assert kept(results)[0].lineage.prompt.startswith("mine@")  # type: ignore[union-attr]


def test_a_prompt_that_does_not_exist_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean diverse"):
        BootstrapSettings(prompt_paths={"divers": "x.jinja"})
    model = Scripted(inventive)
    with pytest.raises(UsageError, match="No such file"):
        run(tmp_path, model, prompt_paths={"diverse": str(tmp_path / "none.jinja")})
    assert model.requests == []


def test_novelty_keeps_a_tie_unless_it_is_strict() -> None:
    seed = SeedTask("s", "", "a b c d e f g h i j", (Instance("", "x"),), False)
    tie = Record("a b c d e f g x y z", lineage=Lineage("bootstrap"))
    for strict, wanted in ((False, Record), (True, Rejection)):
        pool = Pool([seed], BootstrapSettings(novelty_strict=strict))
        assert isinstance(pool.judge([tie])[0], wanted)


def test_the_nearest_tasks_are_noted_as_many_as_wanted() -> None:
    pool = Pool(SEEDS, BootstrapSettings(num_most_similar=10))
    near = Record(
        SEEDS[3].instruction.partition(". ")[0] + " in your own words and with a smile", lineage=Lineage("bootstrap")
    )
    (record,) = pool.judge([near])
    assert isinstance(record, Record)
    note = record.meta["most_similar"]
    assert note["id"] == SEEDS[3].id and len(note["others"]) == 9
    assert note["score"] == pytest.approx(rouge_l(near.instruction, SEEDS[3].instruction), abs=1e-4)
