"""The review in a real browser: verdicts by keys that outlive a killed server, hostile texts, widths, accessibility."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import WCAG, Watch, hostile_run, payloads
from made_run import make_run
from reviewing import Review, reviewed, until

from synth.verdicts import Verdict, add_verdicts, current, read_verdicts, row_key

PAGES = ("", "review", "review?questions=1&blind=1", "thresholds", "row/select/2/0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "made"
    make_run(folder, roots=60)
    return folder


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[Review]:
    with reviewed(made) as running:
        yield running


def judged(page: Any) -> str:
    """The key of the row that is shown; "" while the next one is loaded."""
    found = page.locator("#judge")
    return str(found.get_attribute("data-row")) if found.count() else ""


def press(page: Any, *keys: str) -> None:
    """Press keys, and wait until the next row is there."""
    before = judged(page)
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_function("before => document.querySelector('#judge')?.dataset.row !== before", arg=before)


@pytest.mark.parametrize("verdicts", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_verdicts_by_keys_outlive_a_server_that_is_killed(verdicts: int, browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_run(folder, roots=60, files=False)
    server = Review(folder)
    with Watch(browser, f"{server.url}review") as watch:
        pressed: dict[str, str] = {}
        for number in range(verdicts):
            keys = (("a",), ("r", str(1 + number % 9)), ("s",), ("r", "Enter"))[number % 4]
            if number in (verdicts // 3, 2 * verdicts // 3):
                server.kill()
                shown = judged(watch.page)
                watch.page.keyboard.press("a")
                watch.page.wait_for_selector("#status.wrong")
                assert judged(watch.page) == shown and shown not in current(read_verdicts(folder / "verdicts.jsonl"))
                server = Review(folder, server.port)
                watch.page.keyboard.press("a")  # the token is another one: the page loads itself anew
                watch.page.wait_for_event("load")
            pressed[judged(watch.page)] = {"a": "accept", "r": "reject", "s": "skip"}[keys[0]]
            press(watch.page, *keys)
    said = current(read_verdicts(folder / "verdicts.jsonl"))
    server.kill()
    assert len(pressed) == verdicts
    assert {row: by["anna"].kind for row, by in said.items()} == pressed
    assert {by["anna"].reason for by in said.values() if by["anna"].kind == "reject"} >= {"", "wrong answer"} - {None}


def test_an_edit_is_kept_and_undo_takes_it_back(browser: Any, server: Review, made: Path) -> None:
    with Watch(browser, f"{server.url}review?by=edith&state=kept") as watch:
        page, row = watch.page, judged(watch.page)
        page.keyboard.press("e")
        page.locator("#edit-output").fill("a **better** answer")
        page.wait_for_selector("[data-shown=output] strong")
        press(page, "Control+Enter")
        [saved] = [one for one in read_verdicts(made / "verdicts.jsonl") if one.by == "edith"]
        assert (saved.row, saved.kind) == (row, "edit")
        assert saved.edited is not None and saved.edited["output"] == "a **better** answer"
        press(page, "u")
        assert judged(page) == row
        assert "edith" not in current(read_verdicts(made / "verdicts.jsonl")).get(row, {})


def test_the_three_questions_are_answered_by_y_and_n(browser: Any, server: Review, made: Path) -> None:
    with Watch(browser, f"{server.url}review?by=queenie&questions=1") as watch:
        press(watch.page, "y", "n", "y")
        press(watch.page, "y", "y", "y")
    said = [one for one in read_verdicts(made / "verdicts.jsonl") if one.by == "queenie"]
    assert [one.kind for one in said] == ["reject", "accept"]
    assert list(said[0].answers.values()) == [True, False, True]


def test_a_slash_goes_to_the_search_and_a_question_mark_shows_the_keys(browser: Any, server: Review) -> None:
    with Watch(browser, server.url) as watch:
        watch.page.keyboard.press("/")
        watch.page.keyboard.type("harbour")
        watch.page.keyboard.press("Enter")
        watch.page.wait_for_url("**text=harbour**")
        watch.page.goto(f"{server.url}review")
        watch.page.keyboard.press("?")
        assert watch.page.locator("#help").is_visible()


def test_a_slider_tells_at_once_what_would_stay(browser: Any, server: Review) -> None:
    with Watch(browser, f"{server.url}thresholds") as watch:
        watch.page.wait_for_function("() => document.querySelector('#left').textContent.startsWith('128 of 128')")
        watch.page.locator("#least").fill("9")
        watch.page.wait_for_function("() => !document.querySelector('#left').textContent.startsWith('128 of')")


@pytest.mark.parametrize("each", [6, pytest.param(1, marks=pytest.mark.slow)], ids=["a page of each kind", "more"])
def test_no_hostile_text_acts_and_nothing_leaves(each: int, browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    hostile_run(folder)
    evaluation = {"items": [{"id": "i", "question": f"Write a {payloads()[0]}\n\n{payloads()[0]}"}]}
    evaluation["answers"] = {name: [{"item": "i", "text": name}] for name in payloads()[:9]}  # type: ignore[assignment]
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    with reviewed(folder) as server:
        rows = [row for row in _records(folder) if "<" in row.instruction]
        assert len(payloads()) == 120 and len(rows) >= 100
        said = [Verdict(row_key(one), by, "reject", by) for one, by in zip(rows, payloads(), strict=False)]
        add_verdicts(folder / "verdicts.jsonl", said)
        addresses = [f"{server.url}?stage=select&page={number}" for number in range(0, 4, each)]
        addresses += [f"{server.url}review?row={row_key(one)}" for one in rows[:: 24 * each]]
        addresses += [f"{server.url}row/bootstrap/{8 + number}/1" for number in range(0, 30, 6 * each)]
        addresses += [f"{server.url}thresholds", f"{server.url}review?by=%3Cscript%3Ewindow.pwned%3D1%3C%2Fscript%3E"]
        for address in addresses:
            with Watch(browser, address) as watch:
                _is_harmless(watch, server)


def _records(folder: Path) -> list[Any]:
    from synth.engine.ledger import LedgerReader

    ledger = LedgerReader(folder)
    try:
        return list(ledger.records("select"))
    finally:
        ledger.close()


def _is_harmless(watch: Watch, server: Review) -> None:
    page = watch.page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    if page.locator("#judge").count():
        page.keyboard.press("e")
        page.wait_for_selector("[data-shown=instruction] > *")
    page.wait_for_selector("#live span")
    assert page.evaluate("window.pwned") is None and "pwned" not in page.title()
    assert all(address.startswith(server.url) for address in watch.asked), watch.asked
    assert watch.said == []
    odd = "main :is(script, iframe, object, embed, img, link, base, template, video, svg, style, meta)"
    assert page.locator(f"{odd}, [onload], [onerror], [onclick], [onfocus], [onmouseover]").count() == 0


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_its_window_and_axe_finds_nothing(path: str, browser: Any, server: Review, axe: str) -> None:
    with Watch(browser, server.url + path) as watch:
        if path == "review":
            watch.page.keyboard.press("e")
            watch.page.wait_for_selector("[data-shown=output] > *")
        watch.page.evaluate(axe)
        for width, scheme in ((400, "dark"), (1400, "light")):
            watch.page.emulate_media(color_scheme=scheme)
            watch.page.set_viewport_size({"width": width, "height": 900})
            assert watch.page.evaluate("document.documentElement.scrollWidth") <= width
            found = watch.page.evaluate(WCAG)["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_new_rows_appear_while_the_run_goes_on(browser: Any, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    whole, folder = tmp_path / "whole", tmp_path / "run"
    make_run(whole, roots=60, files=False)
    shutil.copytree(whole, folder)
    db = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)
    db.create_function("checksum_of", -1, lambda *_: "")
    db.execute("DELETE FROM outcomes WHERE stage='select' AND ordinal>=20")
    with reviewed(folder) as server, Watch(browser, f"{server.url}?stage=select") as watch:
        assert watch.page.locator("#total").text_content() == "20"
        db.execute(f"ATTACH '{whole / 'ledger.sqlite'}' AS whole")
        db.execute("INSERT INTO outcomes SELECT * FROM whole.outcomes WHERE stage='select' AND ordinal>=20")
        until(lambda: watch.page.locator("#total").text_content() == "141")
        db.execute("UPDATE stages SET started_at=started_at+1 WHERE stage='select'")
        db.execute("DELETE FROM outcomes WHERE stage='select' AND ordinal>=5")  # the stage was made anew
        until(lambda: watch.page.locator("#total").text_content() == "5")
    db.close()
