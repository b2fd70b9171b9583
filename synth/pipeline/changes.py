"""What a changed recipe means for a run folder: what stays as it is, and what may be asked anew, at what price.

A stage whose settings changed is made again, and so are those after it. An answer to an equal request is used again
whatever else changed, so the price is the most that it can come to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.engine.budget import Price
from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.models import check_options
from synth.pipeline.money import role_prices
from synth.recipe import Recipe
from synth.stages.stage import Planned

EVERYTHING = ("seed", "input", "strict_input", "stages", "teacher")
"""Sections that shape what the first stage makes."""
MOST_LINES = 20
WHERE_IT_RUNS = ("teacher.base_url", "judge.base_url")


@dataclass(frozen=True, slots=True)
class Changes:
    """Recipe keys whose values differ, with the flat recipes before and now (see `synth.recipe.shaping`)."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    recipe: Recipe

    @property
    def keys(self) -> list[str]:
        """The keys, in order of name."""
        both = sorted(self.old.keys() | self.new.keys())
        return [key for key in both if self.old.get(key) != self.new.get(key)]

    @property
    def stages(self) -> list[Planned]:
        """The stages of the new recipe that make records."""
        return [planned for planned in self.recipe.plan() if planned.stage.kind != "folder"]

    @property
    def moved(self) -> bool:
        """Is a server's address among the keys?"""
        return any(key in WHERE_IT_RUNS for key in self.keys)

    def told(self) -> list[str]:
        """One line for each key."""
        lines = [f"{key}: {self.old.get(key)!r} there, {self.new.get(key)!r} now" for key in self.keys]
        return lines[:MOST_LINES] + ([f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else [])

    def remade(self, ledger: LedgerReader, only_from: str | None = None, same_teacher: bool = False) -> list[Planned]:
        """The stages whose results must be made again; none before `only_from`, where that is given."""
        keys = [key for key in self.keys if not (same_teacher and key in WHERE_IT_RUNS)]
        judged = {row["stage"] for row in ledger.request_totals() if row["role"] == "judge"}
        stages = self.stages
        starts = [start for key in keys if (start := self._start(key, judged)) is not None]
        names = [planned.name for planned in stages]
        least = names.index(only_from) if only_from in names else 0
        return stages[max(least, min(starts)) :] if starts else []

    def _start(self, key: str, judged: set[str]) -> int | None:
        """The number of the first stage that `key` concerns, None where all stays."""
        section, _, field = key.partition(".")
        if section in EVERYTHING or key == "seeds.path":
            return 0
        stages = self.stages
        if section == "judge":
            asked = [n for n, planned in enumerate(stages) if judged & {planned.name, *planned.helpers}]
            return min(asked, default=None)
        place = self._place(section)
        if place is None:
            return None
        planned = stages[place] if place < len(stages) and stages[place].name == section else None
        if planned is None or not _has(self.old, section):  # the stage left, or is new
            return place if planned is None or planned.stage.kind == "records" else None
        top = field.partition(".")[0]
        if planned.stage.kind == "checks":
            return place if top in planned.stage.asking else None
        return None if top in planned.stage.growing else place

    def _place(self, section: str) -> int | None:
        """Where in the row of stages the one named `section` is or was; None for one that makes no records."""
        order = self.recipe.order
        if section not in order:
            return None
        before = set(order[: order.index(section)])
        is_there = any(planned.name == section for planned in self.recipe.plan())
        if is_there and section not in {planned.name for planned in self.stages}:
            return None
        return sum(planned.name in before for planned in self.stages)


def _has(flat_recipe: Mapping[str, Any], section: str) -> bool:
    return any(key.startswith(f"{section}.") for key in flat_recipe)


def endpoints(recipe: Recipe) -> dict[str, str]:
    """Role → who answers there, for the roles whose backend has addresses."""
    roles = {"teacher": recipe.teacher, "judge": recipe.judge or recipe.teacher}
    settings = {role: check_options(model.backend, model.options) for role, model in roles.items()}
    return {role: one.endpoint for role, one in settings.items() if hasattr(one, "endpoint")}


def asked(ledger: LedgerReader, stages: Sequence[Planned]) -> list[dict[str, Any]]:
    """The answered requests of these stages and their helpers, by stage and role (see `request_totals`)."""
    names = {name for planned in stages for name in (planned.name, *planned.helpers)}
    return [row for row in ledger.request_totals() if row["stage"] in names and row["state"] == "answered"]


def refusal(
    run_dir: Path, changes: Changes, remade: Sequence[Planned], rows: Sequence[Mapping[str, Any]]
) -> UsageError:
    """The error that says what changed, what stays, and what may be asked anew (`rows`) at what price."""
    lines = "\n  ".join([f"{run_dir} was made by another recipe:", *changes.told()])
    table = "\n  ".join(_table(changes, remade, rows, role_prices(changes.recipe)))
    moved = "; `synth run` takes --same-teacher for a server that only moved" if changes.moved else ""
    return UsageError(
        f"{lines}\n\n  {table}\n\nIt may be less: an answer to an equal request is used again.",
        f"add --accept-changes to go on so (what was paid for is kept), or choose another --run{moved}",
    )


def _table(
    changes: Changes, remade: Sequence[Planned], rows: Sequence[Mapping[str, Any]], prices: Mapping[str, Price]
) -> list[str]:
    """What stays and what may be asked anew, one line for each stage, and the sum."""
    lines = [("stage", "what happens", "requests", "tokens", "cost")]
    for planned in changes.recipe.plan():
        own = [row for row in rows if row["stage"] in (planned.name, *planned.helpers)]
        if planned in remade:
            lines.append((planned.name, "asked anew" if own else "made again", *_sums(own, prices)))
        else:
            lines.append((planned.name, "made again" if planned.stage.kind == "folder" else "stays", "", "", ""))
    lines.append(("sum", "at most", *_sums(rows, prices)))
    widths = [max(len(line[n]) for line in lines) for n in range(5)]
    return ["  ".join(_cell(cell, widths[n], n) for n, cell in enumerate(line)).rstrip() for line in lines]


def _cell(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)


def _sums(rows: Sequence[Mapping[str, Any]], prices: Mapping[str, Price]) -> tuple[str, str, str]:
    """Requests, tokens and cost at the prices of the roles; "-" where a price is not known."""
    tokens = [(row["role"], row["prompt_tokens"] or 0, row["completion_tokens"] or 0) for row in rows]
    cost = sum(prices[role].cost(prompt, answer) for role, prompt, answer in tokens if role in prices)
    known = all(role in prices for role, *_ in tokens)
    total = sum(prompt + answer for _, prompt, answer in tokens)
    return f"{sum(row['requests'] for row in rows):,}", f"{total:,}", f"{cost:.4f}" if known else "-"
