"""What a user of the package or of the command line relies on."""

from __future__ import annotations

import importlib
import inspect
import re
import resource
import subprocess
import sys
from pathlib import Path

import commands
import pytest

import synth

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "pandas", "openai", "transformers", "pyarrow", "numpy", "datasets")


def test_public_names_exist_and_say_what_they_are() -> None:
    for name in synth.__all__:
        found = getattr(synth, name)
        assert name == "__version__" or (found.__doc__ and not found.__doc__.startswith(f"{name}(")), name


def test_public_functions_name_the_type_of_every_argument() -> None:
    for name in ("run", "arun", "bootstrap", "evolve", "respond", "select", "dedup", "teacher"):
        hints = inspect.get_annotations(getattr(synth, name))
        assert set(hints) == {*inspect.signature(getattr(synth, name)).parameters, "return"}, name


def test_novelty_is_importable_as_documented() -> None:
    module = importlib.import_module("synth.checks.novelty")
    assert module.NoveltyIndex and module.novel_subset


def test_help_takes_three_and_a_half_imports_of_typer_and_imports_nothing_heavy() -> None:
    """0.3 s of CPU on two cores of 2025; a ratio, since everything takes longer on a busy machine."""
    code = (
        "import sys, runpy\nsys.argv = ['synth', '--help']\n"
        "try: runpy.run_module('synth', run_name='__main__')\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    runs = [(_cpu_seconds(code), _cpu_seconds("import typer")) for _ in range(4)]
    times, beside = zip(*runs, strict=True)
    assert min(times)[0] < 3.5 * min(beside)[0], runs
    assert times[0][1] == "[]"


def _cpu_seconds(code: str) -> tuple[float, str]:
    """CPU seconds of an interpreter that runs `code`, and what it wrote to stderr."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr.strip()


def test_every_command_has_help_with_its_purpose() -> None:
    from synth.cli.app import COMMANDS

    for command in COMMANDS:
        assert command.__doc__ and len(command.__doc__.split()) > 3, command.__name__


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench"])
def test_make_target_exists_and_runs_what_it_says(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = {"demo": "synth run examples/quickstart.yaml", "test": "pytest", "lint": "mypy", "bench": "benchmarks/"}
    assert wanted[target] in done.stdout


def test_the_tree_names_no_path_of_a_machine_and_no_index() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(
        r"/" + r"work/|/" + r"root/|/home/\w+/|files\.python" + r"hosted|py" + r"pi\.org|regis" + r"try\.npm"
    )
    for name in listing.stdout.split():
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png"}:
            found = pattern.search(path.read_text("utf-8", errors="replace"))
            assert found is None, f"{name}: {found}"


def test_usage_mistakes_exit_2_without_a_traceback(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\nbootstrp: {}\nbootstrap:\n  num_task: 5\n  num_tasks: -1\nteacher: {backend: nonsense}\n")
    done = commands.synth("validate", bad, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for part in ("line 2", "'bootstrap'", "line 4", "'num_tasks'", "line 5", "line 6", "nonsense"):
        assert part in done.stderr, (part, done.stderr)
