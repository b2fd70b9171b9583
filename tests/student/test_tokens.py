"""Training ids are a server's ids: for every template, on every family of tokenizers, and on real ones where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tokenizer_families import CHATS, FAMILIES, seed_records, tokenizer

from synth.errors import UsageError
from synth.records import Record
from synth.student.encode import UNLEARNED, Encoder, prepare_tokenizer
from synth.student.templates import TEMPLATES, Conversation, Turn, template_named
from synth.student.weights import load_tokenizer

ALPACA_DATA = Path(__file__).parents[3] / "shared" / "data" / "alpaca_en_demo.json"
MODELS = Path(os.environ.get("SYNTH_MODELS", Path(__file__).parents[2] / "models"))
"""Where the models of examples/real_models.py are."""
REAL = ("smollm2-135m-instruct", "gemma3-270m", "qwen2.5-coder-1.5b-instruct")
TWO_TURNS = Conversation(
    (Turn("Name a river.", "", "The Elbe."), Turn(" And a lake?\n", "", " Lake Como. ")), "Be brief."
)
AWKWARD = [
    Turn("Smile.", "", ")"),  # a sign that may join the frame before it
    Turn("Write a word in Greek and a face.", "", "λόγος 🙂\n"),
    Turn("Say it.", "", "s"),
    Turn("Indent.", "", "    x = 1\n\n\n    y = 2"),
]


def conversations() -> list[Conversation]:
    seeds = [Conversation((Turn(r.instruction, r.input, r.output),)) for r in seed_records()[::12]]
    return [*seeds, *(Conversation((turn,)) for turn in AWKWARD), TWO_TURNS]


def messages(conversation: Conversation, folds: bool = False) -> list[dict[str, str]]:
    system = conversation.system
    made = [{"role": "system", "content": system}] if system and not folds else []
    for number, turn in enumerate(conversation.turns):
        user = f"{system}\n\n{turn.user_text}" if system and folds and not number else turn.user_text
        made += [{"role": "user", "content": user}, {"role": "assistant", "content": turn.output}]
    return made


def assert_ids_are_a_servers(encoder: Encoder) -> None:
    """Whole conversations and prompts, and the mask: all of each answer with its end, and no more than that."""
    served = encoder.tokenizer
    served.chat_template = encoder.chat_template()
    for one in conversations():
        if encoder.template.name in ("alpaca", "alpaca-newline", "short"):  # their place for an input is no chat
            one = Conversation(tuple(Turn(turn.user_text, "", turn.output) for turn in one.turns), one.system)
        said = messages(one, encoder.template.folds_system)
        ids, labels = encoder.encode(one)
        assert ids == served.apply_chat_template(said, tokenize=True, return_dict=False)
        prompt = served.apply_chat_template(said[:-1], tokenize=True, add_generation_prompt=True, return_dict=False)
        assert encoder.prompt(one) == prompt
        assert all(label in (token, UNLEARNED) for token, label in zip(ids, labels, strict=True))
        for learned, turn in zip(stretches(served, labels), one.turns, strict=True):
            wanted = seen(served, turn.output) + served.eos_token
            if encoder.template.name in (
                "alpaca",
                "wizardlm",
            ):  # "### Response:The" may hold ":The", begun by the prompt
                assert wanted.endswith(learned) and len(wanted) - len(learned) < 12
            else:
                assert learned == wanted


def seen(one: Any, text: str) -> str:
    """The text as the tokenizer sees it, without blanks."""
    return "".join(one.decode(one(text, add_special_tokens=False)["input_ids"]).split())


def stretches(one: Any, labels: list[int]) -> list[str]:
    """What is learned, answer by answer, without blanks."""
    found: list[list[int]] = [[]]
    for label in labels:
        found[-1:] = [[*found[-1], label]] if label != UNLEARNED else [found[-1], []] if found[-1] else [found[-1]]
    return ["".join(one.decode(ids).split()) for ids in found if ids]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_named_templates_give_a_servers_ids(family: str, name: str) -> None:
    made = tokenizer(family)
    prepare_tokenizer(made, TEMPLATES[name])
    assert_ids_are_a_servers(Encoder(TEMPLATES[name], made))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chat", CHATS)
def test_a_models_own_chat_template_gives_a_servers_ids(family: str, chat: str) -> None:
    made = tokenizer(family, CHATS[chat])
    template = template_named("chat", made)
    prepare_tokenizer(made, template)
    assert template.folds_system == (chat in ("inst", "no-system", "drops-system"))
    assert_ids_are_a_servers(Encoder(template, made))


@pytest.mark.parametrize("model", REAL)
@pytest.mark.parametrize("name", [*TEMPLATES, "chat"])
def test_real_tokenizers_give_a_servers_ids(model: str, name: str) -> None:
    folder = MODELS / model
    if not folder.is_dir():
        pytest.skip(f"NOT CHECKED: {folder} is not there; `make models/{model}/config.json` makes it")
    made = load_tokenizer(str(folder))
    if name == "chat" and not made.chat_template:
        pytest.skip("a base without a chat template")
    template = template_named(name, made)
    prepare_tokenizer(made, template)
    assert_ids_are_a_servers(Encoder(template, made))


# --- the published preprocessing -------------------------------------------------------------------------------------


def stanford(one: Any, record: Record) -> tuple[list[int], list[int]]:
    """Prompt and answer tokenised as one text; as many labels masked as the prompt alone has tokens."""
    turn = Turn(record.instruction, record.input)
    source = "".join(part.text for part in TEMPLATES["alpaca"].prompt(Conversation((turn,))))
    ids = one(source + record.output + one.eos_token)["input_ids"]
    masked = len(one(source)["input_ids"])
    return ids, [UNLEARNED] * masked + ids[masked:]


def assert_equal_to_stanford(one: Any, records: list[Record]) -> None:
    prepare_tokenizer(one, TEMPLATES["alpaca"])
    rows = Encoder(TEMPLATES["alpaca"], one).rows(records, 100_000).rows
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        assert (row.ids, row.labels) == stanford(one, record)


@pytest.mark.parametrize("family", FAMILIES)
def test_alpaca_ids_and_labels_are_those_of_the_published_preprocessing(family: str) -> None:
    assert_equal_to_stanford(tokenizer(family), [r for r in seed_records() if r.output])


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*FAMILIES, *REAL])
def test_alpaca_ids_and_labels_are_equal_on_published_rows(name: str, step: int) -> None:
    """On every tenth of a thousand rows; on all of them in the slow tests."""
    if not ALPACA_DATA.is_file():
        pytest.skip(f"NOT CHECKED: {ALPACA_DATA} is not there")
    if name in REAL and not (MODELS / name).is_dir():
        pytest.skip(f"NOT CHECKED: {MODELS / name} is not there; `make models/{name}/config.json` makes it")
    rows = json.loads(ALPACA_DATA.read_text("utf-8"))[::step]
    records = [Record(row["instruction"], row["input"], row["output"]) for row in rows if row["output"].strip()]
    assert len(records) > 980 // step
    assert_equal_to_stanford(tokenizer(name) if name in FAMILIES else load_tokenizer(str(MODELS / name)), records)


def test_vicuna_writes_one_space_between_role_and_answer_and_none_after_the_end() -> None:
    made = tokenizer("llama2")
    one = Encoder(TEMPLATES["vicuna"], made)
    made.chat_template = one.chat_template()
    text = made.apply_chat_template(
        messages(Conversation((Turn("Hi", "", "Ho"), Turn("So?", "", "Yes")))), tokenize=False
    )
    assert text.endswith("answers to the user's questions. USER: Hi ASSISTANT: Ho</s>USER: So? ASSISTANT: Yes</s>")
    asked = made.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert asked.endswith(" USER: Hi ASSISTANT:")


# --- control tokens, system texts, templates that fail ---------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["alpaca", "chatml"])
def test_control_tokens_in_data_stay_text(family: str, name: str) -> None:
    made = tokenizer(family)
    prepare_tokenizer(made, TEMPLATES[name])
    one = Encoder(TEMPLATES[name], made)
    honest = one.encode(Conversation((Turn("Stop.", "", "Yes."),)))[0]
    ids, labels = one.encode(Conversation((Turn("Stop.</s><|im_end|><s>", "", "Yes.<|im_end|>"),)))
    controls = {made.convert_tokens_to_ids(token) for token in ("<s>", "</s>", "<|im_end|>", "<|im_start|>")}
    assert [token for token in ids if token in controls] == [token for token in honest if token in controls]
    assert "Yes.<|im_end|>" in "".join(made.decode([label for label in labels if label != UNLEARNED]).split())


def test_a_system_text_without_a_place_goes_into_the_first_user_turn_and_is_noted() -> None:
    made = tokenizer("gemma", CHATS["no-system"])
    one = Encoder(template_named("chat", made), made)
    record = Record("Name a lake.", output="Lake Como.", system="Be brief.")
    encoded = one.rows([record, Record("Hi", output="Ho")], 100)
    assert encoded.folded == [record.id]
    assert "Be brief.\n\nName a lake." in made.decode(encoded.rows[0].ids)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{% for m in messages %}{{ m.content }}", "fails"),
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "control token"),
        ("{{ messages[-1].content }}<|im_end|>", "leaves out"),
        ("{% for m in messages %}{{ m.content | upper }}<|im_end|>{% endfor %}", "rewrites"),
    ],
)
def test_chat_templates_that_cannot_be_followed_are_refused(template: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        template_named("chat", tokenizer("gpt2", template))


def test_a_template_that_fails_on_one_record_names_it() -> None:
    made = tokenizer(
        "gpt2", CHATS["chatml"].replace("m.content", "(m.content if m.content != 'bad' else raise_exception('no'))")
    )
    record = Record("bad", output="x")
    with pytest.raises(UsageError, match=f"record {record.id}: the model's chat template fails"):
        Encoder(template_named("chat", made), made).rows([Record("good", output="x"), record], 100)


def test_auto_is_the_models_own_template_else_alpaca() -> None:
    assert template_named("auto", tokenizer("gpt2", CHATS["chatml"])).name == "chat"
    assert template_named("auto", tokenizer("gpt2")).name == "alpaca"


def test_a_talk_beyond_the_limit_ends_after_its_last_answer_that_fits() -> None:
    template, words = TEMPLATES["chatml"], tokenizer("qwen")
    prepare_tokenizer(words, template)
    encoder = Encoder(template, words)
    talk = Record("And a lake?", "", "Lake Como.", history=(("Name a river.", "The Elbe."), ("Another?", "The Oder.")))
    whole = encoder.rows([talk], 2048)
    limit = len(whole.rows[0].ids) - 3
    cut = encoder.rows([talk], limit)
    assert cut.truncated == [talk.id] and not whole.truncated
    answers = stretches(encoder.tokenizer, cut.rows[0].labels)
    assert answers == stretches(encoder.tokenizer, whole.rows[0].labels)[:2]
    assert cut.rows[0].ids == whole.rows[0].ids[: len(cut.rows[0].ids)] and cut.rows[0].labels[-1] != UNLEARNED
