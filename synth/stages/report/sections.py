"""The page's parts in their order: each a function from the facts of a run to what is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib import metadata
from itertools import pairwise

from synth.engine.funnel import SAMPLES, StageCount
from synth.engine.prices import cost_words
from synth.metrics import mean
from synth.records import Record, Rejection
from synth.stages.report import charts
from synth.stages.report.blocks import Block, Cell, Figure, Listing, Note, Piece, Samples, Section, Steps, Table, show
from synth.stages.report.evolution import word_difference
from synth.stages.report.facts import RunFacts
from synth.stages.report.mixture import mixture_blocks
from synth.stages.report.opening import cost, duration, kept_rows, rejected_rows, verdict
from synth.stages.report.pairs import pair_blocks
from synth.stages.report.people import people_blocks
from synth.stages.report.quality import quality_blocks
from synth.stages.report.student import student_blocks
from synth.stages.report.talks import talk_blocks
from synth.version import __version__

MAX_REASONS = 40
MAX_KINDS = 20
NUM_BINS = 20
PACKAGES = ("openai", "pydantic", "rapidfuzz", "pyarrow", "jinja2", "torch", "transformers", "trl", "peft", "datasets")
NO_DATA = "This run has none."


def funnel(facts: RunFacts) -> list[Block]:
    """Every candidate, by stage and reason, with samples of what was rejected."""
    stages = facts.funnel.stages
    blocks: list[Block] = [Note(f"The counts do not add up: {problem}.", True) for problem in facts.funnel.problems]
    if not stages:
        return [Note("No stage has run yet.")]
    if not facts.funnel.problems:
        blocks.append(
            Note(
                f"Every candidate is accounted for: {facts.funnel.candidates:,} came in or were made, "
                f"{facts.funnel.kept:,} were kept and {facts.funnel.rejected:,} rejected"
                + (f"; {waiting:,} are still on their way." if (waiting := sum(s.waiting for s in stages)) else ".")
            )
        )
    bars = [(s.stage, {"kept": s.kept, "rejected": s.rejected}) for s in stages]
    header = ("stage", "received", "joined", "made", "kept", "rejected")
    rows: list[tuple[Cell, ...]] = [(s.stage, s.received, s.joined, s.made, s.kept, s.rejected) for s in stages]
    rows += [("held out", stages[-1].kept, 0, 0, facts.held_out, 0)] if facts.held_out else []
    if facts.exported is not None:
        bars.append(("exported", {"kept": facts.exported, "rejected": 0}))
        left_out = stages[-1].kept - facts.held_out - facts.exported
        rows.append(("exported", stages[-1].kept - facts.held_out, 0, 0, facts.exported, left_out))
    chart = charts.bars("Kept and rejected", bars)
    blocks.append(Figure("Kept and rejected by stage", chart, Table("Candidates by stage", header, rows)))
    for stage in stages:
        blocks += _reasons(stage)
    return blocks


def _reasons(stage: StageCount) -> list[Block]:
    ranked = sorted(stage.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    if not ranked:
        return []
    rows = [(check, reason, count) for (check, reason), count in ranked[:MAX_REASONS]]
    if rest := sum(count for _, count in ranked[MAX_REASONS:]):
        rows.append((f"{len(ranked) - MAX_REASONS} further reasons", "", rest))
    named = [(reason or check, {"records": count}) for check, reason, count in rows]
    chart = charts.bars(f"Rejected in {stage.stage}", named, colour=1)
    table = Table(f"Rejected in {stage.stage}, by reason", ("check", "reason", "records"), rows)
    samples = [
        Samples(
            f"{stage.stage}, {check}: {reason} ({count:,})",
            [_sample(one) for one in stage.samples[check, reason][:SAMPLES]],
        )
        for (check, reason), count in ranked[:MAX_REASONS]
    ]
    return [Figure(f"Rejected in {stage.stage}", chart, table) if len(rows) > 1 else table, *samples]


def _sample(rejection: Rejection) -> tuple[str, str]:
    record = rejection.record
    parts = [record.talk, record.instruction, f"Input: {record.input}" if record.input else ""]
    parts.append(f"Output: {record.output}" if record.output else "")
    return show(rejection.detail or "no detail", 200), show("\n".join(part for part in parts if part) or "(empty)")


def verbs(facts: RunFacts) -> list[Block]:
    """The sunburst of verbs and their objects, as in Self-Instruct."""
    counts = facts.diversity.verbs
    top = counts.top()
    if not top:
        return [Note("No instruction with a verb and an object was found.")]
    shown = sum(count for _, nouns in top for _, count in nouns)
    note = (
        f"Engine “{counts.engine}”: word lists and rules for English, no parser. It found a verb in "
        f"{counts.verb_coverage:.1%} and a verb with an object in {counts.pair_coverage:.1%} of {counts.total:,} "
        "instructions. Drawn are the 20 commonest verbs with their 4 commonest objects, "
        f"{shown / counts.total:.1%} of the instructions."
    )
    rows = [(verb, noun, count) for verb, nouns in top for noun, count in nouns]
    chart = charts.sunburst("Verbs and their objects", top)
    return [
        Figure(
            "Verbs and their objects",
            chart,
            Table("Verb, object, instructions", ("verb", "object", "count"), rows),
            note,
        )
    ]


def nearness(facts: RunFacts) -> list[Block]:
    """ROUGE-L to the nearest seed and to the nearest other record."""
    blocks: list[Block] = []
    measured = (
        ("nearest seed", facts.diversity.to_seeds, f"to {len(facts.records.seeds):,} seed instructions"),
        ("nearest other record", facts.diversity.to_others, f"to all {len(facts.records.instructions):,} instructions"),
    )
    for name, scores, against in measured:
        if not scores:
            blocks.append(Note(f"ROUGE-L to the {name} could not be measured: there is nothing to compare with."))
            continue
        counts = Counter(min(int(score * 20 + 1e-6), 19) for score in scores)
        bins = [(f"{place / 20:.2f}", {"records": counts[place]}) for place in range(20)]
        title = f"ROUGE-L to the {name}"
        table = Table(f"{title}: records by score", ("from", "to below", "records"),
                      [(f"{p / 20:.2f}", f"{(p + 1) / 20:.2f}", counts[p]) for p in range(20)])  # fmt: skip
        note = f"{len(scores):,} instructions compared {against}; mean {mean(scores):.3f}, highest {max(scores):.3f}."
        blocks.append(Figure(title, charts.histogram(title, bins, "highest ROUGE-L (F1)"), table, note))
    return blocks


def lengths(facts: RunFacts) -> list[Block]:
    """Words in instructions, inputs and outputs."""
    blocks: list[Block] = []
    for name, words in facts.records.words.items():
        bins = length_bins(words)
        total = sum(words.values())
        average = sum(length * count for length, count in words.items()) / total
        chart = charts.histogram(f"Words in the {name}", [(label, {"texts": count}) for label, count in bins], "words")
        note = f"{total:,} texts, mean {average:.1f}, longest {max(words):,} words."
        blocks.append(
            Figure(f"Words in the {name}", chart, Table(f"Words in the {name}", ("words", "texts"), bins), note)
        )
    return blocks or [Note(NO_DATA)]


def length_bins(words: Counter[int]) -> list[tuple[str, int]]:
    """Counts in NUM_BINS of equal width that hold 99 % of the texts; the longest are in one last bin."""
    total, seen, top = sum(words.values()), 0, 0
    for length in sorted(words):
        seen += words[length]
        top = length
        if seen >= 0.99 * total:
            break
    width = max(1, -(-(top + 1) // NUM_BINS))
    grouped: Counter[int] = Counter()
    for length, count in words.items():
        grouped[min(length // width, NUM_BINS)] += count
    last = max(grouped)
    named = [f"{n * width}–{n * width + width - 1}" if width > 1 else str(n) for n in range(NUM_BINS)]
    return [([*named, f"{NUM_BINS * width}+"][n], grouped[n]) for n in range(last + 1)]


def kinds(facts: RunFacts) -> list[Block]:
    """Categories, languages, origins and methods."""
    blocks: list[Block] = []
    for name in ("category", "requested category", "language", "origin", "operator or method", "teacher"):
        counts = facts.records.counts.get(name, Counter())
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if set(counts) <= {"(not noted)"}:
            blocks.append(Note(f"The records carry no note of their {name}."))
            continue
        if len(ranked) == 1:
            blocks.append(Note(f"All records have the same {name}: {show(ranked[0][0], 60)}."))
            continue
        rows = [(show(value, 60), count) for value, count in ranked[:MAX_KINDS]]
        if len(ranked) > MAX_KINDS:
            rows.append((f"{len(ranked) - MAX_KINDS} others", sum(count for _, count in ranked[MAX_KINDS:])))
        chart = charts.bars(f"Records by {name}", [(value, {"records": count}) for value, count in rows])
        blocks.append(Figure(f"Records by {name}", chart, Table(f"Records by {name}", (name, "records"), rows)))
    return blocks + mixture_blocks(facts)


def diversity(facts: RunFacts) -> list[Block]:
    """distinct-n, self-BLEU and Vendi."""
    return [Table("Diversity of the instructions", ("measure", "value", "what it is"), facts.diversity.measures)]


def evolution(facts: RunFacts) -> list[Block]:
    """Rates by operator and generation, difficulty before and after, whole lineages."""
    evolved = facts.evolution
    if not evolved.tried:
        return [Note("No task was evolved in this run.")]
    blocks: list[Block] = []
    for place, name in enumerate(("operator", "generation")):
        tried, kept = _summed(evolved.tried, place), _summed(evolved.kept, place)
        parts = [(key, {"kept": kept[key], "rejected": tried[key] - kept[key]}) for key in sorted(tried)]
        rows = [(key, tried[key], kept[key], f"{kept[key] / tried[key]:.1%}") for key in sorted(tried)]
        chart = charts.bars(f"Evolved tasks by {name}", parts)
        table = Table(f"Evolved tasks by {name}", (name, "tried", "kept", "rate"), rows)
        blocks.append(Figure(f"Evolved tasks by {name}", chart, table) if len(rows) > 1 else table)
    if evolved.after:
        grades = range(min(evolved.before | evolved.after), max(evolved.before | evolved.after) + 1)
        bins = [(str(g), {"before": evolved.before[g], "after": evolved.after[g]}) for g in grades]
        rows_ = [(g, evolved.before[g], evolved.after[g]) for g in grades]
        note = f"Grades of the judge; mean {_mean(evolved.before):.2f} before and {_mean(evolved.after):.2f} after."
        table = Table("Tasks by graded difficulty", ("difficulty", "before", "after"), rows_)
        blocks.append(
            Figure(
                "Difficulty before and after", charts.histogram("Difficulty", bins, "graded difficulty"), table, note
            )
        )
    else:
        blocks.append(Note("Difficulty was not graded (evolve.rate_complexity); words added tell the length only."))
    if evolved.words_added:
        rows_added = [
            ("mean", round(_mean(evolved.words_added), 1)),
            ("least", min(evolved.words_added)),
            ("most", max(evolved.words_added)),
        ]
        blocks.append(Table("Words added to the instruction by one step", ("", "words"), rows_added))
    return blocks + [_lineage(number, chain) for number, chain in enumerate(evolved.lineages, 1)]


def _summed(counts: Counter[tuple[str, int]], place: int) -> Counter[str]:
    summed: Counter[str] = Counter()
    for key, count in counts.items():
        summed[str(key[place])] += count
    return summed


def _mean(counts: Counter[int]) -> float:
    return sum(value * count for value, count in counts.items()) / (counts.total() or 1)


def _lineage(number: int, chain: Sequence[Record]) -> Steps:
    steps: list[tuple[str, Sequence[Piece]]] = [("start", [("same", show(chain[0].instruction, 1200))])]
    for before, after in pairwise(chain):
        label = f"generation {after.lineage.generation}: {after.lineage.operator}"
        steps.append((label, word_difference(before.instruction, after.instruction)))
    return Steps(f"Lineage {number}", steps)


def requests(facts: RunFacts) -> list[Block]:
    """Requests, tokens, cost, and how they went over time."""
    traffic = facts.traffic
    if not traffic.totals:
        return [*cost(facts), Note("No model was asked in this run.")]
    names = ("stage", "role", "state", "requests", "prompt_tokens", "completion_tokens", "attempts")
    rows = [
        (*(row[name] if row[name] is not None else 0 for name in names), cost_words(row["cost"], row["unpriced"]))
        for row in traffic.totals
    ]
    header = (*(name.replace("_", " ") for name in names), "cost")
    blocks: list[Block] = [*cost(facts), Table("Requests by stage, role and outcome", header, rows)]
    if traffic.servers:
        each = [(row["server"], row["asked"], row["answered"]) for row in traffic.servers]
        blocks.append(Table("Attempts and answers by server", ("server", "attempts", "answers"), each))
    retries = sum((row["attempts"] or 0) - row["requests"] for row in traffic.totals if row["state"] != "sent")
    paid, worst = traffic.maybe_paid_twice
    again = f"{paid:,} request{'' if paid == 1 else 's'}, at most {worst:,.4f}" if paid else "none"
    blocks.append(Note(f"Repeated attempts: {max(retries, 0):,}. Possibly paid twice: {again}."))
    if traffic.in_flight:
        blocks += _time_line(facts)
    return blocks


def _time_line(facts: RunFacts) -> list[Block]:
    traffic = facts.traffic
    series = {"in flight": traffic.in_flight} | ({"limit": traffic.limit} if traffic.limit else {})
    ends = ("0 s", duration(traffic.seconds))
    step = traffic.seconds / len(traffic.in_flight)
    pauses = f" {traffic.pauses} pauses between sessions are cut out." if traffic.pauses else ""
    note = f"Ticks above the curve: {len(traffic.throttles):,} refusals for too many requests (429).{pauses}"
    every = max(1, len(traffic.in_flight) // 24)
    places = range(0, len(traffic.in_flight), every)
    rows = [
        (round(i * step, 2), *(round(mean(values[i : i + every]), 2) for values in series.values())) for i in places
    ]
    table = Table("Mean requests in flight", ("second", *series), rows)
    rates = [(round(i * step, 2), round(mean(traffic.answers[i : i + every]), 2)) for i in places]
    flight, speed = charts.lines("Requests in flight", series, ends, traffic.throttles), "Answers a second"
    return [
        Figure("Requests in flight over time", flight, table, note),
        Figure(
            f"{speed} over time",
            charts.lines(speed, {speed: traffic.answers}, ends),
            Table(speed, ("second", speed), rates),
        ),
    ]


def origin(facts: RunFacts) -> list[Block]:
    """Recipe, versions and hashes."""
    versions = [("synth", __version__)]
    for name in PACKAGES:
        try:
            versions.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    blocks: list[Block] = [Table("Versions installed when this page was made", ("package", "version"), versions)]
    prints = [(name, stage["state"], stage["fingerprint"][:16]) for name, stage in facts.stages.items()]
    blocks.append(Table("Stages", ("stage", "state", "fingerprint of settings and prompts"), prints))
    if isinstance(files := facts.manifest.get("files"), list):
        rows = [
            (str(one.get("path")), one["rows"] if one.get("rows") is not None else "", str(one.get("sha256"))[:32])
            for one in files
            if isinstance(one, dict)
        ]
        blocks.append(Table("Exported files", ("file", "rows", "SHA-256, first half"), rows))
    if notes := [(key, show(value, 200)) for key, value in facts.meta.items() if value[:1] not in ("{", "[")]:
        blocks.append(Table("Notes of the run", ("name", "value"), notes))
    return [*blocks, Listing("The recipe as resolved", show(facts.recipe, 50_000))] if facts.recipe else blocks


SECTIONS: tuple[tuple[str, str, Callable[[RunFacts], list[Block]]], ...] = (
    ("verdict", "In short", verdict),
    ("kept", "Ten rows that were kept", kept_rows),
    ("rejected", "Ten rows that were rejected, and why", rejected_rows),
    ("funnel", "The funnel", funnel),
    ("verbs", "What is asked: verbs and their objects", verbs),
    ("nearness", "How near the tasks are to the seeds and to each other", nearness),
    ("lengths", "Lengths", lengths),
    ("talks", "Conversations and comparisons", lambda facts: talk_blocks(facts.talks) or [Note(NO_DATA)]),
    ("pairs", "Pairs of answers", lambda facts: pair_blocks(facts.pairs) or [Note(NO_DATA)]),
    ("kinds", "Categories, languages, origins", kinds),
    ("diversity", "Diversity", diversity),
    ("evolution", "Evolution", evolution),
    ("quality", "Quality", lambda facts: quality_blocks(facts.quality)),
    ("people", "What people say", lambda facts: people_blocks(facts.people)),
    ("student", "The student", lambda facts: student_blocks(facts.evaluation, facts.ablation, facts.student)),
    ("requests", "Requests, tokens, cost and time", requests),
    ("origin", "Recipe, versions, hashes", origin),
)


def sections(facts: RunFacts) -> list[Section]:
    """The parts of the page."""
    return [Section(id, title, make(facts)) for id, title, make in SECTIONS]
