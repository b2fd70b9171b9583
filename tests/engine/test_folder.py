"""A run folder: what it is made from, what may lie in it, and what `verify` finds when anything in it was changed."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import FaultServer

from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.errors import CredentialsError, SynthError, UsageError
from synth.pipeline import run as run_pipeline
from synth.pipeline.verify import run_problems
from synth.recipe import Recipe, read_recipe


def recipe_in(folder: Path, more: str = "", url: str = "") -> Path:
    """A small recipe with a copy of a few seeds beside it."""
    from synth.shipped import SEED_FILE

    folder.mkdir(parents=True, exist_ok=True)
    lines = Path(SEED_FILE).read_text("utf-8").splitlines(keepends=True)[:30]
    (folder / "seeds.jsonl").write_text("".join(lines), "utf-8")
    teacher = f"{{backend: openai, model: m, base_url: {url}}}" if url else "{backend: embedded}"
    text = f"seeds: {{path: seeds.jsonl}}\nbootstrap: {{num_tasks: 6}}\nteacher: {teacher}\n{more}"
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of the embedded teacher with an export and a report."""
    folder = tmp_path_factory.mktemp("finished")
    run_pipeline(read_recipe(recipe_in(folder)), folder / "run")
    assert run_problems(folder / "run") == []
    return folder


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


# -- identity ----------------------------------------------------------------------------------------------------------


