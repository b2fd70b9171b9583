"""What a changed recipe means for a run folder: what stays as it is, and what is asked anew, at what price.

A stage whose settings changed is made again, and so are those after it. An answer to an equal request is used again
whatever else changed (see `synth.pipeline.rehearsal`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.engine.budget import FREE, Price
from synth.engine.forecast import Load
from synth.engine.ledger import LedgerReader
from synth.engine.prices import cost_words
from synth.errors import UsageError
from synth.models import check_options
from synth.pipeline.money import role_prices, unpriced
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


def has_asked(ledger: LedgerReader, names: Collection[str]) -> bool:
    """Is any answer of the stages and helpers of these names stored?"""
    return any(row["stage"] in names and row["state"] == "answered" for row in ledger.request_totals())


def refusal(
    run_dir: Path, changes: Changes, remade: Sequence[Planned], rows: Mapping[tuple[str, str], Load]
) -> UsageError:
    """The error that says what changed, what stays, and what would be asked anew (`rows`) at what price."""
    lines = "\n  ".join([f"{run_dir} was made by another recipe:", *changes.told()])
    table = "\n  ".join(_table(changes, remade, list(rows.values()), _prices(changes.recipe)))
    moved = "; `synth run` takes --same-teacher for a server that only moved" if changes.moved else ""
    return UsageError(
        f"{lines}\n\n  {table}\n\nEqual requests are answered from the ledger and not counted; figures are estimates.",
        f"add --accept-changes to go on so (what was paid for is kept), or choose another --run{moved}",
    )


def _table(
    changes: Changes, remade: Sequence[Planned], loads: Sequence[Load], prices: Mapping[str, Price]
) -> list[str]:
    """What stays and what is asked anew, one line for each stage, and the sum."""
    lines = [("stage", "what happens", "requests", "tokens", "cost")]
    for planned in changes.recipe.plan():
        own = [load for load in loads if load.stage in (planned.name, *planned.helpers)]
        stays = "stays" if planned not in remade and planned.stage.kind != "folder" else "made again"
        lines.append((planned.name, "asked anew", *_sums(own, prices)) if own else (planned.name, stays, "", "", ""))
    lines.append(("sum", "about", *_sums(loads, prices)))
    widths = [max(len(line[n]) for line in lines) for n in range(5)]
    return ["  ".join(_cell(cell, widths[n], n) for n, cell in enumerate(line)).rstrip() for line in lines]


def _prices(recipe: Recipe) -> Mapping[str, Price]:
    """The prices of the roles that are known; nobody asks for money for a model of one's own."""
    own = {} if unpriced(recipe) else dict.fromkeys(("teacher", "judge"), FREE)
    return own | role_prices(recipe)


def _cell(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)


def _sums(loads: Sequence[Load], prices: Mapping[str, Price]) -> tuple[str, str, str]:
    """Requests, tokens and cost at the prices of the roles; unknown where one of them has none."""
    known = [x for x in loads if x.role in prices]
    cost = sum(prices[x.role].cost(round(x.prompt_tokens), round(x.completion_tokens)) for x in known)
    tokens = sum(load.prompt_tokens + load.completion_tokens for load in loads)
    price = cost_words(cost if len(known) == len(loads) else None)
    return f"{sum(load.requests for load in loads):,.0f}", f"{tokens:,.0f}", price
