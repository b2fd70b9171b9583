"""The page's opening: what was made, what it cost and what it did, in three lines; then rows to read; then the cost."""

from __future__ import annotations

from synth.engine.prices import UNKNOWN, cost_words
from synth.records import Record, Rejection
from synth.stages.report import charts
from synth.stages.report.blocks import Block, Figure, Note, Numbers, Rows, Table, show
from synth.stages.report.facts import NUM_ROWS, RunFacts
from synth.stages.report.student import verdict as student_verdict


def verdict(facts: RunFacts) -> list[Block]:
    """Warnings, and the three lines."""
    blocks: list[Block] = []
    if facts.records.from_reference_teacher:
        blocks.append(Note(_reference_note(facts), is_warning=True))
    unfinished = [name for name, stage in facts.stages.items() if stage["state"] != "done"]
    if unfinished:
        blocks.append(Note(f"This run is not finished: {', '.join(unfinished)} still going on or stopped.", True))
    student = student_verdict(facts.evaluation, facts.ablation)
    told = student or "No student was examined against another one in this run."
    return [*blocks, Note(_made(facts)), Note(_cost(facts)), Note(told)]


def _made(facts: RunFacts) -> str:
    held_out = f", {facts.held_out:,} are held out to examine students" if facts.held_out else ""
    exported = f"{facts.exported:,} rows are exported{held_out}: " if facts.exported is not None else ""
    funnel = facts.funnel
    return f"{exported}{funnel.kept:,} of {funnel.candidates:,} candidates were kept, {funnel.rejected:,} rejected."


def _cost(facts: RunFacts) -> str:
    requests, prompt, completion, cost = _spent(facts)
    price = "no price given" if not cost else f"a cost of {cost} dollars, by known prices"
    price = "at a price that is not known" if cost == UNKNOWN else price
    time = f", in {duration(working_time(facts))}" if facts.timings else ""
    return f"It took {requests:,} requests and {prompt + completion:,} tokens, {price}{time}."


def _spent(facts: RunFacts) -> tuple[int, int, int, str]:
    """Requests answered, tokens in, tokens out, cost in words; empty where nothing has a price."""
    totals = facts.traffic.totals
    prompt, completion = (sum(row[name] or 0 for row in totals) for name in ("prompt_tokens", "completion_tokens"))
    requests = sum(row["requests"] for row in totals if row["state"] == "answered")
    cost, unpriced = (sum(row[name] or 0 for row in totals) for name in ("cost", "unpriced"))
    return requests, prompt, completion, cost_words(cost, unpriced) if cost or unpriced else ""


def _reference_note(facts: RunFacts) -> str:
    return (
        f"{facts.records.from_reference_teacher:,} of the {facts.records.total:,} records were made by synth's "
        "embedded teacher, a program that composes tasks and works out their answers by rule. They are a reference "
        "bench for testing pipelines and comparing methods, not instruction data to train an assistant on."
    )


def kept_rows(facts: RunFacts) -> list[Block]:
    """Ten rows drawn from those that were kept."""
    rows = facts.records.rows
    return [Rows([(_source(row), row_texts(row)) for row in rows])] if rows else [Note("No row has been kept yet.")]


def rejected_rows(facts: RunFacts) -> list[Block]:
    """Ten rejected rows: one of each of the commonest reasons in turn."""
    reasons = [
        (count, key, stage.samples[key]) for stage in facts.funnel.stages for key, count in stage.reasons.items()
    ]
    reasons.sort(key=lambda one: (-one[0], one[1]))
    samples = [sample for turn in range(NUM_ROWS) for _, _, found in reasons for sample in found[turn : turn + 1]]
    rows = [(_why(sample), row_texts(sample.record)) for sample in samples[:NUM_ROWS]]
    return [Rows(rows)] if rows else [Note("No row was rejected.")]


def _why(rejection: Rejection) -> str:
    detail = f": {show(rejection.detail, 160)}" if rejection.detail else ""
    return (
        f"{show(rejection.stage, 40)} rejected it, {show(rejection.check, 60)} ({show(rejection.reason, 60)}){detail}"
    )


def _source(record: Record) -> str:
    line = record.lineage
    parts = [line.operator or line.origin, f"generation {line.generation}" if line.generation else ""]
    grade = record.meta.get("grade")
    parts += [
        f"{name} {record.meta[name]}" for name in ("category", "language") if isinstance(record.meta.get(name), str)
    ]
    parts += [f"grade {grade:g}" if isinstance(grade, int | float) else ""]
    return show(", ".join(part for part in parts if part), 200)


def row_texts(record: Record) -> list[tuple[str, str]]:
    """The texts of a row, each with its name."""
    texts = [("before", record.talk), ("instruction", record.instruction), ("input", record.input)]
    return [(name, show(text)) for name, text in (*texts, ("output", record.output)) if text] or [("", "(empty)")]


def cost(facts: RunFacts) -> list[Block]:
    """Requests, tokens, cost and time as big numbers, and the time by stage."""
    requests, prompt, completion, spent = _spent(facts)
    numbers = [
        (f"{requests:,}", "requests answered"),
        (f"{prompt + completion:,}", f"tokens: {prompt:,} in, {completion:,} out"),
        (spent or "no price given", "cost in dollars, by known prices"),
    ]
    if not facts.timings:
        return [Numbers(numbers)]
    numbers.append((duration(working_time(facts)), "in all stages, which partly run side by side"))
    rows = [(name, round(value, 1)) for name, value in facts.timings.items()]
    known = [stage.stage for stage in facts.funnel.stages]
    rows.sort(key=lambda row: known.index(row[0]) if row[0] in known else len(known))
    chart = charts.bars("Seconds by stage", [(name, {"seconds": value}) for name, value in rows], " s")
    table = Table("Seconds by stage", ("stage", "seconds"), rows)
    return [Numbers(numbers), Figure("Time by stage", chart, table)]


def working_time(facts: RunFacts) -> float:
    """Seconds the run took: the data stages run side by side, so their times may not simply be added up."""
    names = {stage.stage for stage in facts.funnel.stages}
    data = sum(seconds for name, seconds in facts.timings.items() if name in names)
    rest = sum(seconds for name, seconds in facts.timings.items() if name not in names)
    ends = [stage["finished_at"] for stage in facts.stages.values() if stage["finished_at"]]
    if len(ends) == len(facts.stages) and ends:
        data = min(data, max(ends) - min(stage["started_at"] for stage in facts.stages.values()))
    return data + rest


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
