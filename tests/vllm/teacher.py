"""A teacher of 3.4 million parameters, made on the spot from the seed tasks alone. Not a test itself.

    python tests/vllm/teacher.py FOLDER [STEPS]

It stands in where smollm2-135m-instruct cannot be had. It writes a Llama with a byte-level BPE tokenizer and a chat
template, which has learned to reply in the shape of a task list, mostly with two seeds joined at a common word.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).parent.parent.parent / "seed_tasks" / "seed_tasks.jsonl"
LENGTH, BATCH, STEPS = 384, 8, 220
PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def splice(tasks: list[str], rng: random.Random) -> str:
    """Two tasks joined at a word they share; one task where they share none."""
    first, second = rng.choice(tasks).split(), rng.choice(tasks).split()
    shared = sorted(set(first[2:-2]) & set(second[2:-2]))
    if not shared or rng.random() < 0.1:
        return " ".join(first)
    word = rng.choice(shared)
    return " ".join(first[: first.index(word)] + second[second.index(word) :])


def texts(seeds: list[dict[str, Any]], rng: random.Random) -> Iterator[str]:
    """Endless training texts: task lists in JSON, in sections and numbered, and plain answers."""
    tasks = [" ".join(seed["instruction"].split()[:40]) for seed in seeds]
    inputs = [" ".join(seed["instances"][0]["input"].split()[:12]) for seed in seeds]
    while True:
        made = [(splice(tasks, rng), rng.choice(inputs)) for _ in range(5)]
        kind = rng.random()
        if kind < 0.45:
            rows = [{"instruction": task, "input": given} for task, given in made]
            yield f"{USER}{made[0][0]}{END}{ASSISTANT}{json.dumps({'tasks': rows}, ensure_ascii=False)}{END}"
        elif kind < 0.6:
            parts = [f"## Task {n}\n### Instruction\n{t}\n### Input\n{i}\n" for n, (t, i) in enumerate(made, 1)]
            yield f"{USER}{made[0][0]}{END}{ASSISTANT}{''.join(parts)}{END}"
        elif kind < 0.75:
            yield "## List\n\n" + "\n".join(f"{n}. {splice(tasks, rng)}" for n in range(1, 17)) + END
        else:
            seed = rng.choice(seeds)
            output = seed["instances"][0]["output"][:400]
            yield f"{USER}{seed['instruction']}{END}{ASSISTANT}{output}{END}"


def make_tokenizer(seeds: list[dict[str, Any]]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([json.dumps(seed, ensure_ascii=False) for seed in seeds], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, chat_template=TEMPLATE, model_max_length=2048
    )


def make_model(size: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=256,
            intermediate_size=688,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=1,
        )
    )


def train(model: Any, tokenizer: Any, seeds: list[dict[str, Any]], steps: int) -> None:
    import torch

    stream = texts(seeds, random.Random(1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=max(steps, 2), pct_start=0.1)
    tokens: list[int] = []
    model.train()
    for step in range(steps):
        while len(tokens) < BATCH * LENGTH:
            tokens += tokenizer(next(stream))["input_ids"]
        batch = torch.tensor(tokens[: BATCH * LENGTH]).view(BATCH, LENGTH)
        tokens = tokens[BATCH * LENGTH :]
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.2f}", flush=True)


def make_teacher(folder: Path, steps: int = STEPS) -> None:
    """Train and write the teacher; the folder appears only when it is whole."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    seeds = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
    tokenizer = make_tokenizer(seeds)
    model = make_model(len(tokenizer))
    train(model, tokenizer, seeds, steps)
    unfinished = folder.with_name(folder.name + ".part")
    model.to(torch.bfloat16).save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(folder)


if __name__ == "__main__":
    make_teacher(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else STEPS)
