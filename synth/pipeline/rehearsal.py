"""What a changed recipe would ask anew: both recipes are gone through on a copy of the ledger, and nothing is sent.

It is what the old recipe uses, scaled to the size of the new one, less what the new one finds stored.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from synth.engine.between import note_moved, set_meta
from synth.engine.forecast import Load
from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.engine.payment import RoleModel
from synth.engine.progress import Found, RunProgress
from synth.engine.stored import ROLES, note_roles
from synth.errors import InputError, SynthError, UsageError
from synth.pipeline.data import Interrupted, read_input, run_data_stages
from synth.pipeline.folder import RunResult, copy_ledger
from synth.pipeline.forecast import rough
from synth.pipeline.roles import connect_roles
from synth.recipe import Recipe

Asked = dict[tuple[str, str], Load]
"""By stage and role."""


def asked_anew(old: Recipe, new: Recipe, run_dir: Path, stages: Collection[str], moved: Mapping[str, str]) -> Asked:
    """About what these `stages` of `new` will ask in a folder made by `old`; empty where every answer is stored.

    `moved`: role → where its server is now, for those that have only moved.
    """
    after = _found(new, run_dir, lambda folder: _note_models(new, folder, moved))
    if not any(one.missing for (stage, _), one in after.items() if stage in stages):
        return {}
    wanted = _wanted(old, new, _found(old, run_dir))
    rest = {key: _rest(wanted.get(key), after.get(key, Found()), key) for key in wanted | after if key[0] in stages}
    return {key: load for key, load in rest.items() if round(load.requests)}


def _wanted(old: Recipe, new: Recipe, before: Mapping[tuple[str, str], Found]) -> Asked:
    """What `new` uses in all: as `old` does, scaled by their settings; a rough figure for what `old` lacks."""
    whole, known = _by_role(new), _by_role(old)
    used = {
        key: Load(key[0], "", key[1], one.requests, one.prompt_tokens, one.completion_tokens)
        for key, one in before.items()
        if one.requests
    }
    grown = {
        key: load.times(whole[key].requests / known[key].requests)
        for key, load in used.items()
        if key in whole.keys() & known.keys()
    }
    return whole | used | grown


def _rest(wanted: Load | None, found: Found, key: tuple[str, str]) -> Load:
    """What of `wanted` is not found; at least what was seen to be missing."""
    if wanted is None or not wanted.requests:
        return Load(key[0], "", key[1], found.missing, 0, 0)
    return wanted.times(max(wanted.requests - found.requests, found.missing) / wanted.requests)


def _by_role(recipe: Recipe) -> Asked:
    """A recipe's rough load by stage and role; empty where a file of it is gone."""
    loads: Asked = {}
    with suppress(InputError, UsageError):
        for load in rough(recipe):
            key = load.stage, load.role
            loads[key] = loads[key].plus(load) if key in loads else load
    return loads


def _found(
    recipe: Recipe, run_dir: Path, prepare: Callable[[Path], None] = lambda _folder: None
) -> dict[tuple[str, str], Found]:
    """What the stages of `recipe` find stored and what they miss, as far as they come without calls."""
    progress = RunProgress()
    plan = [planned for planned in recipe.plan() if planned.stage.kind != "folder"]
    with tempfile.TemporaryDirectory(dir=run_dir, prefix=".", suffix=".tmp") as name:  # of a name that `tidy` knows
        folder = Path(name)
        copy_ledger(run_dir, folder / FILE_NAME)
        prepare(folder)
        try:
            given = read_input(recipe).records
            asyncio.run(run_data_stages(recipe, RunResult(folder, progress), plan, given, True, ends_at_gaps=True))
        except Interrupted:
            raise
        except SynthError:  # a file of the old recipe is gone, or a stage needs an answer to go on
            pass
    return progress.found


def _note_models(recipe: Recipe, folder: Path, moved: Mapping[str, str]) -> None:
    """Write into the copied ledger who answers in which role by `recipe`."""
    with LedgerReader(folder) as ledger:
        if moved:
            note_moved(folder, ledger, moved)
    asyncio.run(_note(folder, connect_roles(recipe, {})))


async def _note(folder: Path, roles: Mapping[str, RoleModel]) -> None:
    set_meta(folder, ROLES, note_roles(roles))
    for who in roles.values():
        await who.close()
