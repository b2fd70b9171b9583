"""A student's weights: drawn from a seed, fitted to a tokenizer, merged with an adapter, saved, hashed and compared."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synth.errors import StorageError, TrainingError, UsageError
from synth.fileio import sync_folder

LORA_TOLERANCE = 1e-5  # largest difference of logits between a LoRA model and its merged form, in float32


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws inside come from `seed`; PyTorch's CPU generator is as before afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def threads(number: int | None) -> Iterator[None]:
    """PyTorch computes with `number` CPU threads inside (None: as it is). Sums depend on it in the last bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of Transformers and Datasets inside, and of their messages errors only."""
    import datasets.utils.logging as of_datasets
    import transformers.utils.logging as of_transformers

    libraries: tuple[Any, ...] = (of_transformers, of_datasets)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (level, had_bar) in zip(libraries, before, strict=True):
            library.set_verbosity(level)
            if had_bar:
                library.enable_progress_bar()


def load_tokenizer(path: str) -> Any:
    """The tokenizer of a model folder or hub name. Raises UsageError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: no tokenizer can be loaded ({_first_line(error)})",
            "a model folder needs tokenizer.json and tokenizer_config.json beside its weights",
        ) from error


def load_model(path: str, **options: Any) -> Any:
    """The causal language model of a folder or hub name. Raises UsageError where there is none."""
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(path, **options)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: no causal language model can be loaded ({_first_line(error)})",
            "name a folder with config.json and model.safetensors, or a model of the hub",
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def fit_vocabulary(model: Any, tokenizer: Any) -> int:
    """Give the model a row for every token, padded to a multiple of 64; new rows are the mean of the old ones.

    The mean is Stanford Alpaca's choice: a new token then starts neither likely nor unlikely. Returns the number of
    tokens that had no row.
    """
    import torch

    old = int(model.get_input_embeddings().weight.shape[0])
    missing = max(0, len(tokenizer) - old)
    if missing:
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64, mean_resizing=False)
        with torch.no_grad():
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                layer.weight[old:] = layer.weight[:old].mean(dim=0)
    for config in (model.config.get_text_config(), model.generation_config):
        config.pad_token_id = tokenizer.pad_token_id
        config.eos_token_id = tokenizer.eos_token_id
    return missing


def keeps_packed_apart(model: Any) -> bool:
    """Whether the model keeps examples packed into one row apart: two together must give the logits of each alone.

    Some architectures and attention kernels ignore the position ids that mark the borders, and would then learn to
    answer one example by looking at another.
    """
    import torch

    one, other = [3, 5, 7, 9, 11], [4, 6, 8, 10]
    positions = [*range(len(one)), *range(len(other))]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            device = model.get_input_embeddings().weight.device

            def logits(ids: list[int], places: list[int]) -> Any:
                as_row = {"input_ids": ids, "position_ids": places}
                tensors = {name: torch.tensor([row], device=device) for name, row in as_row.items()}
                return model(**tensors, use_cache=False).logits[0].float()

            packed = logits(one + other, positions)[len(one) :]
            alone = logits(other, positions[len(one) :])
    except (TypeError, ValueError, RuntimeError):
        return False
    finally:
        model.train(was_training)
    return bool((packed - alone).abs().max() <= 1e-2 * alone.abs().max().clamp(min=1))


def merge_adapter(base: str, adapter: Path, tokenizer: Any) -> Any:
    """The base model, loaded anew in float32, with a LoRA adapter merged into it.

    Loading anew keeps a quantised base from being rounded twice. Raises TrainingError where the logits of the merged
    model differ by more than LORA_TOLERANCE from those with the adapter beside it.
    """
    import torch
    from peft import PeftModel

    model = load_model(base, dtype=torch.float32)
    fit_vocabulary(model, tokenizer)
    with_adapter = PeftModel.from_pretrained(model, str(adapter)).eval()
    probe = torch.arange(1, 33).reshape(2, 16) % model.config.get_text_config().vocab_size
    with torch.no_grad():
        before = with_adapter(input_ids=probe, use_cache=False).logits
        merged = with_adapter.merge_and_unload()
        after = merged(input_ids=probe, use_cache=False).logits
    difference = float((before - after).abs().max() / before.abs().max().clamp(min=1))
    if not difference <= LORA_TOLERANCE:
        raise TrainingError(
            f"the merged model differs from the adapter by {difference:.1e} in its logits",
            f"use the adapter as it is: {adapter}",
        )
    return merged


def save_student(model: Any, tokenizer: Any, out_dir: Path, state: dict[str, Any] | None = None) -> None:
    """Write model and tokenizer in Hugging Face form: into a folder beside the target first, then moved over.

    `state`: the whole weights where the model holds only its share of them. A full disk leaves what was there
    untouched. Raises StorageError.
    """
    staging = out_dir / ".saving"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        model.save_pretrained(staging, state_dict=state)
        tokenizer.save_pretrained(staging)
        for path in sorted(staging.iterdir()):
            path.replace(out_dir / path.name)
        sync_folder(out_dir)
    except Exception as error:  # safetensors has an error class of its own for a full disk
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            raise StorageError(
                f"{out_dir}: the student could not be saved ({_first_line(error)})",
                "make room and give the same command again: training goes on from its last checkpoint",
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def weights_sha256(folder: Path) -> str:
    """SHA-256 over the bytes of all .safetensors files of a folder, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                whole.update(block)
    return whole.hexdigest()
