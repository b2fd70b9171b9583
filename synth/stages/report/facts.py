"""The numbers of a run, gathered from its folder in one pass over each stage. Draws nothing.

Every part but the ledger may be missing (no recipe, no export, no student): what is not there is None or empty.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synth.diversity import VerbNouns, count_verb_nouns
from synth.engine.funnel import Funnel, count_funnel, data_stages, final_records
from synth.engine.ledger import LedgerReader
from synth.engine.run import PROBE
from synth.errors import UsageError
from synth.given import parse_yaml
from synth.metrics import count_words, distinct_n, self_bleu, vendi_score
from synth.records import Record
from synth.stages.report.evolution import EvolutionFacts, collect_evolution
from synth.stages.report.pairs import PairFacts, collect_pairs, pair_stages
from synth.stages.report.people import PeopleFacts, collect_people
from synth.stages.report.quality import QualityCollector, QualityFacts
from synth.stages.report.recipe_text import shown_recipe
from synth.stages.report.similarity import nearest, nearest_within
from synth.stages.report.talks import TalkFacts
from synth.stages.report.traffic import Traffic, collect_traffic

MAX_TEXTS = 60_000
"""Instructions held for the measures of diversity; of more, an even sample is taken."""
DISTINCT_SAMPLE = 5_000
NUM_ROWS = 10
"""Rows shown of those kept and of those rejected."""


@dataclass(slots=True)
class RecordFacts:
    """What the final records are like. `words`: field -> words -> texts. `rows`: some of them, drawn evenly."""

    total: int = 0
    from_reference_teacher: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    words: dict[str, Counter[int]] = field(default_factory=dict)
    instructions: list[str] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    rows: list[Record] = field(default_factory=list)

    def add(self, record: Record, rng: random.Random) -> None:
        """Count one record and keep its instruction, or let chance decide where there are too many."""
        self.total += 1
        line = record.lineage
        self.from_reference_teacher += line.is_reference
        noted = {"origin": line.origin, "operator or method": line.operator, "teacher": line.model}
        noted |= {"category": record.meta.get("category"), "language": record.meta.get("language")}
        noted["requested category"] = record.meta.get("requested_category")
        for name, value in noted.items():
            known = value if isinstance(value, str) and value else "(not noted)"
            self.counts.setdefault(name, Counter())[known] += 1
        for name, text in (("instruction", record.instruction), ("input", record.input), ("output", record.output)):
            if text:
                words = len(text.split()) if text.isascii() else count_words(text)
                self.words.setdefault(name, Counter())[words] += 1
        if len(self.rows) < NUM_ROWS:
            self.rows.append(record)
        elif (place := rng.randrange(self.total)) < NUM_ROWS:
            self.rows[place] = record
        if len(self.instructions) < MAX_TEXTS:
            self.instructions.append(record.instruction)
        elif (place := rng.randrange(self.total)) < MAX_TEXTS:
            self.instructions[place] = record.instruction


@dataclass(slots=True)
class Diversity:
    """`to_seeds` and `to_others`: highest ROUGE-L of each instruction (of a sample, where fewer than all)."""

    verbs: VerbNouns
    to_seeds: list[float]
    to_others: list[float]
    measures: list[tuple[str, str, str]]


@dataclass(slots=True)
class RunFacts:
    """All the page tells about one run."""

    name: str
    run_dir: Path
    funnel: Funnel
    records: RecordFacts
    diversity: Diversity
    evolution: EvolutionFacts
    quality: QualityFacts
    traffic: Traffic
    stages: dict[str, dict[str, Any]]
    meta: dict[str, str]
    recipe: str
    timings: dict[str, float]
    manifest: dict[str, Any]
    student: dict[str, Any]
    evaluation: dict[str, Any]
    ablation: dict[str, Any]
    people: PeopleFacts
    talks: TalkFacts
    pairs: PairFacts

    @property
    def exported(self) -> int | None:
        """Records in the export; None where there is none."""
        count = self.manifest.get("records")
        return count if isinstance(count, int) else None

    @property
    def held_out(self) -> int:
        """Records kept back from the export to examine students on."""
        left_out = self.manifest.get("left_out")
        counts = left_out.values() if isinstance(left_out, dict) else ()
        if self.exported is None:
            return 0
        return max(0, self.funnel.kept - self.exported - sum(one for one in counts if isinstance(one, int)))


def collect(run_dir: Path, embeddings_path: str | None = None) -> RunFacts:
    """Read the whole run folder. Raises StorageError where it holds no ledger."""
    with LedgerReader(run_dir) as ledger:
        records, talks = RecordFacts(), TalkFacts()
        rng, other_rng = random.Random(run_dir.name), random.Random(run_dir.name)
        quality = QualityCollector(ledger)
        ranking = pair_stages(ledger)
        pairs = collect_pairs(ledger, ranking)
        for record in final_records(ledger):
            records.add(record, rng)
            quality.see(record)
            talks.add(record)
            if not ranking:
                pairs.add(record, other_rng)
        records.seeds = _seed_texts(run_dir)
        meta = {str(key): str(value) for key, value in ledger.query("SELECT key, value FROM meta ORDER BY key")}
        return RunFacts(
            name=run_dir.resolve().name,
            run_dir=run_dir,
            funnel=count_funnel(ledger, NUM_ROWS),
            records=records,
            diversity=_diversity(records, embeddings_path),
            evolution=collect_evolution(ledger),
            quality=quality.facts(),
            traffic=collect_traffic(ledger),
            stages=_in_order(ledger),
            meta=meta,
            recipe=shown_recipe(_text(run_dir / "recipe.yaml")),
            timings=_timings(run_dir),
            manifest=_json(run_dir / "export" / "manifest.json"),
            student={str(p.relative_to(run_dir)): _json(p) for p in sorted(run_dir.glob("student*/**/train.json"))},
            evaluation=_json(run_dir / "evaluation.json"),
            ablation=_json(run_dir / "ablation.json"),
            people=collect_people(ledger, run_dir),
            talks=talks,
            pairs=pairs,
        )


def _timings(run_dir: Path) -> dict[str, float]:
    """Seconds by stage. Probes of a server are no stage: they are sent while one works."""
    noted = _json(run_dir / "timings.json").items()
    return {name: float(value) for name, value in noted if isinstance(value, int | float) and name != PROBE}


def _in_order(ledger: LedgerReader) -> dict[str, Any]:
    """The stages in the order of the data's way: as streams they begin in another."""
    stages, known = ledger.stages(), data_stages(ledger)
    return {name: stages[name] for name in [*known, *(name for name in stages if name not in known)]}


