"""The stage: records through the checks, then, where a recipe wants it, grades, and who stays by them.

Checks, grades and `keep` work on streams that keep the order; `keep` alone waits for all records. What comes out is a
Record or a Rejection for each record that went in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.checks import build_checks
from synth.checks.semantic import Semantic, static_vectors, unit_length
from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Engine, Fold, Item, StagePlan, request_failure
from synth.errors import RequestFailed
from synth.given import contents_of
from synth.models.base import ChatModel
from synth.models.embeddings import EmbeddingModel, ask_vectors
from synth.records import Record, digest
from synth.stages.select.checking import STAGE, NamedChecks, Result, apply_checks, recall
from synth.stages.select.grading import STAGE as GRADE
from synth.stages.select.grading import Checked, graded
from synth.stages.select.keep import keep, text_of
from synth.stages.select.people import CHECK, Rejected, read_decisions, with_edit
from synth.stages.select.settings import EmbeddingSettings, SelectSettings
from synth.stages.stage import Stage
from synth.verdicts import Verdict

Vector = NDArray[np.float32]

CHUNK = 256
"""Records whose vectors are asked for at once."""
EMBEDDER = "embedder"
"""The engine's role that gives vectors, where they come from a server."""

Decisions = dict[str, Verdict]
Embed = Callable[[Sequence[str]], Awaitable[list[Any]]]
"""Texts to vectors, or to the RequestFailed of one that could not be had."""


async def select(
    engine: Engine, records: AsyncIterator[Record], settings: SelectSettings
) -> AsyncIterator[list[Result]]:
    """Yield each record, or its rejection, in order."""
    decided = read_decisions(settings.review_path)
    records = (with_edit(record, decided) async for record in records)
    if not (settings.embeddings or settings.grade or settings.validity or settings.ifd or settings.keep):
        async for settled in _checked_only(engine, records, settings, decided):
            yield settled
        return

    async def items() -> AsyncIterator[Item]:
        async for record, result in _decided(engine, records, settings, decided):
            yield Item(record.id, record, result=result)

    async for _, settled in engine.map(_plan(settings), items()):
        yield settled


async def _checked_only(
    engine: Engine, records: AsyncIterator[Record], settings: SelectSettings, decided: Decisions
) -> AsyncIterator[list[Result]]:
    """The checks alone, a fold. What an earlier process found of a record stands, so a run that is resumed is quick."""
    checks = named_checks(settings, None, decided)

    async def items() -> AsyncIterator[Item]:
        async for record in records:
            yield Item(record.id, record)

    fold = Fold(
        lambda item, _made: list(apply_checks([item.value], checks)),
        lambda item, results: recall(item.value, results[0], checks),
    )
    async for _, settled in engine.map(_plan(settings), items(), fold=fold):
        yield settled


def _plan(settings: SelectSettings) -> StagePlan:
    dump = settings.model_dump(mode="json")
    said = contents_of(settings.review_path) if settings.review_path else None
    return StagePlan(STAGE, digest(dump, *([said] if said else [])), dump)


async def _decided(
    engine: Engine, records: AsyncIterator[Record], settings: SelectSettings, decided: Decisions
) -> AsyncIterator[Checked]:
    """Each record with what becomes of it."""
    vectors: dict[str, Vector] = {}
    embed = _embedder(engine, settings)
    stream = _checked(records, settings, embed, vectors, decided)
    if settings.grade or settings.validity or settings.ifd:
        stream = graded(engine, stream, settings, wants_complexity(settings))
    if settings.keep is None:
        async for one in stream:
            yield one
        return
    all_of_them = [one async for one in stream]
    kept = keep([result for _, result in all_of_them], settings.keep, vectors if embed else None)
    for (record, _), result in zip(all_of_them, kept, strict=True):
        yield record, result


def wants_complexity(settings: SelectSettings) -> bool:
    """Whether the task's difficulty is graded as well."""
    by_deita = settings.keep is not None and settings.keep.by == "deita"
    return settings.grade is not None and (settings.grade.complexity or by_deita)


