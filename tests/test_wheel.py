"""The wheel is whole: built, installed into an empty environment, it bootstraps from the shipped seeds in any folder.

The libraries it needs are those of this environment, put on the path: installing them all would take minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytest.importorskip("setuptools")


def run(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Standard output; the command must succeed."""
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    tree = place / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("synth", "seed_tasks"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", place)
    run(sys.executable, "-m", "pip", "wheel", *options, ".", cwd=tree)
    return next(place.glob("*.whl"))


def test_the_wheel_holds_seeds_prompts_and_pages_and_nothing_beside_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"seed_tasks/seed_tasks.jsonl", "seed_tasks/eval_tasks.jsonl", "data/recipe.yaml", "prompts/answer.jinja"}
    assert {f"synth/{name}" for name in wanted} <= names and "synth/py.typed" in names
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "synth").rglob("*.jinja")}
    assert shipped <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"synth"}


def test_an_installed_wheel_bootstraps_and_checks_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=tmp_path)
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    target = ("--no-deps", "--no-index", "--quiet", "--target", packages)
    run(sys.executable, "-m", "pip", "install", *target, wheel, cwd=tmp_path)
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"NO_COLOR": "1"}
    python, elsewhere = tmp_path / "venv/bin/python", tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = run(python, "-c", "import synth; print(synth.__file__)", cwd=elsewhere, env=env)
    assert Path(where.strip()).is_relative_to(packages)
    (elsewhere / "recipe.yaml").write_text(
        json.dumps({"teacher": {"backend": "embedded"}, "bootstrap": {"num_tasks": 6, "window": 2}})
    )
    said = run(python, "-m", "synth", "run", "recipe.yaml", "--run", "run", "--json", cwd=elsewhere, env=env)
    stages = json.loads(said)["stages"]
    assert stages["bootstrap"]["kept"] >= 6 and stages["select"]["kept"] > 0
    assert json.loads((elsewhere / "run/export/alpaca.json").read_text())