def test_a_moved_folder_with_moved_inputs_is_the_same_run(finished: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(finished, moved)
    before = (moved / "run" / "export" / "alpaca.json").read_bytes()
    result = run_pipeline(read_recipe(moved / "recipe.yaml"), moved / "run")
    assert result.progress.requests == 0
    assert (moved / "run" / "export" / "alpaca.json").read_bytes() == before


def test_other_contents_at_the_same_path_are_another_recipe(finished: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(finished, moved)
    seeds = moved / "seeds.jsonl"
    seeds.write_text("".join(seeds.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    with pytest.raises(UsageError, match=r"seeds.path: 'sha256:"):
        run_pipeline(read_recipe(moved / "recipe.yaml"), moved / "run")


# -- nothing hostile is taken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    ["teacher.base_url=http://user:S3cretPassword@far.example/v1", "teacher.api_key_env=sk-proj-S3cretPassword"],
)
def test_what_is_refused_is_not_written_first(override: str, tmp_path: Path) -> None:
    path = recipe_in(tmp_path, url="http://127.0.0.1:9/v1")
    with pytest.raises(SynthError) as refused:
        run_pipeline(read_recipe(path, [override]), tmp_path / "run")
    assert "S3cretPassword" not in f"{refused.value}{refused.value.hint}"
    assert not any(b"S3cret" in one.read_bytes() for one in (tmp_path).rglob("*") if one.is_file())


def test_a_foreign_env_file_gives_only_the_keys_that_the_recipe_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("http_proxy", "LD_PRELOAD", "MY_KEY", "OTHER_KEY", "HF_TOKEN", "PYTHONPATH_KEY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("".join(f"{name}=x-{name}\n" for name in names))
    try:
        read_recipe(recipe_in(tmp_path, "judge: {backend: openai, model: j, api_key_env: MY_KEY}\n"))
        assert {name for name in names if name in os.environ} == {"MY_KEY", "HF_TOKEN"}
        path = recipe_in(tmp_path, "judge: {backend: openai, model: j, api_key_env: LD_PRELOAD}\n")
        read_recipe(path)
        assert "LD_PRELOAD" not in os.environ
    finally:
        for name in names:
            os.environ.pop(name, None)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{n}: &{n} [{','.join(['*' + p] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text", [BOMB, "a: " + "[" * 500 + "]" * 500, "x: &x [*x]\n", "y" * 2_000_000, "a: 99999-99-99\n"]
)
def test_a_recipe_that_grows_when_read_is_refused_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(UsageError):
        read_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("key", ["input", "seeds.path"])
def test_pipes_and_devices_are_no_inputs(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = recipe_in(tmp_path)
    for name in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UsageError, match="not a file but a device or a pipe"):
            read_recipe(path, [f"{key}={name}"])
    (tmp_path / "recipe.yaml").unlink()
    os.mkfifo(tmp_path / "recipe.yaml")
    with pytest.raises(UsageError, match="not a file"):
        read_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("name", ["export", "recipe.yaml", "ledger.sqlite", "report.html", "lock"])
def test_nothing_is_written_through_a_link_in_a_run_folder(name: str, finished: Path, tmp_path: Path) -> None:
    outside, run = tmp_path / "outside", tmp_path / "run"
    run.mkdir()
    outside.write_text("precious")
    (run / name).symlink_to(outside)
    with pytest.raises(SynthError):
        run_pipeline(read_recipe(finished / "recipe.yaml"), run)
    assert outside.read_text() == "precious"


# -- verify ------------------------------------------------------------------------------------------------------------


def damage(column: str, table: str) -> Callable[[Path], None]:
    def change(run_dir: Path) -> None:
        db = sqlite3.connect(run_dir / FILE_NAME)
        db.execute(
            f"UPDATE {table} SET {column}=CASE typeof({column}) WHEN 'text' THEN {column}||'x' ELSE 17 END WHERE rowid=2"
        )
        db.commit()
        db.close()

    return change


def columns() -> list[tuple[str, str]]:
    from synth.engine.entries import COLUMNS
    from synth.engine.ledger import EVENT_COLUMNS, OUTCOME_COLUMNS, STAGE_COLUMNS

    tables = {"outcomes": OUTCOME_COLUMNS, "stages": STAGE_COLUMNS, "meta": "key, value"}
    found = [(name, "requests") for name in COLUMNS if name != "state"]
    assert EVENT_COLUMNS
    return found + [(name, table) for table, names in tables.items() for name in names.split(", ") if name != "state"]


@pytest.mark.parametrize(("column", "table"), columns(), ids=lambda text: text)
def test_a_change_in_any_column_of_any_table_is_found(column: str, table: str, run_dir: Path) -> None:
    damage(column, table)(run_dir)
    assert run_problems(run_dir)


@pytest.mark.parametrize("table", ["requests", "outcomes", "stages", "meta"])
def test_a_deleted_row_is_found(table: str, run_dir: Path) -> None:
    db = sqlite3.connect(run_dir / FILE_NAME)
    db.execute(f"DELETE FROM {table} WHERE rowid=(SELECT max(rowid) FROM {table} WHERE rowid<>9)")
    db.commit()
    db.close()
    assert run_problems(run_dir)


@pytest.mark.parametrize(
    "name", ["export/manifest.json", "export/alpaca.json", "report.html", "recipe.yaml", "seals.json"]
)
def test_a_missing_or_changed_file_is_found(name: str, run_dir: Path) -> None:
    kept = (run_dir / name).read_bytes()
    (run_dir / name).write_bytes(kept[:-40] + b" " + kept[-40:] if name != "recipe.yaml" else b"name: [")
    assert run_problems(run_dir), "changed"
    (run_dir / name).unlink()
    assert run_problems(run_dir), "missing"


def test_a_damaged_answer_is_asked_again_by_the_next_run_and_then_verifies(tmp_path: Path) -> None:
    with FaultServer() as server:
        path = recipe_in(tmp_path, url=server.url)
        run_pipeline(read_recipe(path), tmp_path / "run", until="export")
        asked, before = server.stats()["requests"], (tmp_path / "run" / "export" / "alpaca.json").read_bytes()
        for table, column in (
            ("requests", "text"),
            ("requests", "item"),
            ("outcomes", "results"),
            ("stages", "settings"),
        ):
            damage(column, table)(tmp_path / "run")
            assert run_problems(tmp_path / "run")
            run_pipeline(read_recipe(path), tmp_path / "run", until="export")
            assert run_problems(tmp_path / "run") == []
        assert server.stats()["requests"] == asked + 2
    assert (tmp_path / "run" / "export" / "alpaca.json").read_bytes() == before


@pytest.mark.parametrize("flips", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_flipped_bytes_are_found_or_were_never_used(flips: int, run_dir: Path) -> None:
    """In the ledger and in every file of the run; each flip alone."""
    rng = random.Random(5)
    unused = ("lock", "timings.json", f"{FILE_NAME}-shm", f"{FILE_NAME}-wal")
    files = [one for one in sorted(run_dir.rglob("*")) if one.is_file() and one.name not in unused]
    before = used(run_dir)
    for _ in range(flips):
        path = rng.choice(files) if rng.random() < 0.4 else run_dir / FILE_NAME
        good = path.read_bytes()
        at = rng.randrange(len(good))
        path.write_bytes(good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1 :])
        assert run_problems(run_dir) or used(run_dir) == before, (path, at)
        path.write_bytes(good)
        for rest in run_dir.glob(f"{FILE_NAME}-*"):
            rest.unlink(missing_ok=True)
    assert run_problems(run_dir) == []


def used(run_dir: Path) -> object:
    """All that anyone takes from a run folder."""
    reader = LedgerReader(run_dir)
    try:
        rows = [
            reader.query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("requests", "outcomes", "stages", "meta")
        ]
        return [rows, (run_dir / "recipe.yaml").read_bytes().split()]
    except (sqlite3.Error, ValueError, CredentialsError):
        return None
    finally:
        reader.close()


def test_a_ledger_on_a_read_only_mount_is_read(run_dir: Path, tmp_path: Path) -> None:
    script = f"mount --bind {run_dir} {run_dir} && mount -o remount,bind,ro {run_dir} && synth status {run_dir} --json"
    script = script.replace("synth status", f"{sys.executable} -m synth status")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mounts can be made here: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stages"]["select"]["state"] == "done"


def test_what_a_killed_process_left_half_written_is_gone_after_the_next_run(finished: Path, run_dir: Path) -> None:
    for name in (".recipe.yaml.abc.tmp", "export/.alpaca.json.x1.tmp"):
        (run_dir / name).write_text("half")
    (run_dir / ".base.tmp").mkdir()
    (run_dir / ".base.tmp" / "config.json").write_text("{}")
    run_pipeline(read_recipe(finished / "recipe.yaml"), run_dir)
    assert not list(run_dir.rglob("*.tmp"))
    assert isinstance(read_recipe(finished / "recipe.yaml"), Recipe)
