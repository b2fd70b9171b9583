"""A student's weights: drawn from a seed, fitted to a tokenizer, merged with an adapter, saved, hashed and compared."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import warnings
from collections.abc import Callable, Iterator
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
    """No progress bars of Transformers inside, and of its messages errors only."""
    from transformers.utils import logging

    level, had_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # what a library will rename one day is not the user's affair
            yield
    finally:
        logging.set_verbosity(level)
        if had_bar:
            logging.enable_progress_bar()


def refuse_unusable(path: str) -> None:
    """Raises UsageError for a folder that is missing, empty, an adapter, or whose weights would be unpickled."""
    folder = Path(path)
    if not folder.is_dir():
        if folder.is_absolute() or path.startswith("."):
            raise UsageError(f"there is no folder {path}", "name a folder with a model, or a model of the hub")
        return
    if not any(folder.iterdir()):
        raise UsageError(f"{path} is an empty folder", "name a folder with config.json and model.safetensors")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise UsageError(
            f"{path} is a LoRA adapter, which is no model by itself",
            "merge it into its base and name the merged folder, or train the base named in its adapter_config.json",
        )
    pickled = [one.name for one in sorted(folder.iterdir()) if one.suffix in (".bin", ".pt", ".pth", ".ckpt")]
    if (folder / "config.json").is_file() and pickled and not any(folder.glob("*.safetensors")):
        raise UsageError(
            f"{path} has pickled weights only ({pickled[0]}); loading them could run any code, so they are not loaded",
            "convert them to safetensors, or take the model from where it has model.safetensors",
        )


def load_tokenizer(path: str) -> Any:
    """The tokenizer of a model folder or hub name. Raises UsageError where there is none."""
    from transformers import AutoTokenizer

    refuse_unusable(path)
    try:
        return AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: no tokenizer can be loaded ({_first_line(error)})",
            "a model folder needs tokenizer.json and tokenizer_config.json beside its weights",
        ) from error


def load_model(path: str, **options: Any) -> Any:
    """The causal language model of a folder or hub name. Raises UsageError where there is none."""
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    refuse_unusable(path)
    try:
        return AutoModelForCausalLM.from_pretrained(path, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: no causal language model can be loaded ({_first_line(error)})",
            "name a folder with config.json and model.safetensors, or a model of the hub",
        ) from error
    except SafetensorError as error:
        raise UsageError(
            f"{_unreadable(Path(path)) or path}: these weights cannot be read ({_first_line(error)})",
            "the file was cut, or it is a pointer of Git LFS: download it again",
        ) from error


def _unreadable(folder: Path) -> Path | None:
    """The first file of weights that is none."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError:
            return path
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def refuse_unknown_id(model: Any, tokenizer: Any, highest: int, where: str) -> None:
    """Raises UsageError where the model has no row for the highest token id of a text."""
    known = int(model.get_input_embeddings().weight.shape[0])
    if highest >= known:
        raise UsageError(
            f"{where} has the token {tokenizer.convert_ids_to_tokens(highest)!r} with the id {highest}, and the model "
            f"has {known} tokens",
            "tokenizer and weights belong to different models; use those that were published together",
        )


def fit_vocabulary(model: Any, tokenizer: Any, known: int) -> int:
    """Give the model a row for each token that was added to the tokenizer's `known` own ones, rows a multiple of 64.

    New rows are the mean of the old ones. The mean is Stanford Alpaca's choice: a new token then starts neither likely
    nor unlikely. Some published tokenizers have tokens that their model has no row for (an image's, say): those stay as
    they are. Returns how many rows were missing.
    """
    import torch

    old = int(model.get_input_embeddings().weight.shape[0])
    missing = sum(token_id >= old for token_id in range(known, len(tokenizer)))
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
    """The base model, loaded anew, with a LoRA adapter merged into it in float32 and then in the base's own precision.

    Loading anew keeps a quantised base from being rounded twice. Raises TrainingError where the logits of the merged
    model differ by more than LORA_TOLERANCE from those with the adapter beside it.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoConfig

    model = load_model(base, dtype=torch.float32)
    fit_vocabulary(model, tokenizer, len(load_tokenizer(base)))
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
    return merged.to(AutoConfig.from_pretrained(base).dtype or torch.float32)


def save_student(model: Any, tokenizer: Any, out_dir: Path, state: dict[str, Any] | None = None) -> None:
    """Write model and tokenizer in Hugging Face form into `out_dir`, beside what else is there.

    `state`: the whole weights where the model holds only its share of them. Raises StorageError.
    """
    whole = out_dir / ".student"

    def save(folder: Path) -> None:
        model.save_pretrained(folder, state_dict=state)
        tokenizer.save_pretrained(folder)

    save_staged(whole, save)
    for path in sorted(whole.iterdir()):
        path.replace(out_dir / path.name)
    whole.rmdir()
    sync_folder(out_dir)


def save_staged(folder: Path, save: Callable[[Path], None]) -> None:
    """Make `folder` by `save`, whole or not at all: beside its place first, then renamed into it.

    Raises StorageError where the disk is full or refuses; what was there is untouched.
    """
    staging = folder.with_name(f".{folder.name.lstrip('.')}.saving")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        save(staging)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
        sync_folder(folder.parent)
    except Exception as error:  # safetensors has an error class of its own for a full disk
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            raise StorageError(
                f"{folder} could not be saved ({_first_line(error)})",
                "make room and give the same command again: training goes on from its last checkpoint",
            ) from error
        raise


def weights_sha256(folder: Path) -> str:
    """SHA-256 over the bytes of all .safetensors files of a folder, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                whole.update(block)
    return whole.hexdigest()
