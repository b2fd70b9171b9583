"""Near-duplicates in meaning: exact against all pairs, first come first kept, and no vector is asked for twice."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_client import scripted

from synth.checks.semantic import Nearest, Semantic, semantic_subset, static_vectors, unit_length
from synth.embedded.batches import Batches
from synth.engine.ledger import LedgerReader
from synth.errors import RetryableError, UsageError
from synth.models.embeddings import EmbeddingModel, embedding_request
from synth.pipeline import final_records
from synth.pipeline import run as run_recipe
from synth.recipe import build_recipe
from synth.records import Record, Rejection
from synth.stages.select import SelectSettings, explain, stored_vectors

WORDS = "red blue green white black brown pink grey one two three four five six seven eight".split()


def test_the_nearest_is_that_of_all_pairs_over_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.checks.semantic.BLOCK", 100)
    rows = unit_length(np.random.default_rng(0).normal(size=(2500, 16)))
    index = Nearest()
    for row in rows[:-7]:
        index.add(row)
    for row in rows[-7:]:
        scores = np.round((rows[:-7] @ row).astype(np.float64), 6)
        assert index.best(row) == pytest.approx((scores.max(), scores.argmax()))
    assert Nearest().best(rows[0]) == (-2.0, None)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.6, 0.9]), st.integers(1, 40))
def test_what_stays_is_what_one_by_one_comparison_keeps(seed: int, threshold: float, chunk: int) -> None:
    rows = unit_length(np.random.default_rng(seed).normal(size=(60, 3)))
    texts = [str(number) for number in range(len(rows))]
    found = semantic_subset(texts, lambda some: rows[[int(text) for text in some]], threshold, chunk=chunk)
    kept: list[int] = []
    for number, row in enumerate(rows):
        scores = [round(float(rows[k] @ row), 6) for k in kept]
        close = bool(scores) and max(scores) > threshold
        assert (found[number] is not None) == close
        if close:
            assert found[number][0] == kept[scores.index(max(scores))]
        else:
            kept.append(number)


def test_a_row_of_zeros_is_near_to_nothing() -> None:
    check = Semantic(0.5)
    records = [Record("a"), Record("b"), Record("c")]
    check.prepare(records, unit_length(np.array([[0, 0], [0, 0], [1, 0]])))
    for record in records:
        assert check(record) is None
        check.admitted(record)


# -- a model on this machine -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model2vec folder made on the spot: colours lie in one direction, numbers in another."""
    pytest.importorskip("model2vec")
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    rng = np.random.default_rng(1)
    rows = 0.05 * rng.normal(size=(len(WORDS) + 1, 8))
    rows[1:9, 0] += 1
    rows[9:, 1] += 1
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    folder = tmp_path_factory.mktemp("model") / "colours"
    StaticModel(rows.astype(np.float32), tokenizer).save_pretrained(folder)
    return folder


def recipe(folder: Path, **select: Any) -> Any:
    tasks = ["red blue", "one two", "green pink", "three four", "red one"]
    source = folder / "tasks.jsonl"
    source.write_text("".join(json.dumps({"instruction": t, "input": "", "output": "Done so."}) + "\n" for t in tasks))
    data = {"input": str(source), "respond": None, "select": {"checks": ["empty_output"], **select}, "export": None}
    return build_recipe(data | {"report": None})


def refused(folder: Path) -> dict[str, str]:
    ledger = LedgerReader(folder)
    found = {
        r.record.instruction: f"{r.check}: {r.reason} {r.detail}"
        for r in ledger.results("select")
        if isinstance(r, Rejection)
    }
    ledger.close()
    return found


def test_a_local_model_finds_what_means_the_same_in_other_words(static_model: Path, tmp_path: Path) -> None:
    wanted = recipe(tmp_path, embeddings={"model": str(static_model)}, semantic=0.9)
    run_recipe(wanted, tmp_path / "run", until="select")
    kept = {record.instruction: record.id for record in final_records(tmp_path / "run")}
    assert list(kept) == ["red blue", "one two", "red one"]
    out = refused(tmp_path / "run")
    assert out["green pink"].startswith("semantic: too_close cosine 0.9") and out["green pink"].endswith(
        kept["red blue"]
    )
    assert out["three four"].endswith(kept["one two"])
    vectors = static_vectors(str(static_model))
    records = [Record(text, "", "Done so.") for text in ("red blue", "green pink")]
    found = explain(
        records,
        SelectSettings(checks=[], **wanted.select.model_dump(include={"embeddings", "semantic"})),
        vectors=vectors,
    )
    assert found.kept == 1 and found.checks[0].samples[0][1].startswith("too_close")


