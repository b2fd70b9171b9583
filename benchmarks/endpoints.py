"""Two servers of unequal speed (1:3) behind one model, and one of them dying in mid-run. Prints and checks bounds.

Every figure is of `synth run` as a user types it, with `concurrency: auto`, over fault servers in processes of their
own that keep 16 requests at work and let others wait. Their latency is simulated, so one core suffices. The rate is
that of the middle three fifths of the answers: start and end of a run are short beside a real one.

    python benchmarks/endpoints.py         about 3 minutes
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "engine")]

from runs import FaultServer, finish, kill_when, made, start  # noqa: E402

from synth.engine.ledger import LedgerReader  # noqa: E402

PLACES, SLOW_S, FAST_S = 16, 2.4, 0.8
LEAST = 0.95
RECIPE = """name: answers
input: {input}
respond: {{}}
select: null
report: null
export: {{formats: [messages]}}
teacher: {{backend: openai, model: m, base_urls: {urls}}}
"""


def server(stack: ExitStack, latency: float, port: str = "0") -> FaultServer:
    """A server that answers PLACES requests at a time."""
    flags = ("--latency", str(latency), "--spread", "0.2", "--capacity", str(PLACES), "--queue", "--port", port)
    return stack.enter_context(FaultServer(*flags))


def answer(folder: Path, items: int, servers: list[FaultServer], kill_at: int = 0) -> Path:
    """The folder of a run over `items` tasks; the last server is killed after `kill_at` requests, if that is given."""
    folder.mkdir()
    text = "Explain point {} of the plan to a new colleague, in two or three plain sentences."
    rows = [json.dumps({"instruction": text.format(n), "input": "", "output": ""}) for n in range(items)]
    (folder / "tasks.jsonl").write_text("\n".join(rows), "utf-8")
    urls = json.dumps([one.url for one in servers])
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(input=folder / "tasks.jsonl", urls=urls), "utf-8")
    child = start(recipe, folder / "run")
    if kill_at:
        assert kill_when(child, servers[-1], kill_at, number=0)
        servers[-1].process.kill()
    code, said = finish(child)
    assert code == 0, said
    return folder / "run"


def rate(run_dir: Path) -> float:
    """Answers a second in the middle three fifths of a run."""
    times = [at for (at,) in LedgerReader(run_dir).query("SELECT answered_at FROM requests ORDER BY 1")]
    first, last = len(times) // 5, 4 * len(times) // 5
    return float((last - first) / (times[last] - times[first]))


def unequal(folder: Path) -> tuple[float, Path]:
    """Each server alone, then both: the share of the sum of their rates that is reached, and the folder of both."""
    rates = []
    with ExitStack() as stack:
        slow, fast = server(stack, SLOW_S), server(stack, FAST_S)
        for name, items, servers in (("slow", 200, [slow]), ("fast", 500, [fast]), ("both", 700, [slow, fast])):
            rates.append(rate(run_dir := answer(folder / name, items, servers)))
            print(f"{name}: {rates[-1]:.1f} answers/s")
    return rates[2] / (rates[0] + rates[1]), run_dir


def dying(folder: Path) -> tuple[int, int, bool]:
    """The fast server dies: rows answered, rows that the other answered again, and whether a calm run is equal."""
    with ExitStack() as stack:
        slow, fast = server(stack, SLOW_S / 4), server(stack, FAST_S / 4)
        port = slow.root.rpartition(":")[2]
        run_dir = answer(folder / "dying", 500, [slow, fast], kill_at=150)
        totals = {row["server"]: row["answered"] for row in LedgerReader(run_dir).server_totals()}
        again = slow.stats()["answered"] - totals[slow.url]
    with ExitStack() as stack:
        calm = answer(folder / "calm", 500, [server(stack, SLOW_S / 4, port), server(stack, FAST_S / 4)])
        same = made(run_dir)["respond"] == made(calm)["respond"]
    print("by server:", ", ".join(f"{count}" for count in totals.values()))
    return sum(totals.values()), again, same


def main() -> None:
    """Measure, print and check."""
    with tempfile.TemporaryDirectory() as name:
        share, run_dir = unequal(Path(name))
        print("by server:", [row["answered"] for row in LedgerReader(run_dir).server_totals()])
        print(f"share of the sum of the rates: {share:.3f} (at least {LEAST})")
        rows, again, same = dying(Path(name))
        print(f"one dies: {rows} of 500 answered once, {again} answered again, the same bytes: {same}")
    if share < LEAST or (rows, again, same) != (500, 0, True):
        sys.exit("a bound is missed")


if __name__ == "__main__":
    main()
