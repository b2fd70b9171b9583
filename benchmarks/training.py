"""What packing buys: useful tokens per second of the same model and data, padded as TRL does by itself and packed.

    python benchmarks/training.py                                     CPU, 10 M parameters, CPU seconds of one thread
    python benchmarks/training.py --size 100m --steps 30              a GPU where there is one: bf16, tokens/s and MFU

Data: alpaca_en_demo.json (see --data); rows cut at 512 tokens, loss on the answers. Useful tokens are all that are no
padding. Both ways take the same examples per step. The first steps are left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synth.records import Record
from synth.student.encode import Encoded, Encoder
from synth.student.fit import fit
from synth.student.presets import TrainSettings
from synth.student.templates import TEMPLATES

DATA = Path(__file__).parents[2] / "shared" / "data" / "alpaca_en_demo.json"
SIZES = {  # name: hidden size, layers, heads, vocabulary
    "10m": (320, 7, 5, 4096),
    "100m": (768, 12, 12, 16384),
    "350m": (1024, 24, 16, 16384),
}
WARM_UP = 2


def main() -> None:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--size", choices=SIZES, default="10m")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--examples", type=int, default=8, help="examples a step sees")
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="of the GPU in bf16, for MFU (H100/H200: 989)")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rows = json.loads(arguments.data.read_text("utf-8"))
    records = [Record(row["instruction"], row["input"], row["output"]) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(records, Path(folder) / "base", arguments.size)
        results = [
            ("TRL, padded", measure(lambda seen: padded(records, base, arguments, Path(folder) / "padded", seen))),
            ("packed", measure(lambda seen: packed(records, base, arguments, Path(folder) / "packed", seen))),
        ]
    print_table(results, torch.cuda.is_available(), arguments.peak_tflops)


def measure(run: Callable[[Callable[..., None]], tuple[float, int]]) -> tuple[float, float, int]:
    """(useful tokens per CPU second, per second, parameters) of a run that reports every step."""
    marks: list[tuple[float, float]] = []
    tokens_per_step, parameters = run(lambda *_: marks.append((time.process_time(), time.perf_counter())))
    steps = len(marks) - 1 - WARM_UP
    cpu = marks[-1][0] - marks[WARM_UP][0]
    wall = marks[-1][1] - marks[WARM_UP][1]
    return tokens_per_step * steps / cpu, tokens_per_step * steps / wall, parameters


def settings(base: Path, arguments: Any) -> TrainSettings:
    """Plain full training; activation checkpointing off, since both ways would pay for it.

    A GPU takes all rows of a step at once; on the CPU, where attention costs the square of what is taken, one by one.
    """
    import torch

    return TrainSettings(
        preset="tiny",
        model=str(base),
        template="alpaca-newline",
        max_length=arguments.max_length,
        batch_tokens=None,
        batch_size=arguments.examples,
        micro_batch_size=arguments.examples if torch.cuda.is_available() else 1,
        max_steps=arguments.steps + WARM_UP + 1,
        learning_rate=1e-4,
        precision="auto",
        num_threads=1,
    )


def packed(
    records: list[Record], base: Path, arguments: Any, out_dir: Path, seen: Callable[..., None]
) -> tuple[float, int]:
    """Our way."""
    told = fit(records, out_dir, settings(base, arguments), seen)
    return told["tokens"] / told["steps"], told["num_parameters"]


def padded(
    records: list[Record], base: Path, arguments: Any, out_dir: Path, seen: Callable[..., None]
) -> tuple[float, int]:
    """TRL's SFTTrainer on the same token ids, batches padded to their longest row, order drawn at random."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Mark(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: dict[str, Any] | None = None, **__: Any) -> None:
            if "loss" in (logs or {}):
                seen()

    encoder, rows = encoded(records, base, arguments.max_length)
    is_cuda = torch.cuda.is_available()
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(out_dir),
            max_length=arguments.max_length,
            per_device_train_batch_size=arguments.examples,
            max_steps=arguments.steps + WARM_UP + 1,
            learning_rate=1e-4,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            activation_checkpointing=False,
            bf16=is_cuda,
            use_cpu=not is_cuda,
            dataloader_pin_memory=is_cuda,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([{"input_ids": row.ids, "labels": row.labels} for row in rows.rows]),
        processing_class=encoder.tokenizer,
        callbacks=[Mark()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    tokens = trainer._total_train_tokens / trainer.state.global_step
    return float(tokens), sum(weight.numel() for weight in trainer.model.parameters())


def encoded(records: list[Record], base: Path, max_length: int) -> tuple[Encoder, Encoded]:
    """The records as rows of token ids."""
    from synth.student.weights import load_tokenizer

    encoder = Encoder(TEMPLATES["alpaca-newline"], load_tokenizer(str(base)))
    return encoder, encoder.rows(records, max_length)


def make_base(records: list[Record], out_dir: Path, size: str) -> Path:
    """A Llama with random weights and a byte-level BPE trained on the data."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from synth.student.tiny import make_model

    hidden, layers, heads, vocabulary = SIZES[size]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<|pad|>", "<|end|>"], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator((f"{r.instruction}\n{r.input}\n{r.output}" for r in records), trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<|pad|>", eos_token="<|end|>")
    tokenizer.save_pretrained(out_dir)
    make_model(vocabulary, seed=0, hidden=hidden, layers=layers, heads=heads).save_pretrained(out_dir)
    return out_dir


def print_table(results: list[tuple[str, tuple[float, float, int]]], is_cuda: bool, peak_tflops: float) -> None:
    """One line a way, the last column against the first way."""
    parameters = results[0][1][2]
    print(f"{parameters / 1e6:.1f} M parameters, {'GPU, bf16' if is_cuda else 'CPU, float32, 1 thread'}")
    kind = "useful tokens/s" if is_cuda else "useful tokens/CPU s"
    print(f"{'':14}{kind:>22}{'MFU':>8}{'ratio':>8}")
    place = 1 if is_cuda else 0
    for name, figures in results:
        mfu = f"{6 * parameters * figures[1] / peak_tflops / 1e12:.1%}" if is_cuda else "-"
        print(f"{name:14}{figures[place]:>22,.0f}{mfu:>8}{figures[place] / results[0][1][place]:>8.2f}")


if __name__ == "__main__":
    main()
