"""Answers by batches against answers one by one: equal records, nothing sent twice, through crashes and faults.

The served embedded teacher answers and grades tasks; 3 % of the rows fail, rows come out of order and twice, one batch
expires. The run by batches is killed twice (once between making a batch and noting it, once with rows half read) and
gone on with. The same recipe is run with single requests, without kills, over a fresh server at the same address.

    python benchmarks/batch.py                    5,000 requests: about 3 minutes
    python benchmarks/batch.py --memory           peak memory by the size of a file, 1,000 to 20,000 requests
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from served import ServedTeacher  # noqa: E402

from synth.embedded.draws import Draw  # noqa: E402
from synth.embedded.generate import Wish, draw_task  # noqa: E402
from synth.engine.ledger import LedgerReader  # noqa: E402

FAULTS = ("--faults", "server_error=0.03")
BATCH_FAULTS = ("--batch-faults", "shuffled,twice=0.02,expired=2")
RECIPE = """name: answers
input: tasks.jsonl
respond: {{}}
select: {{grade: {{}}}}
report: null
export: {{formats: [messages]}}
teacher:
  {{backend: openai, model: embedded, base_url: "{url}", structured: json_schema, api: {api}, batch: {batch}}}
"""


def write_tasks(folder: Path, count: int) -> None:
    """The same tasks every time."""
    made = [draw_task(Draw("batch", number), Wish()) for number in range(count)]
    rows = [json.dumps({"instruction": task.instruction, "input": task.input, "output": ""}) for task in made]
    (folder / "tasks.jsonl").write_text("\n".join(rows) + "\n", "utf-8")


def run(folder: Path, url: str, api: str, crash_at: str = "", kill: Any = None, **batch: Any) -> dict[str, Any]:
    """One process of `synth run` to its end: exit code, seconds, CPU and peak memory."""
    recipe = folder / f"{api}.yaml"
    recipe.write_text(RECIPE.format(url=url, api=api, batch=json.dumps(batch)), "utf-8")
    command = [sys.executable, "-m", "synth", "run", str(recipe), "--run", str(folder / api), "--json"]
    env = os.environ | {"OPENAI_API_KEY": "none", "PYTHONPATH": str(ROOT)} | {"SYNTH_CRASH_AT": crash_at}
    started = time.monotonic()
    with (folder / "out").open("wb") as out, (folder / "err").open("ab") as err:
        child = subprocess.Popen(command, env=env, stdout=out, stderr=err)
        if kill is not None:
            threading.Thread(target=kill, args=(child.pid,), daemon=True).start()
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return {"code": child.returncode, "s": time.monotonic() - started, "cpu_s": cpu, "mb": usage.ru_maxrss / 1024}


def two_crashes(folder: Path, requests: int, file_size: int) -> dict[str, Any]:
    """Run by batches with two kills, and one by one without: the results of both, and what the servers counted."""
    write_tasks(folder, requests // 2)
    size = {"max_requests": file_size, "linger_s": 1.0, "max_poll_s": 0.2}
    with ServedTeacher(*FAULTS, *BATCH_FAULTS) as teacher:
        port, url = int(teacher.url.rpartition(":")[2].partition("/")[0]), teacher.url

        def kill(pid: int) -> None:
            with suppress(OSError):  # it ended before that: its exit code says so
                while teacher.stats()["admitted"] < 0.7 * requests:
                    time.sleep(0.02)
                os.kill(pid, signal.SIGKILL)

        ways = [run(folder, url, "batch", crash_at="batch_made:2", **size)]
        ways += [run(folder, url, "batch", kill=kill, **size), run(folder, url, "batch", **size)]
        stats = teacher.stats()
    with ServedTeacher(*FAULTS, port=port) as teacher:
        plain = run(folder, teacher.url, "chat")
        plain_stats = teacher.stats()
    said = (folder / "err").read_text("utf-8")
    assert ways[-1]["code"] == plain["code"] == 0, said[-2000:]
    return {
        "codes": [way["code"] for way in ways],
        "found_again": said.count("found again"),
        "batches": said.count("is sent:") + said.count("found again"),
        "expired": said.count("is expired"),
        "equal": _made(folder / "batch") == _made(folder / "chat"),
        "records": len(_made(folder / "batch")) - 1,
        "distinct": stats["distinct"],
        "admitted": stats["admitted"],
        "sent_twice": stats["answered_again"],
        "plain_admitted": plain_stats["admitted"],
        "batch": ways,
        "chat": plain,
    }


def _made(run_dir: Path) -> list[str]:
    """The exported file, and each record that was kept, in order."""
    reader = LedgerReader(run_dir)
    try:
        rows = [json.dumps(record.to_dict()) for record in reader.records("select")]
    finally:
        reader.close()
    return [(run_dir / "export" / "messages.jsonl").read_text("utf-8"), *rows]


def memory(sizes: tuple[int, ...] = (1_000, 5_000, 20_000)) -> None:
    """Peak memory of a run whose requests all wait in one file."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as name, ServedTeacher() as teacher:
            folder = Path(name)
            write_tasks(folder, size)
            seen = run(folder, teacher.url, "batch", max_requests=size, linger_s=2.0, max_poll_s=1.0)
            print(f"{size:>7,} requests in a file: {seen['mb']:,.0f} MB, {seen['cpu_s']:.1f} s CPU, {seen['s']:.1f} s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--file-size", type=int, default=1000)
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    if args.memory:
        memory()
        return
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(two_crashes(Path(name), args.requests, args.file_size), indent=1))


if __name__ == "__main__":
    main()
