"""Annotate: labelled data becomes instructions, without a teacher (FLAN, T0, Natural Instructions, UnifiedQA)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from pydantic import Field

from synth.engine.forecast import Flow
from synth.engine.run import Engine, Item, StagePlan
from synth.given import StrictSettings, contents_of
from synth.records import Record, Rejection, SeedTask, digest
from synth.sources.annotated import STAGE, AnnotatedSource, annotated
from synth.stages.stage import Stage


class AnnotateSettings(StrictSettings):
    """Labelled data that is told as instructions, by name."""

    sources: dict[str, AnnotatedSource] = Field(min_length=1, description="Name of a set of data to where it is.")


async def annotate(
    engine: Engine, _seeds: Sequence[SeedTask], settings: AnnotateSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield a record or a rejection for each prompt of each row, source by source, in the order of the rows."""

    async def items() -> AsyncIterator[Item]:
        for name, source in settings.sources.items():
            for number, result in enumerate(annotated(name, source, engine.options.run_seed, tell=engine.note)):
                yield Item(f"{name}/{number}", result=result)

    dump = settings.model_dump(mode="json")
    files = [path for one in settings.sources.values() for path in (one.path, one.templates_path) if path is not None]
    plan = StagePlan(STAGE, digest(dump, [contents_of(str(path)) for path in files]), dump)
    async for _, results in engine.map(plan, items()):
        yield results


def forecast(settings: AnnotateSettings, flow: Flow) -> None:
    """Asks nothing; its rows are counted, since later stages ask about them."""
    rows = (row for name, source in settings.sources.items() for row in annotated(name, source, 0))
    answered = [bool(row.output.strip()) for row in rows if isinstance(row, Record)]
    flow.add(len(answered), answered.count(False))


ANNOTATE = Stage(STAGE, AnnotateSettings, annotate, "seeds", asks=False, forecast=forecast)
