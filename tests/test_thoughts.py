"""What a reasoning model thinks is cut from its answer, in every notation; what an answer says about the tags stays."""

from __future__ import annotations

import pytest

from synth.parsing import split_thoughts

CUT = {
    "<think>T</think>A": ("A", "T"),
    "<think>\n\n</think>\n\nA": ("A", ""),
    "T</think>A": ("A", "T"),
    "T\n</think>\n\nA": ("A", "T"),
    "<think>T</think>\n<think>U</think>\nA": ("A", "T\nU"),
    "A\n<think>T</think>\nB": ("A\nB", "T"),
    "The answer is 4.<think>T</think>": ("The answer is 4.", "T"),
    "<think>T": ("", "T"),
    "A\n<think>T": ("A", "T"),
    "<thinking>T</thinking>A": ("A", "T"),
    "<thought>T</thought>A": ("A", "T"),
    "<Think>T</Think>A": ("A", "T"),
    "[THINK]T[/THINK]A": ("A", "T"),
    "<|begin_of_thought|>T<|end_of_thought|>A": ("A", "T"),
    "<think>I end with the `</think>` tag.</think>A": ("A", "I end with the `</think>` tag."),
    "<think>```\nx\n</think>\n```\nA\n```": ("```\nA\n```", "```\nx"),
    "<|channel|>analysis<|message|>T<|end|><|start|>assistant<|channel|>final<|message|>A<|return|>": ("A", "T"),
    "<|start|>assistant<|channel|>final<|message|>A": ("A", ""),
    "<|channel|>analysis<|message|>T": ("", "T"),
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>T<|call|>": ("", "T"),
    "analysisWe add.assistantfinalA": ("A", "analysisWe add."),
}
STAYS = [
    "The <think> tag opens a block and the </think> tag closes it.",
    "Write `<think>` before and `</think>` after your thoughts.",
    'The tags are "<think>" and "</think>".',
    "Put it between <think> and </think>.",
    "Use <think>...</think> around it.",
    "```xml\n<thought>calm</thought>\n```",
    "Harmony writes <|channel|> before the name of a channel.",
    "An analysis of the assistantfinal stage.",
    "I think so.",
    "",
]


@pytest.mark.parametrize("text", CUT)
def test_thoughts_are_cut(text: str) -> None:
    assert split_thoughts(text) == CUT[text]


@pytest.mark.parametrize("text", STAYS)
def test_talk_about_the_tags_stays(text: str) -> None:
    assert split_thoughts(text) == (text, "")
