"""The student from scratch: its tokenizer keeps every text, and its bytes follow from texts and seed alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="the extra [train] is not installed")

from synth.student.tiny import END, PAD, frequent_words, make_tiny, make_tokenizer

TEXTS = ["Sort the numbers 12, 5 and 33.", " Sort the cities by name.\nLima, Oslo", "Füße und 漢字"]
TOKENIZER = make_tokenizer(TEXTS * 2)


@settings(deadline=None)
@given(st.text())
def test_every_text_comes_back_unchanged(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")
    ids = TOKENIZER(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False) == text
    assert TOKENIZER.pad_token_id not in ids and TOKENIZER.eos_token_id not in ids


def test_known_words_are_one_token_and_digits_stand_alone() -> None:
    pieces = TOKENIZER.convert_ids_to_tokens(TOKENIZER(" Sort 12")["input_ids"])
    assert pieces == ["ĠSort", "Ġ", "1", "2"]
    assert len(TOKENIZER(" zyx")["input_ids"]) == 4
    assert (TOKENIZER.pad_token, TOKENIZER.eos_token) == (PAD, END)


def test_words_are_ranked_by_use_and_then_by_spelling() -> None:
    assert frequent_words([" bee bee bee ant ant cat cat dog"], 10) == [" bee", " ant", " cat"]
    assert frequent_words([" bee bee bee ant ant"], 1) == [" bee"]


def test_the_same_texts_and_seed_give_the_same_bytes_and_leave_the_global_generator_alone(tmp_path: Path) -> None:
    import torch

    state = torch.get_rng_state()
    for name, seed in (("one", 0), ("other", 0), ("third", 1)):
        make_tiny(TEXTS, tmp_path / name, seed=seed, hidden=16, layers=1, heads=2)
    assert torch.equal(state, torch.get_rng_state())

    def weights(name: str) -> bytes:
        return (tmp_path / name / "model.safetensors").read_bytes()

    assert weights("one") == weights("other") != weights("third")