async def _checked(
    records: AsyncIterator[Record],
    settings: SelectSettings,
    embed: Embed | None,
    vectors: dict[str, Vector],
    decided: Decisions,
) -> AsyncIterator[Checked]:
    """The checks, on chunks where vectors are wanted; these are put into `vectors` where `keep` needs them."""
    semantic = Semantic(settings.semantic) if settings.semantic is not None else None
    checks = named_checks(settings, semantic, decided)
    is_kept = settings.keep is not None and settings.keep.distance is not None
    async for chunk in _chunks(records, _at_once(settings) if embed else 1):
        failed: dict[str, RequestFailed] = {}
        found: dict[str, Any] = {}
        if embed:
            found = dict(zip((record.id for record in chunk), await embed([*map(text_of, chunk)]), strict=True))
            failed = {key: one for key, one in found.items() if isinstance(one, RequestFailed)}
            ready = [record for record in chunk if record.id not in failed]
            rows: Any = unit_length([found[record.id] for record in ready]) if ready else []
            found = {record.id: row for record, row in zip(ready, rows, strict=True)}
            if semantic and ready:
                semantic.prepare(ready, rows)
        for record in chunk:
            if record.id in failed:
                yield record, request_failure(record, STAGE, failed[record.id])
                continue
            result = next(apply_checks([record], checks))
            if is_kept and isinstance(result, Record) and record.id in found:
                vectors[result.id] = found[record.id]
            yield record, result


def _at_once(settings: SelectSettings) -> int:
    """Records whose vectors are asked for at once: those of a file where they come in batches."""
    batch = settings.embeddings.batch if settings.embeddings is not None else None
    return CHUNK if batch is None else batch.max_requests


def named_checks(settings: SelectSettings, semantic: Semantic | None, decided: Decisions) -> NamedChecks:
    """The checks of the settings by name; what people decided first, the one of meaning last."""
    checks: list[tuple[str, Any]] = [(CHECK, Rejected(decided))] if decided else []
    checks += build_checks(settings.checks)
    return [*checks, ("semantic", semantic)] if semantic else checks


async def _chunks(records: AsyncIterator[Record], size: int) -> AsyncIterator[list[Record]]:
    chunk: list[Record] = []
    async for record in records:
        chunk.append(record)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def embedding_model(settings: EmbeddingSettings) -> ChatModel:
    """The model for the role of the embedder. Raises UsageError and CredentialsError as `models.connect` does."""
    assert settings.base_url is not None
    return EmbeddingModel(settings.model, settings.base_url, settings.api_key_env, settings.batch_size, settings.batch)


def _roles(settings: SelectSettings) -> dict[str, ChatModel]:
    where = settings.embeddings
    return {EMBEDDER: embedding_model(where)} if where is not None and where.base_url is not None else {}


def forecast(settings: SelectSettings, flow: Flow) -> None:
    """Grades of what passes the checks."""
    flow.stage = GRADE
    if settings.validity:
        flow.ask("validity", flow.records, "judge", ANSWER_TOKENS["judge"], "judge")
    if settings.grade:
        flow.ask("grades", flow.records * settings.grade.num_draws, "judge", ANSWER_TOKENS["judge"], "judge")
        if wants_complexity(settings):
            flow.ask("how hard", flow.records, "rate", ANSWER_TOKENS["rate"], "judge")


SELECT = Stage(
    STAGE,
    SelectSettings,
    select,
    "checks",
    is_default=True,
    helpers=(GRADE,),
    roles=_roles,
    forecast=forecast,
    asking=("grade", "validity", "embeddings"),
)


def _embedder(engine: Engine, settings: SelectSettings) -> Embed | None:
    """The embedding function, or None if no check needs one."""
    by_distance = settings.keep is not None and settings.keep.distance is not None
    if settings.embeddings is None or not (settings.semantic is not None or by_distance):
        return None
    if settings.embeddings.base_url is None:
        local = static_vectors(settings.embeddings.model)

        async def encode(texts: Sequence[str]) -> list[Any]:
            return list(local(texts))

        return encode

    async def asked(texts: Sequence[str]) -> list[Any]:
        return await ask_vectors(texts, lambda request: engine.answer(STAGE, "vectors", EMBEDDER, request))

    return asked
