"""A student made from scratch for the CPU: a tokenizer of words and bytes, and a small Llama with random weights.

It proves that training data teaches something, in a minute and without downloads. It knows no language beforehand, so
nothing it scores says how good the data is for a real model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.student.weights import save_staged, seeded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAD, END = "<|pad|>", "<|end|>"

# Standard deviation of the first weights. Llama's 0.02 is made for wide models; in a narrow one copying is learned much
# later (measured on nine small operations, 900 steps at width 128: 31 % of unseen items right with 0.02, 68 % with
# 0.06).
INITIAL_SPREAD = 0.1

# A word with the space before it, one digit, one other sign, or a run of line breaks and spaces.
_PIECES = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s+(?!\S)|\s+"
_WORD = re.compile(r" ?[^\W\d_]+")


def frequent_words(texts: Iterable[str], max_words: int, min_count: int = 2) -> list[str]:
    """The words (each with the space before it) that occur most, at most `max_words`, ties by spelling."""
    counts = Counter(word for text in texts for word in _WORD.findall(text))
    ranked = sorted(((-count, word) for word, count in counts.items() if count >= min_count and len(word) > 1))
    return [word for _, word in ranked[:max_words]]


def make_tokenizer(texts: Iterable[str], max_words: int = 4096) -> PreTrainedTokenizerBase:
    """A fast tokenizer: a frequent word is one token, digits and signs stand alone, the rest is spelled out in bytes.

    Every text comes back unchanged from `decode(encode(text))`. Copying, counting and sorting need this: pieces learned
    by merging (BPE) hide the letters.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = frequent_words(texts, max_words)
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spelled = [to_bytes.pre_tokenize_str(word)[0][0] for word in words]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([PAD, END, *alphabet, *spelled]))}
    core = Tokenizer(
        models.WordPiece(vocabulary, unk_token=PAD, continuing_subword_prefix="", max_input_chars_per_word=10_000)
    )
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_PIECES), "isolated"), to_bytes])
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False, model_max_length=4096
    )


def make_model(vocab_size: int, *, seed: int, hidden: int = 64, layers: int = 2, heads: int = 4) -> Any:
    """A LlamaForCausalLM with random weights drawn from `seed`, tied embeddings, feed-forward three times `hidden`.

    The global generators are left as they were. vLLM on the CPU serves heads of 32 and wider only, so not the default
    of 64 / 4; wider ones learn less here (share correct after 1,000 steps, two seeds: 0.74 and 0.66 with heads of 16,
    0.64 and 0.51 with 32).
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        pad_token_id=0,
        eos_token_id=1,
        initializer_range=INITIAL_SPREAD,
    )
    with seeded(seed):
        return LlamaForCausalLM(config)


def make_tiny(
    texts: Iterable[str],
    out_dir: Path,
    *,
    seed: int = 0,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    max_words: int = 4096,
) -> Path:
    """Write an untrained student to `out_dir` (Hugging Face form): the base that every arm of a comparison starts from.

    `texts` only settle which words are tokens. Same texts and seed, same bytes.
    """
    from transformers.utils.logging import disable_progress_bar

    tokenizer = make_tokenizer(texts, max_words)
    size = -(-len(tokenizer) // 64) * 64
    disable_progress_bar()
    model = make_model(size, seed=seed, hidden=hidden, layers=layers, heads=heads)

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    save_staged(out_dir, save)
    return out_dir
