"""FLAN's comparison (arXiv 2109.01652, section 4.3): students of the same rows told in three ways, on unseen tasks.

One cluster of task kinds at a time is held out whole. As in the paper all are examined with instructions, since without
any a model could not know what is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.records import Record
from synth.sources.annotated import AnnotatedSource, annotated
from synth.sources.flan import MODES, Mode, find_kind
from synth.stages.evaluate.ablation import AblationResult, Fit, ablation
from synth.stages.evaluate.examine import EvaluateSettings
from synth.stages.stage import RunFolder
from synth.student.items import EvalItem, items_from
from synth.student.presets import TrainSettings

MODES_FOLDER = "modes"


def compare_modes(
    folder: RunFolder, fit: Fit, training: TrainSettings, settings: EvaluateSettings, clusters: Sequence[str] = ()
) -> dict[str, AblationResult]:
    """Held-out cluster → untrained, none, name and instruction compared on it; all clusters where none is named.

    Written to modes.json in the run folder. Raises UsageError where the recipe has fewer than two clusters, or a named
    one is not among them.
    """
    sources = labelled_sources(folder.recipe)
    found = list(dict.fromkeys(cluster_of(source) for source in sources.values()))
    if len(found) < 2:
        raise UsageError(
            f"there are {len(found)} clusters of task kinds", "annotate needs sources of two clusters or more"
        )
    if unknown := [name for name in clusters if name not in found]:
        raise UsageError(f"there is no cluster {unknown[0]!r}", f"choose from: {', '.join(found)}")
    results: dict[str, AblationResult] = {}
    for cluster in clusters or found:
        arms, items = held_out_cluster(sources, cluster, folder.recipe.seed)
        where = folder.path / MODES_FOLDER / cluster
        results[cluster] = ablation({"untrained": [], **arms}, items, where, fit, training, settings, folder.show)
    rows = {cluster: result.to_dict() for cluster, result in results.items()}
    atomic_write(folder.path / "modes.json", json.dumps(rows, indent=1))
    return results


def labelled_sources(recipe: Any) -> dict[str, AnnotatedSource]:
    """The sources of a recipe that are told in FLAN's way."""
    found: Mapping[str, AnnotatedSource] = recipe.annotate.sources if recipe.annotate else {}
    return {name: source for name, source in found.items() if source.kind}


def cluster_of(source: AnnotatedSource) -> str:
    """The cluster of a source's kind."""
    return find_kind(source.kind or "").cluster


def held_out_cluster(
    sources: Mapping[str, AnnotatedSource], cluster: str, seed: int
) -> tuple[dict[str, list[Record]], list[EvalItem]]:
    """(mode → records of all other clusters, equal but for their prompts; the items of this one)."""
    others = {name: source for name, source in sources.items() if cluster_of(source) != cluster}
    arms = {str(mode): _told(others, mode, seed) for mode in MODES}
    unseen = {name: source for name, source in sources.items() if cluster_of(source) == cluster}
    records = _told(unseen, "instruction", seed)
    items = items_from(records)
    return arms, [replace(item, group=str(record.meta["task"])) for item, record in zip(items, records, strict=True)]


def _told(sources: Mapping[str, AnnotatedSource], mode: Mode, seed: int) -> list[Record]:
    change = {"mode": mode, "turned": False, "prompts_per_row": 1}
    return [
        result
        for name, source in sources.items()
        for result in annotated(name, source.model_copy(update=change), seed)
        if isinstance(result, Record)
    ]
