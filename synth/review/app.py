"""The pages: what each address answers. All data come from the desk, all markup from the templates."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from synth.errors import StorageError
from synth.review import thresholds, way
from synth.review.counters import progress
from synth.review.desk import QUEUES, Desk
from synth.review.guard import Guard, json_body
from synth.review.index import FACETS
from synth.review.markdown import to_html
from synth.review.meaning import Meaning
from synth.review.table import PAGE, SORTS, Wanted
from synth.stages.report import page as report_page
from synth.stages.report.blocks import show
from synth.verdicts import QUESTIONS, REASONS, TEXTS, Verdict, read_verdict

FOLDER = Path(__file__).parent / "pages"
SHOWN_VALUES = 12
"""Values of a facet beside the list."""
EVENTS_S = 1.0
MAX_NAME = 60


def application(desk: Desk, port: int, token: str, reviewer: str, meaning: Meaning | None = None) -> Starlette:
    """The app over one run folder, for a browser at `port` of this machine."""
    routes = [
        Route("/", rows),
        Route("/row/{stage}/{ordinal:int}/{place:int}", row),
        Route("/review", review),
        Route("/thresholds", what_if),
        Route("/thresholds/count", what_if_count),
        Route("/request/{key}", request_text),
        Route("/events", events),
        Route("/review.css", asset),
        Route("/review.js", asset),
        Route("/favicon.ico", lambda _request: Response(status_code=204)),
        Route("/verdict", verdict, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        Route("/markdown", markdown, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, port=port, token=token)],
        exception_handlers={HTTPException: _failed, StorageError: _not_stored, sqlite3.Error: _busy},  # type: ignore[dict-item]
    )
    app.state.desk, app.state.reviewer, app.state.meaning = desk, reviewer, meaning
    return app


@cache
def _templates() -> Any:
    made = report_page.environment().overlay()
    from jinja2 import FileSystemLoader

    made.loader = FileSystemLoader([FOLDER, report_page.FOLDER])
    made.filters |= {"show": show, "query": urlencode, "markdown": to_html}
    return made


def _page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    desk: Desk = request.app.state.desk
    state = {"nonce": request.state.nonce, "token": request.state.token, "run": desk.run_dir.resolve().name}
    text = _templates().get_template(name).render(**state, reviewer=_reviewer(request), **values)
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def _reviewer(request: Request) -> str:
    return request.query_params.get("by", "").strip()[:MAX_NAME] or str(request.app.state.reviewer)


def _failed(request: Request, error: HTTPException) -> Response:
    return _page(request, "message.html.jinja", error.status_code, message=error.detail)


def _not_stored(_request: Request, error: StorageError) -> Response:
    return JSONResponse({"error": f"{error.message}. {error.hint}"}, 507)


def _busy(request: Request, _error: sqlite3.Error) -> Response:
    words = "The run's files cannot be read just now: it may be starting over. Load the page again."
    return _page(request, "message.html.jinja", 503, message=words)


# -- pages ------------------------------------------------------------------------------------------------------------


def rows(request: Request) -> Response:
    """The list of rows with its filters."""
    desk: Desk = request.app.state.desk
    wanted = Wanted.of(request.query_params)
    found, shown = desk.find(wanted)
    facets = [(name, *_values(wanted, name, found.counts[name])) for name in (*FACETS, "verdict")]
    pages = max(1, -(-found.total // PAGE))
    return _page(
        request, "rows.html.jinja", wanted=wanted, found=found, rows=shown, facets=facets, pages=pages, sorts=SORTS
    )


def _values(wanted: Wanted, name: str, counts: dict[str, int]) -> tuple[list[tuple[str, int]], int]:
    """(the values shown of a facet with their counts, how many are left out); the chosen one is always shown."""
    chosen = getattr(wanted, name)
    first = list(counts.items())[:SHOWN_VALUES]
    if chosen and chosen not in dict(first):
        first.append((chosen, counts.get(chosen, 0)))
    return first, max(0, len(counts) - len(first))


def row(request: Request) -> Response:
    """One row with its whole way."""
    desk: Desk = request.app.state.desk
    place = request.path_params
    found = desk.row(place["stage"], place["ordinal"], place["place"])
    if found is None:
        raise HTTPException(404, "There is no such row: the run may have made this stage anew.")
    steps = way.way(desk, found)
    start = way.chain(desk, found)[0].record
    meaning: Meaning | None = request.app.state.meaning
    return _page(
        request,
        "row.html.jinja",
        row=found,
        steps=steps,
        start=start,
        seeds=way.seeds_of(desk, start),
        passed=way.stages_of(desk, found),
        near=way.neighbours(desk, found),
        meant=meaning.nearest(found) if meaning else [],
        students=way.student_answers(desk, found.record),
    )


def review(request: Request) -> Response:
    """The next row to judge."""
    desk: Desk = request.app.state.desk
    query = request.query_params
    wanted, by = Wanted.of(query), _reviewer(request)
    queue = query.get("queue", "random")
    next_row, done, total = desk.next_for(by, wanted, queue if queue in QUEUES else "random")
    named = desk.rows_of("key", query.get("row", ""))
    shown = named[-1] if named else next_row
    kept = {name: value for name, value in query.items() if name != "row"}
    return _page(
        request,
        "review.html.jinja",
        row=shown,
        done=done,
        total=total,
        queue=queue,
        queues=QUEUES,
        is_blind="blind" in query,
        asks=QUESTIONS if "questions" in query else {},
        reasons=REASONS,
        query=kept,
        wanted=wanted,
    )


def what_if(request: Request) -> Response:
    """The thresholds page."""
    return _page(request, "thresholds.html.jinja", sliders=thresholds.sliders(request.app.state.desk))


def what_if_count(request: Request) -> Response:
    """How many rows stay under other thresholds."""
    return JSONResponse(thresholds.count(request.app.state.desk, dict(request.query_params)))


def request_text(request: Request) -> Response:
    """A stored request and its reply, whole, as plain text."""
    desk: Desk = request.app.state.desk
    entry = desk.source.request(request.path_params["key"])
    if entry is None:
        raise HTTPException(404, "There is no such request in the ledger.")
    text = f"{way.prompt_text(entry.request)}\n\n=== reply ===\n\n{entry.text or entry.error or ''}"
    return PlainTextResponse(text.encode("utf-8", "replace"))


def asset(request: Request) -> Response:
    """The script, or the report's style sheet with ours below it."""
    if request.url.path.endswith(".js"):
        return Response((FOLDER / "review.js").read_bytes(), media_type="text/javascript")
    css = report_page.stylesheet() + "\n" + (FOLDER / "review.css").read_text("utf-8")
    return Response(css, media_type="text/css")


