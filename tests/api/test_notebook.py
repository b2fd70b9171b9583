"""The example notebook is run as IPython runs it: cell after cell in one namespace, inside one running event loop."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import types
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


async def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell, with `await` allowed outside of functions; the value of a last expression, as a notebook shows it."""
    tree = ast.parse(source)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.Assign([ast.Name("_shown", ast.Store())], tree.body[-1].value)
    code = compile(ast.fix_missing_locations(tree), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names["_shown"] = None
    found = types.FunctionType(code, names)()
    if inspect.iscoroutine(found):
        await found
    return names["_shown"]


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def whole() -> list[Any]:
        names: dict[str, Any] = {}
        return [await run_cell(source, names) for source in code_cells()]

    first, frame, reasons, seen, counts, _, duplicates, page = asyncio.run(whole())
    assert first is None
    assert list(frame.columns) == ["instruction", "input", "output", "operator"] and len(frame) == 5
    assert sum(reasons.values()) >= 0
    assert seen["bootstrap"] == 20
    assert counts[0] == 10 and counts[1] > 10 and counts[2] + counts[3] == counts[1]
    assert duplicates.kept == [0, 2]
    assert page == Path("runs/notebook/report.html") and page.is_file()


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code"
    )
