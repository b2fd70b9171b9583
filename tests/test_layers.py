"""Imports point down: a module imports from its own layer's siblings or from below, never from above."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent / "synth"
FLOORS = (
    {"errors", "records", "fileio", "given", "shipped", "plugins", "version", "models", "embedded", "prompts", "parsing", "verify",
     "metrics", "mistakes", "ranking", "verdicts",
     "tokens", "diversity", "word_forms", "__init__"},
    {"engine"},
    {"checks", "judge", "student", "sources"},
    {"stages"},
    {"recipe"},
    {"pipeline"},
    {"cli", "review", "api", "__main__"},
)  # fmt: skip
LAYERS = {name: height for height, floor in enumerate(FLOORS) for name in floor}
FILES = sorted(ROOT.rglob("*.py"))


class Code(NamedTuple):
    """What one file imports and how long it is."""

    num_lines: int
    functions: dict[str, int]
    """Its functions with their lines."""
    ours: list[str]
    """The dotted names of this package that it imports, inside functions too."""
    modules: set[str]
    """All modules it imports, and `module.name` for each name it takes from one."""


@cache
def code(path: Path) -> Code:
    """Read a file once for all tests."""
    text = path.read_text("utf-8")
    functions: dict[str, int] = {}
    ours: list[str] = []
    modules: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions[node.name] = max((node.end_lineno or 0) - node.lineno, functions.get(node.name, 0))
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules |= {node.module, *names}
            ours += names if node.module == "synth" else [node.module] if node.module.startswith("synth.") else []
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
            ours += [alias.name for alias in node.names if alias.name.split(".")[0] == "synth"]
    return Code(len(text.splitlines()), functions, ours, modules)


def imports(path: Path) -> list[str]:
    return code(path).ours


def part(dotted: str) -> str:
    pieces = dotted.split(".")
    return pieces[1] if len(pieces) > 1 and pieces[1] != "__version__" else "__init__"


def test_imports_point_down() -> None:
    wrong = []
    for path in FILES:
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if path != ROOT / "__init__.py":  # the public names are imported when used
            wrong += [(str(path), name) for name in imports(path) if LAYERS[part(name)] > LAYERS[own]]
    assert wrong == []


def test_stages_never_import_each_other() -> None:
    shared = {"seeds", "seed_stats", "stage", "train", ""}  # students of other data are trained too
    wrong = {}
    for path in {*(ROOT / "stages").rglob("*.py")} - {ROOT / "stages/order.py"}:
        own = path.relative_to(ROOT / "stages").parts[0].removesuffix(".py")
        others = {name.split(".")[2] for name in imports(path) if name.startswith("synth.stages.")}
        wrong[str(path)] = others - {own} - shared
    assert len(wrong) > 40 and {path: names for path, names in wrong.items() if names} == {}


KNOWN_CYCLES = (
    {"synth.engine.payment", "synth.engine.run", "synth.engine.stage_run"},
    {"synth.student.chat_template", "synth.student.templates"},
)
"""Still to be cut; no other may come."""


def test_imports_have_no_cycles_those_for_types_included() -> None:
    names = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
    }
    graph = {
        name: {one for one in code(path).modules if one in names and one != name and not name.startswith(f"{one}.")}
        for name, path in names.items()
    }

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


def test_files_and_functions_stay_short() -> None:
    assert [str(path) for path in FILES if code(path).num_lines > 500] == []
    assert [(str(path), name) for path in FILES for name, lines in code(path).functions.items() if lines >= 60] == []


def test_the_embedded_teacher_has_one_door_and_reads_little_of_the_rest() -> None:
    needed = {"synth.errors", "synth.records", "synth.models.base", "synth.models.openai_replies"}
    wrong = []
    for path in FILES:
        inside = ROOT / "embedded" in path.parents
        crossing = {name for name in imports(path) if (part(name) == "embedded") != inside}
        wrong += [(str(path), name) for name in crossing - (needed if inside else {"synth.embedded"})]
    assert wrong == []


def test_the_embedded_teacher_has_at_most_five_thousand_lines() -> None:
    assert sum(len(path.read_text("utf-8").splitlines()) for path in (ROOT / "embedded").rglob("*.py")) <= 5000


def test_nothing_pickles() -> None:
    picklers = {"pickle", "dill", "joblib", "shelve", "marshal"}
    assert [str(path) for path in FILES if {name.split(".")[0] for name in code(path).modules} & picklers] == []
