"""A run folder follows its recipe: what a change does not concern stays, what it leaves behind is dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.engine.between import drop_stages, has_produced, note_moved
from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.given import flat, read_text
from synth.pipeline.changes import Changes, endpoints, has_asked, refusal
from synth.pipeline.folder import IDENTITY, RECIPE_FILE, Steering, read_run_recipe
from synth.pipeline.rehearsal import asked_anew
from synth.recipe import Recipe, shaping


def adopt(recipe: Recipe, run_dir: Path, steering: Steering, tell: Callable[[str], None]) -> None:
    """Make the folder follow `recipe`: drop what the change leaves behind, then write the recipe as resolved.

    Files count by what is in them: the folder and its inputs may be moved. Raises UsageError, with what stays and what
    would be asked anew, where that is something and nobody has accepted it.
    """
    new = flat(shaping(recipe.model_dump(mode="json")))
    old = _identity(run_dir)
    if old is not None and (run_dir / FILE_NAME).is_file():
        with LedgerReader(run_dir) as ledger:
            if has_produced(ledger):
                _follow(Changes(old, new, recipe), run_dir, ledger, steering, tell)
    atomic_write(run_dir / RECIPE_FILE, recipe.to_yaml())
    atomic_write(run_dir / IDENTITY, json.dumps(new, indent=1))


def _follow(
    changes: Changes, run_dir: Path, ledger: LedgerReader, steering: Steering, tell: Callable[[str], None]
) -> None:
    """Tell what changed and drop the results that the change leaves behind; see `adopt`."""
    if not changes.keys:
        return
    remade = changes.remade(ledger, steering.only_from, steering.same_teacher)
    names = [name for planned in remade for name in (planned.name, *planned.helpers)]
    places = endpoints(changes.recipe) if steering.same_teacher else {}
    if has_asked(ledger, names) and not steering.accept_changes:
        tell("looking up which stored answers can be used again; nothing is sent")
        if rows := asked_anew(read_run_recipe(run_dir), changes.recipe, run_dir, names, places):
            raise refusal(run_dir, changes, remade, rows)
    if said := replace(changes, old=_as_read(run_dir, changes.old)).told():
        tell("\n  ".join([f"{run_dir}: its recipe changed", *said]))
    if places:
        note_moved(run_dir, ledger, places)
    drop_stages(run_dir, names)


def _as_read(run_dir: Path, old: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with the settings that the version which made the folder did not know, as this one reads its recipe."""
    try:
        return flat(shaping(read_run_recipe(run_dir).model_dump(mode="json"))) | dict(old)
    except UsageError:
        return dict(old)


def _identity(run_dir: Path) -> dict[str, Any] | None:
    """What shaped the folder, by dotted key; None where nothing has been made in it yet."""
    if not (run_dir / RECIPE_FILE).is_file():
        return None
    try:
        return dict(json.loads(read_text(run_dir / IDENTITY)))
    except (OSError, ValueError):
        return flat(shaping(read_run_recipe(run_dir).model_dump(mode="json")))
