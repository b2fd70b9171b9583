"""The seeds that hold programs: their SQL is run in SQLite, their Python in Python, and the answers are compared."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import sqlite3
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from synth.stages.seeds import read_seed_tasks
from synth.verify import verify

SEEDS = {task.name: task for task in read_seed_tasks(Path(__file__).parents[1] / "seed_tasks" / "seed_tasks.jsonl")}


def given(name: str) -> str:
    return SEEDS[name].instances[0].input


def answer(name: str) -> str:
    return SEEDS[name].instances[0].output


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.split("\n\n")[0])))


def commas(items: Iterable[Any]) -> str:
    return ", ".join(map(str, items))


def markdown_rows(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return [rows[0], *rows[2:]]


# --- SQL -------------------------------------------------------------------------------------------------------------


def load(name: str, rows: list[dict[str, str]]) -> sqlite3.Connection:
    """An in-memory table; whole and decimal numbers become numbers, empty fields NULL."""

    def value(text: str) -> Any:
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return kind(text)
        return text or None

    base = sqlite3.connect(":memory:")
    base.execute(f"CREATE TABLE {name} ({commas(rows[0])})")
    marks = commas("?" * len(rows[0]))
    base.executemany(f"INSERT INTO {name} VALUES ({marks})", [[value(cell) for cell in row.values()] for row in rows])
    return base


def query_in(text: str) -> str:
    """The SQL of an answer: its fenced block, or all of it."""
    fenced = re.search(r"```sql\n(.*?)```", text, re.DOTALL)
    return fenced[1] if fenced else text


def null_counts() -> str:
    text = given("sql_null_counting")
    return commas(load("sensors", table(text)).execute(text.split("\n\n")[1]).fetchone())


def two_filters() -> str:
    text = given("sql_two_filters_same")
    base = load("visits", table(text))
    one, other = (sorted(base.execute(query).fetchall()) for query in re.findall(r"SELECT[^;]+;", text))
    return "Same" if one == other else "Different"


def orchard_sum() -> int:
    text = given("sql_orchard_sum_result")
    header, *cells = markdown_rows(text.split("\n\n")[0])
    base = load("harvest", [dict(zip(header, line, strict=True)) for line in cells])
    return int(base.execute(text.split("\n\n")[1]).fetchone()[0])


SQL: dict[str, Any] = {
    "sql_null_counting": null_counts,
    "sql_two_filters_same": two_filters,
    "sql_orchard_sum_result": orchard_sum,
}


def test_the_ferry_query_gives_what_python_counts() -> None:
    rows = table(given("sql_ferry_delays"))
    delays: dict[str, list[int]] = {}
    for row in rows:
        delays.setdefault(row["vessel"], []).append(int(row["minutes_late"]))
    wanted = [(name, len(late), round(sum(late) / len(late), 1)) for name, late in delays.items() if len(late) >= 2]
    wanted.sort(key=lambda row: -row[2])
    assert load("crossings", rows).execute(query_in(answer("sql_ferry_delays"))).fetchall() == wanted


def test_the_till_query_gives_running_sums() -> None:
    rows = table(given("sql_running_till_balance"))
    wanted = list(itertools.accumulate(int(row["amount"]) for row in rows))
    result = load("cash", rows).execute(query_in(answer("sql_running_till_balance"))).fetchall()
    assert [row[-1] for row in result] == wanted == [240, 60, 370, 275, 425, 25]


def test_the_deposit_query_lists_every_member() -> None:
    base = sqlite3.connect(":memory:")
    base.executescript(given("sql_instrument_deposits"))
    result = base.execute(query_in(answer("sql_instrument_deposits"))).fetchall()
    assert result == [
        ("Elif", 1, 900), ("Adaeze", 2, 500), ("Bruno", 1, 250), ("Chiara", 0, 0), ("Dmitri", 0, 0), ("Femke", 0, 0),
    ]  # fmt: skip


def test_the_repaired_supplier_report_finds_the_two_missing() -> None:
    base = sqlite3.connect(":memory:")
    setup, broken = given("bug_not_in_null").split("-- the report")
    base.executescript(setup)
    assert base.execute(broken).fetchall() == []
    fixed = base.execute(query_in(answer("bug_not_in_null"))).fetchall()
    assert fixed == [("Dunmore Eggs",), ("Hale Dairy",)]


# --- code ------------------------------------------------------------------------------------------------------------


def printed(program: str) -> str:
    """What a program of ours prints; the name of what it raises otherwise."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(program, {})
    except Exception:
        return "Exception"
    return out.getvalue()


