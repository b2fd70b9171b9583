"""The pages of `synth review`, asked over HTTP: rows, filters, counts, one row's way, and who may ask."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_run import make_run
from reviewing import Review, keys_of, links, reviewed

from synth.engine.ledger import LedgerReader
from synth.metrics import rouge_l
from synth.records import Record, Rejection
from synth.verdicts import Verdict, add_verdicts, read_verdicts, row_key

STAGES = ("bootstrap", "evolve", "respond", "select")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs") / "made"
    make_run(made, roots=60)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Review]:
    with reviewed(folder) as running:
        yield running


def results(folder: Path, stage: str) -> list[Record | Rejection]:
    ledger = LedgerReader(folder)
    try:
        return list(ledger.results(stage))
    finally:
        ledger.close()


def total(page: str) -> int:
    return int(re.search(r'id="total">([\d,]+)<', page)[1].replace(",", ""))  # type: ignore[index]


def counts(page: str, facet: str) -> dict[str, int]:
    part = re.search(rf"<h2>{facet}</h2>\s*<ul class=\"facet\">(.*?)</ul>", page, re.DOTALL)
    found = re.findall(r">([^<]+)</a> <span>([\d,]+)</span>", part[1]) if part else []
    return {name: int(count.replace(",", "")) for name, count in found}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_shows_all_its_rows_kept_and_rejected(stage: str, server: Review, folder: Path) -> None:
    found = results(folder, stage)
    kept = sum(isinstance(one, Record) for one in found)
    page = server.ask(f"/?stage={stage}")[1]
    assert total(page) == len(found)
    assert counts(page, "state") == {
        name: count for name, count in (("kept", kept), ("rejected", len(found) - kept)) if count
    }


def test_without_a_stage_each_row_is_shown_where_it_ended(server: Review, folder: Path) -> None:
    rejected = sum(isinstance(one, Rejection) for stage in STAGES for one in results(folder, stage))
    kept = sum(isinstance(one, Record) for one in results(folder, "select"))
    assert total(server.ask("/")[1]) == rejected + kept


def test_the_count_beside_a_filter_is_what_choosing_it_shows(server: Review) -> None:
    page = server.ask("/?language=en")[1]
    for facet in ("reason", "operator", "generation", "category", "state"):
        for value, count in counts(page, facet).items():
            assert total(server.ask(f"/?language=en&{facet}={value.replace(' ', '+')}")[1]) == count, (facet, value)


def test_fifty_rows_a_page_and_every_row_on_one_page(server: Review, folder: Path) -> None:
    pages = [links(server.ask(f"/?stage=respond&page={number}")[1]) for number in range(4)]
    assert [len(page) for page in pages[:2]] == [50, 50]
    assert len({one for page in pages for one in page}) == len(results(folder, "respond"))


def test_search_finds_all_rows_with_all_words_and_their_beginnings(server: Review, folder: Path) -> None:
    wanted = [
        one
        for one in results(folder, "bootstrap")
        if "harbour" in (text := (one if isinstance(one, Record) else one.record).instruction.lower())
        and re.search(r"\bsail", text)
    ]
    assert total(server.ask("/?stage=bootstrap&text=harbour+sail")[1]) == len(wanted) > 0


def test_rows_are_sorted_and_bounded_by_grade(server: Review) -> None:
    page = server.ask("/?stage=select&state=kept&least=7&most=9&sort=low")[1]
    grades = [float(one) for one in re.findall(r"· grade ([\d.]+)", page)]
    assert grades and grades == sorted(grades) and grades[0] >= 7


def test_a_row_shows_its_way_its_other_stages_and_its_neighbours(server: Review, folder: Path) -> None:
    record = next(one for one in results(folder, "select") if isinstance(one, Record) and one.lineage.generation == 2)
    page = server.ask(f"/?stage=select&generation=2&text={record.instruction.replace(' ', '+')}")[1]
    shown = server.ask(links(page)[0])[1]
    steps = re.search(r'<ol class="steps">(.*?)</ol></section>', shown, re.DOTALL)[1]  # type: ignore[index]
    assert re.findall(r"(bootstrap|evolve), \w+", steps) == ["bootstrap", "evolve", "evolve"]
    added = re.findall(r"<ins>(.*?)</ins>", steps, re.DOTALL)
    assert all(text.strip() in record.instruction for text in added[:2])
    assert "evolve:" in shown and "respond:" in shown and "(this row)" in shown
    assert re.search(r"<li>0\.\d\d\d ", shown)


def test_the_neighbours_of_a_row_are_the_nearest_by_rouge_l(server: Review, folder: Path) -> None:
    row = results(folder, "select")[5]
    task = (row if isinstance(row, Record) else row.record).task()
    others = {
        (one if isinstance(one, Record) else one.record).task() for name in STAGES for one in results(folder, name)
    }
    best = sorted((rouge_l(task, other) for other in others - {task}), reverse=True)
    shown = re.findall(r"<li>(\d\.\d{3}) ", server.ask("/row/select/5/0")[1])
    assert [float(one) for one in shown[:2]] == pytest.approx(best[:2], abs=0.001) and len(shown) == 5


def test_an_unknown_row_and_a_strange_query_are_answered_in_words(server: Review) -> None:
    status, page, _ = server.ask("/row/select/999999/0")
    assert status == 404 and "There is no such row" in page
    assert server.ask("/?page=x&least=abc&sort=%27&stage=none&verdict=zzz")[0] == 200
    assert server.ask("/?text=%22*%20OR%20NEAR(")[0] == 200
    assert server.ask("/row/..%2F..%2Fetc/0/0")[0] == 404


def test_pages_forbid_everything_but_the_one_script_and_style(server: Review) -> None:
    _, page, headers = server.ask("/")
    policy = headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)[1]  # type: ignore[index]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
    assert re.findall(r'<script[^>]*nonce="([^"]+)"', page) == [nonce] and " on" not in re.sub(r">[^<]*<", "><", page)
    assert nonce not in server.ask("/")[2]["content-security-policy"]
    assert "http://" not in server.ask("/review.js")[1] and len(server.ask("/review.js")[1]) < 12_000


@pytest.mark.parametrize("host", ["rebind.test", "127.0.0.1", "localhost:1", "127.0.0.1.evil.test:{port}"])
def test_another_host_name_is_refused(host: str, server: Review) -> None:
    status, text, _ = server.ask("/", host=host.format(port=server.port))
    assert status == 403 and "Record" not in text


def test_a_verdict_needs_the_token_our_origin_and_json(server: Review, folder: Path) -> None:
    row = keys_of(server.ask("/review")[1])[0]
    body = {"row": row, "by": "eve", "kind": "accept"}
    own, token = f"http://127.0.0.1:{server.port}", server.token()
    refused = [
        {},
        {"x_review_token": "wrong"},
        {"x_review_token": token, "origin": "http://evil.test"},
        {"x_review_token": token, "origin": "null"},
        {"x_review_token": token, "sec_fetch_site": "cross-site"},
        {"x_review_token": token, "content_type": "text/plain"},
    ]
    assert [server.ask("/verdict", body, **one)[0] for one in refused] == [403] * len(refused)
    assert not [one for one in read_verdicts(folder / "verdicts.jsonl") if one.by == "eve"]
    assert server.ask("/verdict", body, x_review_token=token, origin=own)[0] == 200
    assert server.post("/undo", {"by": "eve"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"row": "0" * 16, "by": "anna", "kind": "accept"},
        {"row": "x", "by": "anna", "kind": "accept"},
        {"row": None, "by": "anna", "kind": "accept"},
        {"by": " ", "kind": "accept"},
        {"by": "anna", "kind": "undo"},
        {"by": "anna", "kind": "edit"},
        {"by": "anna", "kind": "edit", "edited": {"instruction": 1}},
        {"by": "anna", "kind": "edit", "edited": [1]},
        [1],
    ],
)
def test_what_is_no_verdict_is_refused_in_words(body: object, server: Review) -> None:
    if isinstance(body, dict):
        body = {"row": keys_of(server.ask("/review")[1])[0]} | body
    status, answer = server.post("/verdict", body)
    assert status == 400 and answer["error"]


def test_two_reviewers_of_one_row_are_both_kept_and_shown(server: Review, folder: Path) -> None:
    row = keys_of(server.ask("/review?state=kept")[1])[0]
    for by, kind in (("anna", "accept"), ("ben", "reject")):
        assert server.post("/verdict", {"row": row, "by": by, "kind": kind, "reason": "wrong answer"})[0] == 200
    said = [
        (one.by, one.kind) for one in read_verdicts(folder / "verdicts.jsonl") if one.row == row and one.by != "eve"
    ]
    assert said == [("anna", "accept"), ("ben", "reject")]
    shown = server.ask("/?verdict=disputed")[1]
    assert total(shown) == 1 and "anna: accept" in shown and "ben: reject (wrong answer)" in shown
    assert keys_of(server.ask("/review?by=carl&queue=disputed")[1]) == [row]
    assert row not in keys_of(server.ask("/review?by=anna&queue=disputed")[1])


def test_blind_review_hides_where_a_row_comes_from(server: Review) -> None:
    seen = server.ask("/review?stage=select&state=rejected&by=dora")[1]
    blind = server.ask("/review?stage=select&state=rejected&by=dora&blind=1")[1]
    assert keys_of(seen) == keys_of(blind)
    for told in ("rejected</span>", "refusal", "generation", "some-model", 'href="/row/'):
        assert told not in blind
    assert "refusal: refuses" in seen


def test_three_questions_make_an_acceptance_of_three_yes_only(server: Review, folder: Path) -> None:
    answers = {"valid_task": True, "input_fits": True, "output_right": False}
    row = keys_of(server.ask("/review?by=fay&questions=1")[1])[0]
    assert server.post("/verdict", {"row": row, "by": "fay", "kind": "accept", "answers": answers})[0] == 200
    last = read_verdicts(folder / "verdicts.jsonl")[-1]
    assert (last.kind, last.answers) == ("reject", answers)


def test_thresholds_count_what_would_stay(server: Review, folder: Path) -> None:
    kept = [one for one in results(folder, "select") if isinstance(one, Record)]
    stay = [one for one in kept if one.meta["grade"] >= 8]
    answer = server.ask("/thresholds/count?least=8")[1]
    assert answer == f'{{"kept":{len(kept)},"left":{len(stay)},"back":0}}'


def test_a_port_in_use_gives_the_next_free_one(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with reviewed(folder, port) as other:
            assert other.port > port


def test_a_folder_that_cannot_be_written_is_shown_all_the_same(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(folder / "ledger.sqlite", copy / "ledger.sqlite")
    (copy / "review.index").mkdir()  # no file can be made there, whoever asks
    with reviewed(copy) as other:
        assert total(other.ask("/?stage=select")[1]) == len(results(folder, "select"))


def test_a_ledger_of_the_first_version_is_shown(folder: Path, tmp_path: Path) -> None:
    from synth.engine.schema import MIGRATIONS

    old = sqlite3.connect(tmp_path / "ledger.sqlite")
    old.executescript(MIGRATIONS[0])
    old.execute("PRAGMA user_version=1")
    source = LedgerReader(folder)
    for row in source.query("SELECT * FROM outcomes"):
        old.execute("INSERT INTO outcomes VALUES(?,?,?,?,?,?,?)", row)
    for stage in STAGES:
        old.execute("INSERT INTO stages VALUES(?, 'x', '{}', 'done', 1.0, 2.0)", (stage,))
    source.close()
    old.commit()
    old.close()
    with reviewed(tmp_path) as other:
        page = other.ask("/?stage=select&state=kept")[1]
        assert total(page) == sum(isinstance(one, Record) for one in results(folder, "select"))
        assert other.ask(links(page)[0])[0] == 200


def test_verdicts_of_rows_that_are_gone_do_no_harm(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    add_verdicts(copy / "verdicts.jsonl", [Verdict("not a key", "anna", "reject"), Verdict("f" * 16, "ben", "accept")])
    with reviewed(copy) as other:
        assert other.ask("/")[0] == other.ask("/review?queue=disputed")[0] == 200
        known = row_key(next(one for one in results(folder, "select") if isinstance(one, Record)))
        assert keys_of(other.ask(f"/review?row={known}")[1]) == [known]
