"""Reparsing works from stored answers alone."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from runs import FaultServer, made, run, write_recipe

from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.errors import SynthError
from synth.pipeline import read_run_recipe
from synth.pipeline import run as run_pipeline


def test_reparsing_gives_the_same_without_a_server_and_refuses_to_ask(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with FaultServer() as server:
        assert run(write_recipe(tmp_path, server.url, num_tasks=9), folder)[0] == 0
    before = made(folder)
    result = run_pipeline(read_run_recipe(folder), folder, until="export", offline=True)
    assert result.progress.requests == 0 and result.quarantined == 0
    assert made(folder) == before

    lost = tmp_path / "lost"
    shutil.copytree(folder, lost)
    db = sqlite3.connect(lost / FILE_NAME)
    db.execute("DELETE FROM requests WHERE key=(SELECT key FROM requests WHERE stage='respond' LIMIT 1)")
    db.commit()
    result = run_pipeline(read_run_recipe(lost), lost, until="select", offline=True)
    assert result.quarantined == 1 and result.progress.requests == 0
    reader = LedgerReader(lost)
    assert [r.reason for r in reader.rejections("respond")] == ["no_stored_answer"]
    assert reader.query("SELECT count(*) FROM requests WHERE state<>'answered'") == [(0,)]
    reader.close()

    db.execute("DELETE FROM requests WHERE key=(SELECT key FROM requests WHERE stage='bootstrap' LIMIT 1)")
    db.commit()
    db.close()
    with pytest.raises(SynthError, match="no stored answer; from there on the pool differs"):
        run_pipeline(read_run_recipe(lost), lost, until="select", offline=True)