def _diversity(records: RecordFacts, embeddings_path: str | None) -> Diversity:
    texts = records.instructions
    codes: dict[str, int] = {}
    few = texts if len(texts) <= DISTINCT_SAMPLE else random.Random(0).sample(texts, DISTINCT_SAMPLE)
    vendi, vendi_note = (vendi_score(texts, 0), "words and pairs of words, hashed; at most 1,000 instructions drawn")
    if embeddings_path:
        vendi, vendi_note = (
            vendi_of_vectors(embeddings_path),
            f"vectors of {Path(embeddings_path).name}, at most 1,000 drawn",
        )
    drawn = f"{len(few):,} instructions"
    measures = [
        (f"distinct-{n}", f"{distinct_n(few, n):.3f}", f"different {n}-grams of all; {drawn}") for n in (1, 2, 3)
    ]
    measures.append(
        ("self-BLEU", f"{self_bleu(texts, 0):.3f}", "lower is more diverse; at most 200 instructions drawn")
    )
    measures.append(("Vendi score", f"{vendi:.1f}", f"different texts in effect; {vendi_note}"))
    return Diversity(
        count_verb_nouns(texts), nearest(texts, records.seeds, codes) if records.seeds else [],
        nearest_within(texts, codes), measures,
    )  # fmt: skip


def vendi_of_vectors(path: str, sample: int = 1000) -> float:
    """The Vendi Score of the rows of a .npy file of vectors (cosine likeness). Raises UsageError for another file."""
    try:
        vectors = np.load(path, allow_pickle=False).astype(np.float64)
        vectors = vectors[np.random.default_rng(0).permutation(len(vectors))[:sample]]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path} holds no vectors: {error}", "give a .npy file, one row of numbers a record"
        ) from error
    values = np.linalg.eigvalsh(vectors @ vectors.T / len(vectors))
    positive = values[values > 1e-12]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def _seed_texts(run_dir: Path) -> list[str]:
    """The instructions of the seeds: those the run kept a copy of, or those its recipe names."""
    recipe = _yaml(run_dir / "recipe.yaml")
    named = recipe.get("seeds")
    named = named.get("path") if isinstance(named, dict) else named
    paths = [run_dir / "seeds.jsonl", *([Path(named), run_dir / named] if isinstance(named, str) else [])]
    for path in paths:
        lines = _text(path).split("\n")
        rows = [row for row in map(_parsed, lines) if isinstance(row, dict)]
        if found := [row["instruction"] for row in rows if isinstance(row.get("instruction"), str)]:
            return found
    return []


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        return None


def _json(path: Path) -> dict[str, Any]:
    value = _parsed(_text(path))
    return value if isinstance(value, dict) else {}


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = parse_yaml(_text(path), path.name)[0]
    except UsageError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
