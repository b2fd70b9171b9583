"""What a stage is. A new one is a module with a `Stage`, and one line in `synth.stages.order` (or `module:name`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from synth.engine.forecast import Flow
from synth.engine.funnel import final_records
from synth.engine.ledger import LedgerReader
from synth.engine.run import Engine, Item, StagePlan
from synth.engine.work import Work
from synth.errors import UsageError
from synth.models.base import ChatModel
from synth.records import Lineage, Record, Rejection, SeedTask, digest
from synth.stages.seeds import read_seed_tasks
from synth.student.holdout import hold_out_inputs

Results = AsyncIterator[list[Record | Rejection]]
Show = Callable[[str, bool], None]
"""Says how far long work is, and whether that was the end of it."""
OpenEngine = Callable[[], AbstractAsyncContextManager[Engine]]
Kind = Literal["seeds", "children", "records", "checks", "folder"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run: its name (also its recipe section), its settings and what it does.

    `kind` says how `run` is called and what comes of a record:
    - "records": `run(engine, records, settings)` gives, as an async iterator, one Record or Rejection for each record;
    - "checks": the same; it only decides which records are kept (seeds that are exported join before the first one);
    - "children": the same; each record, and the records made from it;
    - "seeds": `run(engine, seeds, settings)` makes records of its own; they follow those that came in;
    - "folder": `run(folder, settings)` makes files of the finished records; False where they were there already.

    `is_default`: part of a recipe that does not mention it. `asks`: does it need a teacher? `helpers`: names of further
    engine stages that ask on its behalf. `files`: what it makes in the run folder. `roles`: role → model, for models of
    its own beside the teacher. `growing`: settings that may change while all that was asked stays. `asking`: of a stage
    of the kind "checks", the settings by which it asks models. `forecast(settings, flow)` says what it will ask (see
    `synth.engine.forecast`).
    """

    name: str
    Settings: type[BaseModel]
    run: Callable[..., Any]
    kind: Kind = "records"
    is_default: bool = False
    asks: bool = True
    helpers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    roles: Callable[[Any], Mapping[str, ChatModel]] = field(default=lambda _settings: {})
    forecast: Callable[[Any, Flow], None] = lambda _settings, _flow: None
    growing: tuple[str, ...] = ()
    asking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A stage as a recipe has it: under its own name or another one, with its settings."""

    name: str
    stage: Stage
    settings: Any

    @property
    def names(self) -> dict[str, str]:
        """The stage's own name, and those of its helpers, → their names in this run."""
        own = self.stage.name
        if self.name == own:
            return {name: name for name in (own, *self.stage.helpers)}
        return {own: self.name} | {helper: f"{self.name}_{helper}" for helper in self.stage.helpers}

    @property
    def helpers(self) -> tuple[str, ...]:
        """The names in this run of the stages that ask on its behalf."""
        return tuple(self.names[helper] for helper in self.stage.helpers)

    @property
    def files(self) -> tuple[str, ...]:
        """What it makes in the run folder."""
        return tuple(self.name if name == self.stage.name else name for name in self.stage.files)


def _no_engine() -> AbstractAsyncContextManager[Engine]:
    raise UsageError("this asks a model, which needs the whole run", "give `synth run` with the run's recipe")


@dataclass(slots=True)
class RunFolder:
    """A run folder as stages of the kind "folder" see it. `recipe`: the whole recipe (see `synth.recipe.Recipe`).

    `name`: the stage's name in this run. `started`: seconds since 1970. What a stage makes it adds to `paths`; `table`
    is printed at the end of the run; `show` says how far long work is, and whether that was the end of it. `engine`
    opens the run's engine, for a stage that asks a model.
    """

    path: Path
    recipe: Any
    name: str = ""
    started: float = field(default_factory=time.time)
    paths: list[Path] = field(default_factory=list)
    table: list[list[str]] = field(default_factory=list)
    show: Show = lambda _text, _is_over: None
    engine: OpenEngine = _no_engine

    def records(self) -> tuple[list[Record], list[Record]]:
        """The finished records: those to export and train on, and the instances held out for evaluation."""
        with LedgerReader(self.path) as reader:
            kept = list(final_records(reader))
        return hold_out_inputs(kept, self.recipe.hold_out.num_inputs, self.recipe.seed)

    def seeds(self) -> list[Record]:
        """The recipe's seed tasks as records."""
        return seed_records(read_seed_tasks(self.recipe.seeds.path))


def seed_records(seeds: Sequence[SeedTask]) -> list[Record]:
    """Seed tasks as records, one for each instance."""
    return [
        Record(
            seed.instruction,
            instance.input,
            instance.output,
            lineage=Lineage("seed", (seed.id,)),
            meta={"is_classification": seed.is_classification, "category": seed.category, "language": seed.language},
        )
        for seed in seeds
        for instance in seed.instances
    ]


async def each_record(
    engine: Engine, name: str, records: AsyncIterator[Record], settings: BaseModel, work: Work, *prompts: str
) -> Results:
    """The usual stage: `work` over every record. With other settings or `prompts` (their versions) it is done anew."""

    async def items() -> AsyncIterator[Item]:
        async for record in records:
            yield Item(record.id, record)

    dump = settings.model_dump(mode="json")
    async for _, results in engine.map(StagePlan(name, digest(dump, *prompts), dump), items(), work):
        yield results