def test_diversity_of_the_best_is_measured_by_the_vectors(static_model: Path, tmp_path: Path) -> None:
    wanted = recipe(tmp_path, embeddings={"model": str(static_model)}, keep={"min_distance": 0.2})
    run_recipe(wanted, tmp_path / "run", until="select")
    assert len(final_records(tmp_path / "run")) == 3
    assert all("too_near cosine 0.9" in why for why in refused(tmp_path / "run").values())


def test_a_folder_without_a_model_is_named() -> None:
    pytest.importorskip("model2vec")
    with pytest.raises(UsageError, match="no model2vec model"):
        static_vectors("/nowhere/at/all")


# -- a server --------------------------------------------------------------------------------------------------------


@contextmanager
def embedding_server(broken_first: int = 0, as_base64: bool = False) -> Iterator[tuple[str, Counter[str], list[int]]]:
    """An OpenAI-compatible `/v1/embeddings`, with batches: (base URL, how often each text was asked for, sizes of the
    requests one by one)."""

    asked, sizes, started, stop = Counter[str](), list[int](), threading.Event(), threading.Event()
    address: list[str] = []

    def vector(text: str) -> Any:
        row = np.array([sum(WORDS.index(w) < 8 for w in text.split()), sum(WORDS.index(w) >= 8 for w in text.split())])
        return base64.b64encode(row.astype("<f4").tobytes()).decode() if as_base64 else row.tolist()

    async def embed(request: web.Request) -> web.Response:
        texts = (await request.json())["input"]
        sizes.append(len(texts))
        if len(sizes) <= broken_first:
            return web.json_response({"error": {"message": "busy"}}, status=500)
        return web.json_response(vectors(texts))

    def vectors(texts: list[str]) -> dict[str, Any]:
        asked.update(texts)
        rows = [{"index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
        return {"data": rows[::-1], "usage": {"prompt_tokens": 2 * len(texts)}}

    batches = Batches(lambda body, _path, _draw, _lost: (200, vectors([body["input"]])), {"shuffled": 1.0}, 0.0)

    async def batch(request: web.Request) -> web.Response:
        return await batches(request, request.path.removeprefix("/v1"))

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/embeddings", embed)
        for path in ("/v1/files", "/v1/batches"):
            app.router.add_route("*", path + "{rest:.*}", batch)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        started.set()
        await asyncio.to_thread(stop.wait)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(10)
    try:
        yield address[0], asked, sizes
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("as_base64", [False, True])
def test_a_server_is_asked_in_batches_and_each_text_once_also_after_a_failure(tmp_path: Path, as_base64: bool) -> None:
    with embedding_server(broken_first=1, as_base64=as_base64) as (url, asked, sizes):
        wanted = recipe(tmp_path, embeddings={"model": "tiny", "base_url": url}, semantic=0.95)
        first = run_recipe(wanted, tmp_path / "run", until="select")
        kept = [record.instruction for record in final_records(tmp_path / "run")]
        assert kept == ["red blue", "one two", "red one"]
        assert first.progress.requests == 5 and max(asked.values()) == 1 and len(sizes) <= 3, sizes
        again = run_recipe(wanted, tmp_path / "run", until="select")
        assert again.progress.requests == 0 and sum(asked.values()) == 5
    run_recipe(wanted, tmp_path / "run", until="select", offline=True)
    assert [record.instruction for record in final_records(tmp_path / "run")] == kept
    ledger = LedgerReader(tmp_path / "run")
    rows = stored_vectors(ledger, wanted.select.embeddings)(["red blue", "never asked"])
    ledger.close()
    assert rows.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_vectors_may_come_in_batches(tmp_path: Path) -> None:
    quick = {"linger_s": 0.05, "max_poll_s": 0.05}
    with embedding_server() as (url, asked, sizes):
        wanted = recipe(tmp_path, embeddings={"model": "tiny", "base_url": url, "batch": quick}, semantic=0.95)
        done = run_recipe(wanted, tmp_path / "run", until="select")
        assert [record.instruction for record in final_records(tmp_path / "run")] == ["red blue", "one two", "red one"]
        assert (done.progress.requests, sum(asked.values()), sizes) == (5, 5, [])


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"data": [{"index": 0, "embedding": [1, "x"]}]}',
        b'{"data": []}',
        b"\xff",
        b'{"data": [{"index": 0, "embedding": [1e999]}]}',
    ],
)
def test_a_body_that_holds_no_vectors_is_a_failure_to_be_tried_again(body: bytes) -> None:
    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def ask() -> None:
        async with scripted(answer) as url:
            model = EmbeddingModel("m", url, "NO_KEY", 1)
            try:
                await model.complete(embedding_request("a"))
            finally:
                await model.close()

    with pytest.raises(RetryableError) as caught:
        asyncio.run(ask())
    assert caught.value.reason == "bad_body"
