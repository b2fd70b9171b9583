"""The templates: masks, ends, the chat template saved with a student, and texts that pose as control tokens."""

from __future__ import annotations

from typing import Any

import pytest

from synth.errors import UsageError
from synth.records import Record
from synth.student.chat_template import ChatTemplate
from synth.student.encode import UNLEARNED, Encoder, prepare_tokenizer
from synth.student.templates import TEMPLATES, Conversation, Turn, conversation_of, template_named
from synth.student.tiny import make_tokenizer

TWO_TURNS = Conversation((Turn("Name a river.", "", "The Elbe."), Turn("And a lake?", "", "Lake Como.")), "Be brief.")
ONE_TURN = Conversation((Turn("Add the numbers.", "2 and 3", "5"),))


def encoder(name: str) -> Encoder:
    tokenizer = make_tokenizer(["Name a river. Add the numbers. And a lake? The Elbe. Lake Como."] * 2)
    template = TEMPLATES[name]
    prepare_tokenizer(tokenizer, template)
    return Encoder(template, tokenizer)


def learned(encoder: Encoder, conversation: Conversation) -> list[str]:
    """The stretches that the loss is taken on, as text."""
    ids, labels = encoder.encode(conversation)
    stretches: list[list[int]] = [[]]
    for token, label in zip(ids, labels, strict=True):
        if label == UNLEARNED:
            stretches.append([])
        else:
            assert label == token
            stretches[-1].append(token)
    return [encoder.tokenizer.decode(stretch) for stretch in stretches if stretch]


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_answers_and_their_end_tokens_are_learned(name: str) -> None:
    one = encoder(name)
    end = one.tokenizer.eos_token
    lead = one.template.answer_lead
    assert learned(one, TWO_TURNS) == [f"{lead}The Elbe.{end}", f"{lead}Lake Como.{end}"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_prompt_is_a_prefix_of_what_was_trained_on(name: str) -> None:
    one = encoder(name)
    for conversation in (ONE_TURN, TWO_TURNS):
        ids, labels = one.encode(conversation)
        prompt = one.prompt(conversation)
        assert ids[: len(prompt)] == prompt
        assert labels[len(prompt)] != UNLEARNED


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_saved_chat_template_writes_what_training_wrote(name: str) -> None:
    one = encoder(name)
    one.tokenizer.chat_template = one.template.jinja("")
    messages = [{"role": "system", "content": "Be brief."}]
    for turn in TWO_TURNS.turns:
        messages += [{"role": "user", "content": turn.instruction}, {"role": "assistant", "content": turn.output}]
    rendered = one.tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered == one.tokenizer.decode(one.encode(TWO_TURNS)[0])
    asked = one.tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    assert asked == one.tokenizer.decode(one.prompt(TWO_TURNS))


def test_alpaca_has_two_forms() -> None:
    def written(conversation: Conversation) -> str:
        return "".join(part.text for part in TEMPLATES["alpaca"].prompt(conversation))

    with_input, without = written(ONE_TURN), written(Conversation((Turn("Add 2 and 3."),)))
    assert "further context" in with_input and "### Input:\n2 and 3\n\n### Response:" in with_input
    assert "further context" not in without and "### Input" not in without
    assert without.endswith("### Instruction:\nAdd 2 and 3.\n\n### Response:")


@pytest.mark.parametrize("name", TEMPLATES)
def test_text_that_poses_as_a_control_token_stays_text(name: str) -> None:
    one = encoder(name)
    end = one.tokenizer.eos_token
    honest = one.encode(Conversation((Turn("Stop.", "", "Yes."),)))[0]
    posing = one.encode(Conversation((Turn(f"Stop.{end}", "", f"Yes.{end}"),)))[0]
    assert posing.count(one.eos) == honest.count(one.eos)
    assert f"Stop.{end}" in one.tokenizer.decode(posing)


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def own_tokenizer(template: str) -> Any:
    tokenizer = make_tokenizer(["Name a river."] * 2)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    return tokenizer


def test_a_models_own_template_gives_the_same_text_and_mask_as_chatml() -> None:
    tokenizer = own_tokenizer(CHATML)
    own = ChatTemplate(tokenizer)
    ours = TEMPLATES["chatml"]
    assert own.end_token == "<|im_end|>"
    assert "".join(part.text for part in own.prompt(TWO_TURNS)) == "".join(part.text for part in ours.prompt(TWO_TURNS))
    assert [part.text for part in own.segments(TWO_TURNS) if part.is_learned] == ["The Elbe.", "", "Lake Como.", ""]
    prepare_tokenizer(tokenizer, own)
    assert learned(Encoder(own, tokenizer), TWO_TURNS) == ["The Elbe.<|im_end|>", "Lake Como.<|im_end|>"]


def test_of_several_chat_templates_the_default_one_is_used_and_saved() -> None:
    tokenizer = own_tokenizer(CHATML)
    tokenizer.chat_template = {"default": CHATML, "tool_use": "{{ messages[0].content }}"}
    assert ChatTemplate(tokenizer).jinja("") == CHATML


def test_a_chat_template_without_end_is_refused() -> None:
    endless = "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}"
    with pytest.raises(UsageError, match="chat template fails \\(RecursionError"):
        ChatTemplate(own_tokenizer(endless))


def test_unknown_templates_and_models_without_one_are_refused() -> None:
    tokenizer = make_tokenizer(["a"])
    with pytest.raises(UsageError, match="no template 'llama'"):
        template_named("llama", tokenizer)
    with pytest.raises(UsageError, match="no chat template"):
        template_named("chat", tokenizer)


def test_history_becomes_turns() -> None:
    record = Record("text 3", "", "text 4", "text 0", (("text 1", "text 2"),))
    assert conversation_of(record) == Conversation(
        (Turn("text 1", "", "text 2"), Turn("text 3", "", "text 4")), "text 0"
    )


def test_prepared_tokenizers_have_an_end_and_a_pad_of_its_own() -> None:
    tokenizer = make_tokenizer(["a"])
    tokenizer.pad_token = tokenizer.eos_token
    prepare_tokenizer(tokenizer, TEMPLATES["alpaca"])
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    assert tokenizer.padding_side == "right"
    tokenizer.eos_token = None
    with pytest.raises(UsageError, match="no end-of-sequence token"):
        prepare_tokenizer(tokenizer, TEMPLATES["alpaca"])
