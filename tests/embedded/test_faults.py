"""The catalogue of faults: chosen by hash, applied as said, labelled out of band."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import REPLIES, prompt_for, stand_in

from synth.embedded.defects import Context, read_items, write_items
from synth.embedded.faults import (
    FAULTS,
    PROFILES,
    Faults,
    FaultyModel,
    parse_faults,
    prompt_kind,
    request_digest,
)
from synth.errors import RetryableError, UsageError
from synth.models.base import ChatRequest, Completion

PROMPTS = {
    "list": prompt_for("self_instruct"),
    "tasks": prompt_for("diverse"),
    "full_tasks": prompt_for("alpaca"),
    "instances": prompt_for("instances"),
    "labels": prompt_for("instances_output_first"),
    "classify": prompt_for("is_classification"),
    "evolve": prompt_for("evolve_depth"),
    "equal": prompt_for("judge_equal"),
    "pair": prompt_for("judge_pair"),
    "grade": prompt_for("grade"),
    "difficulty": prompt_for("rate_complexity"),
    "answer": prompt_for("answer"),
}


def request(kind: str, number: int = 0) -> ChatRequest:
    return ChatRequest(PROMPTS[kind].messages, draw=number)


def spoil(faults: Faults, kind: str, number: int = 0) -> Completion:
    asked = request(kind, number)
    return faults.spoil(stand_in(asked), asked, request_digest("m", asked), 0)


@pytest.mark.parametrize("kind", PROMPTS)
def test_each_prompt_is_recognised(kind: str) -> None:
    assert prompt_kind(PROMPTS[kind].messages) == kind


def test_breadth_prompts_count_as_evolution() -> None:
    assert prompt_kind(prompt_for("evolve_breadth").messages) == "evolve"


@pytest.mark.parametrize("kind", [kind for kind in REPLIES if read_items(REPLIES[kind], kind)])
def test_items_are_written_as_they_were_read(kind: str) -> None:
    text = REPLIES[kind]
    assert write_items(read_items(text, kind), text, kind) == text


def test_the_catalogue_covers_every_stage() -> None:
    assert len(FAULTS) >= 30
    assert min(Counter(fault.stage for fault in FAULTS.values()).values()) >= 3
    assert all(sum(map(bool, (f.wire, f.envelope, f.reply, f.item))) == 1 for f in FAULTS.values())


JSON_ONLY = {"single_quotes", "trailing_comma"}
TEXT_FAULTS = [
    (name, kind) for name, f in FAULTS.items() if f.reply or f.item for kind in sorted(f.kinds) if name not in JSON_ONLY
]


@pytest.mark.parametrize("name", sorted({name for name, _ in TEXT_FAULTS}))
def test_each_text_fault_takes_hold_somewhere_and_is_counted(name: str) -> None:
    hits = 0
    for kind in sorted(FAULTS[name].kinds):
        faults = Faults(f"{name}=1")
        changed = spoil(faults, kind).text != REPLIES[kind]
        assert changed == bool(faults.counts[name])
        hits += changed
    assert hits


@pytest.mark.parametrize("name", sorted(JSON_ONLY))
def test_json_faults_break_json(name: str) -> None:
    good = json.dumps({"tasks": [{"instruction": "Add it's sum", "input": ""}]})
    spoiled = FAULTS[name].reply(good, Context(Random(1)))  # type: ignore[misc]
    assert spoiled is not None
    with pytest.raises(ValueError):
        json.loads(spoiled)


def test_item_faults_reach_into_json_replies() -> None:
    text = json.dumps({"examples": [{"label": "praise", "input": "Well done."}]})
    items = read_items(text, "labels")
    assert items == [{"output": "praise", "input": "Well done."}]
    assert json.loads(write_items([items[0] | {"output": "blame"}], text, "labels")) == {
        "examples": [{"label": "blame", "input": "Well done."}]
    }


def test_one_bad_item_leaves_its_neighbours_as_they_are() -> None:
    faults = Faults("too_short=0.5", seed=3)
    seen = Counter(
        tuple(i["instruction"] for i in read_items(spoil(faults, "tasks", n).text, "tasks")) for n in range(40)
    )
    good = tuple(i["instruction"] for i in read_items(REPLIES["tasks"], "tasks"))
    assert {sum(a == b for a, b in zip(one, good, strict=True)) for one in seen} == {0, 1, 2}


@given(st.sampled_from(sorted(PROMPTS)), st.integers(0, 10**6), st.sampled_from(["light", "gpt3-2022"]))
@settings(max_examples=60)
def test_the_same_request_is_spoiled_in_the_same_way(kind: str, number: int, profile: str) -> None:
    assert spoil(Faults(profile, 7), kind, number) == spoil(Faults(profile, 7), kind, number)


@given(
    st.text(max_size=80) | st.sampled_from(sorted(REPLIES.values())), st.sampled_from(sorted(FAULTS)), st.integers(1, 3)
)
@settings(max_examples=300)
def test_no_reply_breaks_a_fault(text: str, name: str, choices: int) -> None:
    texts = (text,) * choices
    for kind in sorted(FAULTS[name].kinds):
        asked = ChatRequest(PROMPTS[kind].messages, num_choices=choices)
        answer = Completion(text, choices=texts if choices > 1 else ())
        assert len(Faults(f"{name}=1").spoil(answer, asked, "0" * 64, 0).choices) == len(answer.choices)


def test_another_seed_spoils_otherwise() -> None:
    assert [spoil(Faults("light", 1), "tasks", n) for n in range(99)] != [
        spoil(Faults("light", 2), "tasks", n) for n in range(99)
    ]


def test_light_injects_each_fault_at_its_rate() -> None:
    faults = Faults("light", 5)
    for number in range(4000):
        spoil(faults, "answer", number)
    for name in ("wrong_output", "as_an_ai", "think_block", "cut"):
        assert 0.005 <= faults.counts[name] / 4000 <= 0.016


def test_the_gpt3_profile_is_calibrated() -> None:
    faults = Faults("gpt3-2022", 1)
    good = read_items(REPLIES["full_tasks"], "full_tasks")
    calm = {name: rate for name, rate in faults.rates.items() if FAULTS[name].stage != "list"}
    faults.rates = calm
    right: Counter[str] = Counter()
    total = 0
    for number in range(3000):
        for item, clean in zip(read_items(spoil(faults, "full_tasks", number).text, "full_tasks"), good, strict=True):
            total += 1
            fits = {
                "instruction": item["instruction"] == clean["instruction"],
                "input": item["input"] == clean["input"],
            }
            fits["output"] = fits["input"] and item["output"] == clean["output"]
            right.update(name for name, fit in fits.items() if fit)
            right["all"] += all(fits.values())
    shares = {name: count / total for name, count in right.items()}
    published = {"instruction": 0.92, "input": 0.79, "output": 0.58, "all": 0.54}
    assert shares == pytest.approx(published, abs=0.02)


def test_a_plain_retry_heals_what_it_would_heal_and_nothing_else() -> None:
    asked = request("answer")
    for name in ("server_error", "bad_request"):
        faults = Faults(f"{name}=0.5")
        draws = [
            bool(faults.wire_fault(asked, f"{number:064x}", attempt)) for number in range(50) for attempt in range(4)
        ]
        by_request = [set(draws[at : at + 4]) for at in range(0, 200, 4)]
        mixed = sum(len(one) == 2 for one in by_request)
        assert mixed > 30 if FAULTS[name].expect == "retried" else mixed == 0


def test_labels_go_to_the_side_file_and_not_into_the_reply(tmp_path: Path) -> None:
    faults = Faults("too_short=1", label_path=tmp_path / "labels.jsonl")
    answer = spoil(faults, "tasks")
    faults.close()
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [(row["fault"], row["item"], row["prompt"]) for row in rows] == [
        ("too_short", 0, "tasks"),
        ("too_short", 1, "tasks"),
    ]
    assert {row["digest"] for row in rows} == {request_digest("m", request("tasks"))}
    assert "too_short" not in repr(answer)


@pytest.mark.parametrize(
    ("text", "rates"),
    [("", {}), ("html=1", {"html": 1.0}), ("transport,hang=0.5", PROFILES["transport"] | {"hang": 0.5})],
)
def test_profiles_and_single_faults_are_read(text: str, rates: dict[str, float]) -> None:
    assert parse_faults(text) == rates


@pytest.mark.parametrize("text", ["lite", "htlm=1", "html=2", "html=-0.1", "html=nan", "html=x", "html"])
def test_misspelt_faults_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_faults(text)
    assert raised.value.hint


def test_a_faulty_model_without_a_socket_gives_what_a_client_would_have_read() -> None:
    class StandIn:
        name, endpoint = "embedded", "here"

        async def complete(self, asked: ChatRequest) -> Completion:
            return stand_in(asked)

        async def close(self) -> None:
            pass

    async def run() -> tuple[set[str], Completion]:
        model, seen = FaultyModel(StandIn(), Faults("empty=0.5", 2)), set()
        for _ in range(12):
            try:
                seen.add((await model.complete(request("answer"))).text)
            except RetryableError as error:
                seen.add(error.reason)
        return seen, await FaultyModel(StandIn(), Faults("think_block=1")).complete(request("answer"))

    healed, thinking = asyncio.run(run())
    assert healed == {"empty_answer", REPLIES["answer"]}
    assert thinking.text == REPLIES["answer"] and thinking.reasoning