async def events(request: Request) -> Response:
    """The counters of the run, each time they have moved."""

    async def stream() -> AsyncIterator[str]:
        last = ""
        while not await request.is_disconnected():
            text = json.dumps(await run_in_threadpool(progress, request.app.state.desk))
            yield f"data: {text}\n\n" if text != last else ": still here\n\n"
            last = text
            await asyncio.sleep(EVENTS_S)

    return StreamingResponse(stream(), media_type="text/event-stream")


# -- changes ----------------------------------------------------------------------------------------------------------


async def verdict(request: Request) -> Response:
    """Store a verdict; answered when it is on disk."""
    desk: Desk = request.app.state.desk
    try:
        body = await json_body(request)
        edited = {name: _clean(text) for name, text in (body.get("edited") or {}).items()}
        one = read_verdict({**body, "edited": edited or None, "by": _name(body.get("by"))})
        known = await run_in_threadpool(desk.rows_of, "key", one.row)
        if not known or one.kind == "undo":
            raise ValueError("there is no such row")
    except (ValueError, TypeError, AttributeError) as error:
        return JSONResponse({"error": f"not saved: {error}"}, 400)
    answers = one.answers
    kind = ("accept" if all(answers.values()) else "reject") if answers else one.kind
    reason = _clean(one.reason)[:200] if kind == "reject" else ""
    made = Verdict(one.row, one.by, kind, reason, one.edited, answers)
    await run_in_threadpool(desk.add, made)
    return JSONResponse({"saved": made.to_dict()})


async def undo(request: Request) -> Response:
    """Take back the reviewer's latest verdict."""
    desk: Desk = request.app.state.desk
    try:
        by = _name((await json_body(request)).get("by"))
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    last = await run_in_threadpool(desk.last_of, by)
    if last is None:
        return JSONResponse({"error": "there is no verdict of yours to take back"}, 400)
    await run_in_threadpool(desk.add, Verdict(last.row, by, "undo"))
    return JSONResponse({"row": last.row})


async def markdown(request: Request) -> Response:
    """Markdown as the page shows it, for the texts being edited."""
    try:
        body = await json_body(request)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    html = {name: to_html(body[name]) for name in TEXTS if isinstance(body.get(name), str)}
    return JSONResponse({"html": html})


def _name(value: Any) -> str:
    name = _clean(value).strip()[:MAX_NAME] if isinstance(value, str) else ""
    if not name:
        raise ValueError("say who you are")
    return name


def _clean(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("texts are texts")
    return text.encode("utf-8", "replace").decode()
