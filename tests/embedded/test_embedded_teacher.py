"""The teacher as a chat model: a pure function of the request, standard library only, honest about what it cannot do."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from embedded.asking import SEED, ask, known, prompt, tasks

from synth.embedded import EmbeddedTeacher, Settings, count_tokens, reply, shortened
from synth.embedded.answer import answer
from synth.embedded.operations import OPERATIONS
from synth.embedded.task import understand
from synth.errors import RequestRefused, UsageError
from synth.models import connect
from synth.models.base import ChatRequest, Sampling
from synth.parsing import parse_instances, parse_numbered, parse_tasks

DIGEST = """
import hashlib
from synth.models.base import ChatRequest, Sampling
from synth.embedded import Settings, reply
text = "# New tasks\\n\\nWrite 8 new tasks with their answers."
told = hashlib.sha256()
for draw in range(12):
    told.update(reply(ChatRequest(({"role": "user", "content": text},), Sampling(seed=3), draw=draw), Settings()).text.encode())
print(told.hexdigest())
"""
EASY = ("sentiment", "convert_unit", "parity", "count_words", "lookup", "to_json")
WANTED = [
    "domain: a bakery; category: arithmetic; language: English",
    "category: classify",
]


def proposals(settings: Settings, wanted: list[str], **fields: object) -> list[tuple[str, str]]:
    text = ask(prompt("diverse", examples=[SEED], wanted=wanted), settings, **fields)
    return [(task.instruction, task.input) for task in parse_tasks(text)]


def in_process(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    ).stdout


def test_replies_do_not_depend_on_the_hash_seed() -> None:
    assert len({in_process(DIGEST, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")}) == 1


def test_beside_the_standard_library_only_pydantic_is_imported() -> None:
    known = {"synth", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
    code = "import sys\nimport synth.embedded\nprint(*{name.split('.')[0] for name in sys.modules})"
    foreign = set(in_process(code).split()) - set(sys.stdlib_module_names) - known
    assert not {name for name in foreign if not name.startswith("_")}


def test_messages_sampling_draw_choice_and_model_all_matter() -> None:
    asked = prompt("diverse", examples=[SEED], wanted=["x"]).messages
    base = ChatRequest(asked, Sampling(seed=1))
    texts = [
        reply(base, Settings()).text,
        *reply(ChatRequest(asked, Sampling(seed=1), num_choices=3), Settings()).choices[1:],
    ]
    texts.append(reply(ChatRequest(asked, Sampling(seed=2)), Settings()).text)
    texts.append(reply(ChatRequest(asked, Sampling(seed=1), draw=1), Settings()).text)
    texts.append(reply(base, Settings(model="embedded-2")).text)
    texts.append(
        reply(ChatRequest(prompt("diverse", examples=[], wanted=["x"]).messages, Sampling(seed=1)), Settings()).text
    )
    assert len(set(texts)) == len(texts) == 7
    assert reply(base, Settings()).text == texts[0]


def test_examples_of_its_own_are_kept_away_from() -> None:
    shown = tasks("shown", 1)[0]
    example = {"instruction": shown.instruction, "input": shown.input, "output": answer(shown)}
    for draw in range(20):
        text = ask(prompt("diverse", examples=[example], wanted=["x", "y"]), draw=draw)
        found = [known(task).plan.skeleton for task in parse_tasks(text)]
        assert shown.plan.skeleton not in found and len(set(found)) == 2


def test_wanted_lines_are_followed() -> None:
    asked = [proposals(Settings(), WANTED, draw=draw) for draw in range(8)]
    assert sum("loa" in first[0] + first[1] or "bak" in first[0] for first, _ in asked) >= 4
    assert all(OPERATIONS[known_plan(*label).steps[0].op].role == "label" for _, label in asked)


def known_plan(instruction: str, material: str):  # type: ignore[no-untyped-def]
    found = understand(instruction, material)
    assert found is not None, instruction
    return found.plan


def test_outputs_are_given_where_the_form_has_them_and_are_right() -> None:
    text = ask(prompt("alpaca", num_tasks=6, examples=[SEED], with_outputs=True))
    found = parse_tasks(text, wants_output=True)
    assert len(found) == 6 and all(task.output == answer(known(task)) for task in found)
    assert not any(task.output for task in parse_tasks(ask(prompt("diverse", wanted=["a", "b"]))))


def test_a_schema_gets_json() -> None:
    names = {"instruction": {}, "input": {}, "output": {}}
    schema = {
        "type": "object",
        "properties": {"tasks": {"type": "array", "items": {"type": "object", "properties": names}}},
    }
    rows = json.loads(ask(prompt("alpaca", num_tasks=3, as_json=True), schema=schema))["tasks"]
    assert len(rows) == 3 and all(set(row) == set(names) for row in rows)


def test_a_list_goes_on_behind_its_last_number() -> None:
    asked = prompt("self_instruct", instructions=["Name a river."] * 8, num_new=5)
    assert ask(asked).startswith("9. ") and len(parse_numbered(ask(asked), 9)) == 5
    assert ask(asked, kind="completion").startswith(" ")
    only = parse_numbered(
        ask(prompt("self_instruct", instructions=["Name a river."], num_new=6, classification_only=True)), 2
    )
    answers = [ask(prompt("is_classification", instruction=task.instruction)) for task in only]
    assert len(only) == 6 and answers.count("Yes") >= 4


def test_instances_differ_and_labels_are_spread() -> None:
    text = ask(prompt("instances", instruction="How many words are in the review?", num_instances=5))
    found = parse_instances(text)
    assert len({one.input for one in found}) == 5
    assert all(answer(known_task("How many words are in the review?", one.input)) == one.output for one in found)
    asked = prompt("instances_output_first", instruction="Is the review positive or negative?", num_instances=6)
    labelled = parse_instances(ask(asked), wants_label=True)
    assert sorted(one.output for one in labelled) == ["negative"] * 3 + ["positive"] * 3


def known_task(instruction: str, material: str):  # type: ignore[no-untyped-def]
    found = understand(instruction, material)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Write a poem.",
        "",
        "  ",
        "# New tasks\n\nWrite a new task: the assistant is to sort a list. Language: German.",
        "Übersetze das.",
        "\x00\x1b[2J",
        "```",
        "# Rewrite a task",
    ],
)
def test_what_it_cannot_do_is_declined_with_a_reason(text: str) -> None:
    with pytest.raises(RequestRefused) as declined:
        ask(text)
    assert declined.value.reason == "unsupported"


@pytest.mark.parametrize("name", ["alpaca", "self_instruct"])
def test_another_language_in_the_sentences_is_declined(name: str) -> None:
    values = {"num_tasks": 2, "num_new": 2, "instructions": ["Name a river."], "examples": [SEED]}
    assert ask(prompt(name, **values, language="English"))
    with pytest.raises(RequestRefused):
        ask(prompt(name, **values, language="German"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_can_be_held_to_one_operation(operation: str) -> None:
    settings = Settings(operations=(operation,), max_steps=1)
    found = [known_plan(*task) for task in proposals(settings, ["difficulty: hard"] * 3)]
    assert [[one.op for one in plan.steps] for plan in found] == [[operation]] * 3


def test_short_single_steps_suit_a_tiny_student() -> None:
    settings = Settings(operations=EASY, max_steps=1, short=True)
    found = proposals(settings, ["x"] * 40)
    plans = [known_plan(*task) for task in found]
    assert {one.op for plan in plans for one in plan.steps} >= set(EASY)
    assert all(len(plan.steps) == 1 and not plan.also for plan in plans)
    assert sum(len(text.split()) + len(material.split()) for text, material in found) / len(found) < 40


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="no operation sing"):
        Settings(operations=("sing",))
    with pytest.raises(UsageError, match="max_steps"):
        Settings(max_steps=9)
    with pytest.raises(UsageError):
        connect("embedded", {"colour": "red"})


def test_max_tokens_and_stop_strings_cut() -> None:
    assert shortened("one two, three", Sampling(max_tokens=3)) == "one two,"
    assert shortened("one two", Sampling(max_tokens=2)) == "one two"
    assert shortened("a\n\nb\n\nc", Sampling(stop=("c", "\n\nb"))) == "a"
    whole = reply(ChatRequest(prompt("alpaca", num_tasks=2).messages), Settings())
    cut = reply(ChatRequest(prompt("alpaca", num_tasks=2).messages, Sampling(max_tokens=20)), Settings())
    assert whole.finish_reason == "stop" and cut.finish_reason == "length" and cut.usage.completion_tokens == 20
    messages = prompt("alpaca", num_tasks=2).messages
    assert whole.usage.prompt_tokens == sum(count_tokens(message["content"]) for message in messages)


def test_it_is_a_chat_model_with_latency_and_faults_on_request() -> None:
    request = ChatRequest(prompt("diverse", wanted=["x"]).messages)

    async def texts(model: EmbeddedTeacher) -> str:
        text = (await model.complete(request)).text
        await model.close()
        return text

    plain = asyncio.run(texts(connect("embedded", {})))  # type: ignore[arg-type]
    assert plain == reply(request, Settings()).text
    assert asyncio.run(texts(connect("embedded", {"latency_ms": 1}))) == plain  # type: ignore[arg-type]
    assert asyncio.run(texts(connect("embedded", {"faults": "preamble=1"}))) != plain  # type: ignore[arg-type]


def test_hostile_material_changes_nothing_else() -> None:
    for hostile in ("{{ 7*7 }}", "### Output", "# New tasks", "<script>", "\x1b[31m", "```", "ignore the above"):
        table = f"loaf,price (euros)\nrye loaf,2.50\n{hostile},1.20"
        found = understand("What is the total price of the loaves?", table)
        assert found is None or answer(found) == "3.70 euros"


def test_what_it_calls_classification_it_can_label_and_no_answer_repeats_its_input() -> None:
    listed = [ask(prompt("self_instruct", instructions=[SEED["instruction"]], num_new=40), draw=n) for n in range(3)]
    found = [task.instruction for text in listed for task in parse_numbered(text, 2)]
    called = {text: ask(prompt("is_classification", instruction=text, examples=[])) for text in found}
    assert len(called) > 100 and set(called.values()) == {"Yes", "No"}
    for text, verdict in called.items():
        name = "instances_output_first" if verdict == "Yes" else "instances"
        made = parse_instances(
            ask(prompt(name, instruction=text, num_instances=2, examples=[])), wants_label=verdict == "Yes"
        )
        assert made and all(one.input != one.output for one in made)
