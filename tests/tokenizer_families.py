"""Small tokenizers of the families that real models have, trained on the seed tasks; and the form of their chat templates."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from synth.records import Record

SEEDS = Path(__file__).parents[1] / "seed_tasks" / "seed_tasks.jsonl"
CONTROLS = ["<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "<|im_start|>", "<|im_end|>", "<|turn|>", "<|eot|>"]
# As in Qwen and Llama 3: a sign before a word belongs to it, so that ":The" may become one token.
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@functools.cache
def seed_records() -> list[Record]:
    """Every instance of the seed tasks."""
    tasks = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
    return [Record(task["instruction"], i["input"], i["output"]) for task in tasks for i in task["instances"]]


def _bpe(byte_fallback: bool = False) -> Tokenizer:
    return Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=byte_fallback, fuse_unk=byte_fallback))


def _gpt2() -> Tokenizer:
    one = _bpe()
    one.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    one.decoder = decoders.ByteLevel()
    return one


def _qwen() -> Tokenizer:
    one = _bpe()
    one.normalizer = normalizers.NFC()
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    one.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS), "isolated"), to_bytes])
    one.decoder = decoders.ByteLevel()
    return one


def _metaspace(scheme: str) -> Tokenizer:
    one = _bpe(byte_fallback=True)
    one.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=False)
    one.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return one


def _llama2() -> Tokenizer:
    one = _bpe(byte_fallback=True)
    one.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    one.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return one


def _unigram() -> Tokenizer:
    one = Tokenizer(models.Unigram())
    one.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    one.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    one.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first")
    return one


# name: (the bare tokenizer, does it begin a text with <s>, does it report tokens without their leading space)
FAMILIES: dict[str, tuple[Any, bool, bool]] = {
    "gpt2": (_gpt2, False, True),
    "qwen": (_qwen, False, False),
    "llama3": (_qwen, True, True),
    "llama2": (_llama2, True, False),
    "llama2-first": (lambda: _metaspace("first"), True, False),
    "gemma": (lambda: _metaspace("never"), True, False),
    "unigram": (_unigram, True, False),
}


@functools.cache
def _trained(family: str) -> str:
    make, starts, trims = FAMILIES[family]
    one = make()
    texts = [f"{r.instruction}\n\n### Input:\n{r.input}\n\n### Response:{r.output}" for r in seed_records()]
    if isinstance(one.model, models.Unigram):
        trainer: Any = trainers.UnigramTrainer(
            vocab_size=1500, special_tokens=CONTROLS, unk_token="<unk>", show_progress=False
        )
    else:
        bytes_ = [f"<0x{i:02X}>" for i in range(256)] if one.model.byte_fallback else []
        alphabet = pre_tokenizers.ByteLevel.alphabet() if not bytes_ else []
        trainer = trainers.BpeTrainer(
            vocab_size=1500,
            special_tokens=[*CONTROLS, *bytes_],
            initial_alphabet=alphabet,
            show_progress=False,
            max_token_length=12,
        )
    real = one.pre_tokenizer
    if real is None or isinstance(
        real, pre_tokenizers.Metaspace
    ):  # learned as SentencePiece does: no piece crosses a gap
        lines = pre_tokenizers.Split("\n", "isolated")
        one.pre_tokenizer = pre_tokenizers.Sequence(
            [lines, pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Metaspace(prepend_scheme="never")]
        )
    one.train_from_iterator(texts, trainer)
    one.pre_tokenizer = real
    after: list[Any] = [processors.ByteLevel(trim_offsets=True)] if trims else []
    after += [processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", one.token_to_id("<s>"))])] if starts else []
    if after:
        one.post_processor = processors.Sequence(after)
    return one.to_str()


def tokenizer(family: str, chat_template: str | None = None) -> PreTrainedTokenizerBase:
    """A new tokenizer of a family, with <s>, </s> and <pad>."""
    core = Tokenizer.from_str(_trained(family))
    extra = [AddedToken(token, special=True, normalized=False) for token in CONTROLS[4:]]
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=extra,
    )
    made.chat_template = chat_template
    return made


# The forms of published chat templates, in our own words: who raises, who trims, who writes the beginning of the text.
CHATS = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "chatml-default-system": "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "inst": "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% else %}{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}",
    "headers": "{{ bos_token }}{% for m in messages %}{{ '<|turn|>' + m.role + '\n\n' + m.content | trim + '<|eot|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant\n\n' }}{% endif %}",
    "no-system": "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('there is no system role') }}{% endif %}{% for m in messages %}{{ '<|turn|>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<|eot|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>model\n' }}{% endif %}",
    "drops-system": "{{ bos_token }}{% for m in messages if m.role != 'system' %}{{ '<|turn|>' + m.role + '\n' + m.content + '<|eot|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}",
}