def code_in(name: str) -> str:
    found = re.search(r"```(?:python)?\n(.*?)```", answer(name), re.DOTALL)
    assert found
    return found[1]


def passes_grow(text: str) -> str:
    space: dict[str, Callable[[int], int]] = {}
    exec(text, space)  # type: ignore[arg-type]
    steps = [space["passes"](3**exponent) for exponent in (4, 8, 16, 32)]
    return "O(log n)" if steps == [4, 8, 16, 32] else "other"


def tank(limit: int = 100_000) -> str:
    level = 0.0
    for _ in range(limit):
        if level == 1.0:
            return "Ends"
        level += 0.1
    return "Never ends"


def clause_at_fault(text: str) -> str:
    """The clause that answers for a weight the tariff prices otherwise."""
    space: dict[str, Callable[[float], float]] = {}
    exec(text, space)  # type: ignore[arg-type]
    tariff = [(0.5, 4.5), (2, 4.5), (2.1, 8.0), (10, 8.0), (10.1, 15.0), (40, 15.0)]
    wrong = {space["parcel_price"](kg) for kg, price in tariff if space["parcel_price"](kg) != price}
    return {4.5: "A", 8.0: "B", 15.0: "C"}[wrong.pop()]


CODE: dict[str, Any] = {
    "output_ranked_stock": lambda: printed(given("output_ranked_stock")),
    "output_late_bells": lambda: printed(given("output_late_bells")),
    "output_rounding_line": lambda: printed(given("output_rounding_line")),
    "output_none_in_sort": lambda: printed(given("output_none_in_sort")),
    "complexity_of_thirds": lambda: passes_grow(given("complexity_of_thirds")),
    "bug_tank_loop_ends": tank,
    "bug_parcel_clause": lambda: clause_at_fault(given("bug_parcel_clause")),
}


def test_the_python_answers_do_what_was_asked() -> None:
    shifts: dict[str, Any] = {}
    exec(code_in("py_shift_overlaps"), shifts)
    assert shifts["overlaps"]([(0, 10), (10, 20), (5, 12), (30, 40)]) == [(0, 2), (1, 2)]
    menu: dict[str, Any] = {}
    before: dict[str, Any] = {}
    exec(code_in("py_menu_without_recursion"), menu)
    exec(given("py_menu_without_recursion"), before)
    leaf = {"label": "d"}
    tree = {"label": "a", "children": [{"label": "b", "children": [leaf, {"label": "e"}]}, {"label": "c"}]}
    assert menu["labels"](tree) == before["labels"](tree) == ["a", "b", "d", "e", "c"]
    for _ in range(5000):
        leaf = {"label": "x", "children": [leaf]}  # type: ignore[dict-item]
    assert len(menu["labels"](leaf)) == 5001


def test_the_release_pattern_tells_the_tags_apart() -> None:
    pattern = code_in("regex_release_tags").strip()
    accepted, rejected = (line.split(": ")[1].split(", ") for line in given("regex_release_tags").splitlines())
    assert all(re.fullmatch(pattern, tag) for tag in accepted)
    assert not any(re.fullmatch(pattern, tag) for tag in rejected)


def test_the_examples_in_explanations_are_true() -> None:
    space: dict[str, Any] = {}
    exec(given("explain_sliding_peaks"), space)
    assert space["peaks"]([3, 1, 4, 1, 5, 2], 3) == [4, 4, 5, 5] and "`[4, 4, 5, 5]`" in answer("explain_sliding_peaks")
    box = given("explain_membership_pattern")
    assert [bool(re.search(box, code)) for code in ("KP-2041/07", "kp-2041", "KP-2041/7")] == [True, False, False]


# --- all of them -----------------------------------------------------------------------------------------------------

ALL = SQL | CODE


@pytest.mark.parametrize("name", ALL)
def test_a_second_derivation_agrees(name: str) -> None:
    derived = ALL[name]()
    text = str(float(derived)) if isinstance(derived, float | Fraction) else str(derived)
    check = SEEDS[name].check
    assert check is not None
    assert verify(text, check).passed, f"derived {text}, the seed says {check}"


@pytest.mark.parametrize("category", ["sql", "code_output"])
def test_every_checked_seed_of_the_computable_categories_is_derived(category: str) -> None:
    checked = {task.name for task in SEEDS.values() if task.category == category and task.check}
    assert checked - set(ALL) == set()
