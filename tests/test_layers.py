"""Imports point down: a module imports from its own layer's siblings or from below, never from above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "synth"
FLOORS = (
    {"errors", "records", "fileio", "given", "shipped", "plugins", "version", "models", "embedded", "prompts", "parsing", "verify",
     "metrics", "mistakes", "ranking", "verdicts",
     "tokens", "diversity", "__init__"},
    {"engine"},
    {"checks", "judge", "student", "sources"},
    {"stages"},
    {"recipe"},
    {"pipeline"},
    {"cli", "review", "api", "__main__"},
)  # fmt: skip
LAYERS = {name: height for height, floor in enumerate(FLOORS) for name in floor}
FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> list[str]:
    """The dotted names of ours that a file imports, inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "synth":
            found += (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "synth" else [node.module]
            )
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] == "synth"]
    return found


def part(dotted: str) -> str:
    pieces = dotted.split(".")
    return pieces[1] if len(pieces) > 1 and pieces[1] != "__version__" else "__init__"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imports(path) if path != ROOT / "__init__.py" else ():  # the public names are imported when used
        assert LAYERS[part(name)] <= LAYERS[own], f"{path.name} (layer {LAYERS[own]}) imports {name}"


@pytest.mark.parametrize(
    "path",
    sorted({*(ROOT / "stages").rglob("*.py")} - {ROOT / "stages/order.py"}),
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_stages_never_import_each_other(path: Path) -> None:
    shared = {"seeds", "seed_stats", "stage", "train"}  # students of other data are trained too
    own = path.relative_to(ROOT / "stages").parts[0].removesuffix(".py")
    others = {name.split(".")[2] for name in imports(path) if name.startswith("synth.stages.")} - {own}
    assert others <= shared | {""}, f"{path.name} imports {others - shared}"


KNOWN_CYCLES = (
    {"synth.engine.payment", "synth.engine.run", "synth.engine.stage_run"},
    {"synth.student.chat_template", "synth.student.templates"},
)
"""Still to be cut; no other may come."""


def test_imports_have_no_cycles_those_for_types_included() -> None:
    names = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
    }
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        graph[name] = {one for one in found if one in names and one != name and not name.startswith(f"{one}.")}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = [start]
        while left:
            new = graph[left.pop()] - seen
            seen |= new
            left += new
        return seen

    cycles = {
        frozenset(one for one in reached(name) if name in reached(one)) for name in names if name in reached(name)
    }
    assert [cycle for cycle in cycles if cycle not in KNOWN_CYCLES] == []


def test_errors_and_records_import_nothing_of_ours() -> None:
    assert imports(ROOT / "errors.py") == imports(ROOT / "records.py") == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_embedded_teacher_has_one_door_and_reads_little_of_the_rest(path: Path) -> None:
    needed = {"synth.errors", "synth.records", "synth.models.base", "synth.models.openai_replies"}
    names = {name for name in imports(path) if (part(name) == "embedded") != (ROOT / "embedded" in path.parents)}
    assert names <= (needed if ROOT / "embedded" in path.parents else {"synth.embedded"}), path


def test_nothing_pickles() -> None:
    for path in FILES:
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {one.name.split(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
        assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}, path
