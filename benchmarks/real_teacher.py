"""What a real model gives as a teacher: each method, evolution and the judges, counted, and a sheet to read by hand.

    python benchmarks/real_teacher.py run DIR --model NAME_OR_FOLDER [--base-url URL] [--tasks 150] [--only diverse ...]
    python benchmarks/real_teacher.py sheet DIR --rows 40 [--published REPLIES.json] --out sheet.csv
    python benchmarks/real_teacher.py score sheet.csv [OTHER_READER.csv]

`run` has the model served by vLLM (`--executable .venv-vllm`), or uses a server that runs, and works in one folder for
each method: typed again it goes on where it stopped. `--evolve FILE` evolves the first `--evolve-rows` rows of a file.
`--prompt FILE` asks a published prompt for comparison, as a plain completion: the file's text, then three seeds in the
published numbering; `--published` reads replies that were made so before. `sheet` draws rows of all sources at random
and shuffles them; which row is whose stands in a file of its own, for `score`, so that the reader is blind.

How to read a row (column `task`: s, b or n):
  s  strictly usable: it asks for something in words a person might use, and is no line of a prompt, label or
     placeholder; what it works on is there; instruction and input belong together, in one language; text can do it
  b  borderline: a careful editor would keep it after one small change
  n  not usable
Column `answer` (y, n or empty): does the output answer it, whole, without talk about the task?
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from synth.diversity import count_verb_nouns
from synth.engine.ledger import LedgerReader
from synth.parsing import clean_input
from synth.records import Record, Rejection

METHODS = ("diverse", "alpaca", "self_instruct")
COLUMNS = ("row", "instruction", "input", "output", "task", "answer", "note")
PUBLISHED = "published_prompt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("dir", type=Path)
    run.add_argument("--model", required=True)
    run.add_argument("--base-url")
    run.add_argument("--executable", default="vllm")
    run.add_argument("--tasks", type=int, default=150)
    run.add_argument("--only", nargs="*", default=[*METHODS, "evolve"])
    run.add_argument("--seeds", type=Path)
    run.add_argument("--evolve", type=Path)
    run.add_argument("--evolve-rows", type=int, default=100)
    run.add_argument("--prompt", type=Path)
    sheet = commands.add_parser("sheet")
    sheet.add_argument("dir", type=Path)
    sheet.add_argument("--rows", type=int, default=40)
    sheet.add_argument("--published", type=Path)
    sheet.add_argument("--only", nargs="*", default=list(METHODS))
    sheet.add_argument("--out", type=Path, required=True)
    sheet.add_argument("--seed", type=int, default=0)
    score = commands.add_parser("score")
    score.add_argument("sheets", type=Path, nargs="+")
    args = parser.parse_args()
    {"run": run_all, "sheet": make_sheet, "score": score_sheets}[args.command](args)


# --- runs ------------------------------------------------------------------------------------------------------------


def run_all(args: argparse.Namespace) -> None:
    """Run what is wanted, one folder each, and print the table."""
    args.dir.mkdir(parents=True, exist_ok=True)
    for name in [one for one in args.only if one != "evolve" or args.evolve]:
        path = args.dir / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe(name, args)), "utf-8")
        subprocess.run([sys.executable, "-m", "synth", "run", path, "--run", args.dir / name], check=False)
    if args.prompt:
        ask_published(args)
    for name in (*METHODS, "evolve"):
        if (args.dir / name / "ledger.sqlite").exists():
            print(f"\n{name}: {json.dumps(figures(args.dir / name, name), ensure_ascii=False, indent=1)}")


def recipe(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """A recipe with the defaults of one method, or of evolution."""
    teacher: dict[str, Any] = {"backend": "vllm", "model": args.model}
    teacher |= {"base_url": args.base_url} if args.base_url else {"executable": args.executable}
    common = {"name": name.replace("_", "-"), "teacher": teacher, "export": None, "report": None}
    if name == "evolve":
        rows = args.evolve.read_text("utf-8")
        given = args.dir / "evolve_input.json"
        given.write_text(json.dumps(json.loads(rows)[: args.evolve_rows], ensure_ascii=False), "utf-8")
        return common | {"input": str(given.resolve()), "evolve": {"rounds": 1}, "respond": None, "select": None}
    seeds = {"seeds": {"path": str(args.seeds.resolve())}} if args.seeds else {}
    return common | seeds | {"bootstrap": {"num_tasks": args.tasks, "method": name}, "respond": {}, "select": {}}


def ask_published(args: argparse.Namespace) -> None:
    """Eight completions of a published prompt with three seeds each, kept in `published_prompt.json`."""
    from synth.models import connect
    from synth.models.base import ChatRequest, Sampling
    from synth.shipped import SEED_FILE

    seeds = [json.loads(line) for line in (args.seeds or SEED_FILE).read_text("utf-8").splitlines()]
    rng, text = random.Random(0), args.prompt.read_text("utf-8").rstrip()
    requests = []
    for _ in range(8):
        shown = enumerate(rng.sample(seeds, 3), 1)
        parts = [published_form(number, task) for number, task in shown]
        prompt = f"{text}\n{''.join(parts)}###\n4. Instruction:"
        message = ({"role": "user", "content": prompt},)
        requests.append(ChatRequest(message, Sampling(temperature=1.0, max_tokens=1024), kind="completion"))
    options = {"model": args.model} | (
        {"base_url": args.base_url} if args.base_url else {"executable": args.executable}
    )

    async def ask() -> list[str]:
        model = connect("vllm", options)
        try:
            return [(await model.complete(request)).text for request in requests]
        finally:
            await model.close()

    (args.dir / f"{PUBLISHED}.json").write_text(json.dumps(asyncio.run(ask()), ensure_ascii=False), "utf-8")


def published_form(number: int, task: dict[str, Any]) -> str:
    """A seed in Alpaca's published numbering."""
    first = task["instances"][0]
    given = first["input"] or "<noinput>"
    head = f"###\n{number}. Instruction: {task['instruction']}\n"
    return f"{head}{number}. Input:\n{given}\n{number}. Output:\n{first['output']}\n"


def figures(folder: Path, name: str) -> dict[str, Any]:
    """Requests, tokens, tasks and rejections of one run folder."""
    stage = "evolve" if name == "evolve" else "bootstrap"
    with closing(LedgerReader(folder)) as ledger:
        results = list(ledger.results(stage))
        tokens = "SELECT prompt_tokens, completion_tokens FROM requests WHERE stage = ? AND state = 'answered'"
        requests = ledger.query(tokens, stage)
    kept = [one for one in results if isinstance(one, Record) and one.lineage.origin != "import"]
    rejected = [one for one in results if isinstance(one, Rejection)]
    accepted = kept if name == "evolve" else final_rows(folder)
    spent = {kind: sum(row[n] or 0 for row in requests) for n, kind in enumerate(("prompt", "completion"))}
    pairs = count_verb_nouns([one.instruction for one in accepted])
    return {
        "requests": len(requests),
        "tasks_parsed": len(kept) + len(rejected),
        "kept_by_the_stage": len(kept),
        "accepted_in_the_end": len(accepted),
        "prompt_tokens": spent["prompt"],
        "reply_tokens": spent["completion"],
        "accepted_per_1000_prompt_tokens": round(1000 * len(accepted) / max(1, spent["prompt"]), 2),
        "accepted_per_1000_reply_tokens": round(1000 * len(accepted) / max(1, spent["completion"]), 2),
        "echoes_rejected": sum(one.reason == "prompt_echo" for one in rejected),
        "rejected": dict(Counter(f"{one.check}: {one.reason}" for one in rejected).most_common()),
        "verb_noun_pairs": len(pairs.pairs),
        "verbs": len(pairs.verbs),
    }


def final_rows(folder: Path) -> list[Record]:
    """What the last stage of a run kept."""
    with closing(LedgerReader(folder)) as ledger:
        return [one for one in ledger.results("select") if isinstance(one, Record)]


# --- sheets ----------------------------------------------------------------------------------------------------------


def make_sheet(args: argparse.Namespace) -> None:
    """Draw rows from all sources, shuffle them, and write the sheet and, beside it, whose they are."""
    rng = random.Random(args.seed)
    drawn: list[tuple[str, Record]] = []
    for name in args.only:
        rows = children(args.dir / name) if name == "evolve" else final_rows(args.dir / name)
        drawn += [(name, row) for row in rng.sample(rows, min(args.rows, len(rows)))]
    if args.published:
        rows = [row for reply in json.loads(args.published.read_text("utf-8")) for row in published_rows(reply)]
        drawn += [(PUBLISHED, row) for row in rng.sample(rows, min(args.rows, len(rows)))]
    rng.shuffle(drawn)
    with args.out.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for number, (_, row) in enumerate(drawn, 1):
            writer.writerow([number, row.instruction, row.input, row.output, "", "", ""])
    key_of(args.out).write_text(json.dumps([name for name, _ in drawn]), "utf-8")
    print(f"{len(drawn)} rows in {args.out}: {dict(Counter(name for name, _ in drawn))}")


def children(folder: Path) -> list[Record]:
    """The evolved tasks that a run kept."""
    with closing(LedgerReader(folder)) as ledger:
        return [one for one in ledger.results("evolve") if isinstance(one, Record) and one.lineage.origin == "evolve"]


def published_rows(reply: str) -> Iterator[Record]:
    """The tasks of a reply that goes on after "4. Instruction:", cut as Alpaca's script does: at ### and its heads."""
    for number, chunk in enumerate(re.split(r"###", f"4. Instruction:{reply}"), 4):
        parts = re.split(rf"{number}\.\s+(?:Instruction|Input|Output):", chunk)
        if len(parts) < 4:
            parts = re.split(r"\d+\.\s+(?:Instruction|Input|Output):", chunk)
        if len(parts) == 4:
            yield Record(parts[1].strip(), clean_input(parts[2].strip().replace("<noinput>", "")), parts[3].strip())


def key_of(sheet: Path) -> Path:
    """Where it stands whose the rows of a sheet are."""
    return sheet.with_suffix(".key.json")


def score_sheets(args: argparse.Namespace) -> None:
    """Print the shares of each source for each reader, and how often two readers agree."""
    names = json.loads(key_of(args.sheets[0]).read_text("utf-8"))
    readers = [read_verdicts(path) for path in args.sheets]
    for path, verdicts in zip(args.sheets, readers, strict=True):
        print(f"\n{path}")
        for name in dict.fromkeys(names):
            own = [verdict for verdict, source in zip(verdicts, names, strict=True) if source == name and verdict[0]]
            strict, border = (sum(task in kinds for task, _ in own) for kinds in ("s", "sb"))
            answered = [answer for task, answer in own if answer]
            right = f", answers {answered.count('y')} of {len(answered)}" if answered else ""
            print(
                f"{name}: read {len(own)}, strictly {strict} ({strict / max(1, len(own)):.0%}),"
                f" with borderline {border} ({border / max(1, len(own)):.0%}){right}"
            )
    if len(readers) == 2:
        both = [(one[0], other[0]) for one, other in zip(*readers, strict=True) if one[0] and other[0]]
        same = sum(one == other for one, other in both)
        print(
            f"\nthe readers agree on {same} of {len(both)}, on usable or not on"
            f" {sum((one == 'n') == (other == 'n') for one, other in both)}"
        )


def read_verdicts(path: Path) -> list[tuple[str, str]]:
    """The filled columns of a sheet; ends with the line that cannot be read."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["task"] not in ("s", "b", "n", "") or row["answer"] not in ("y", "n", ""):
            sys.exit(
                f"{path}, row {row['row']}: task is s, b or n, answer y or n; found {row['task']!r}, {row['answer']!r}"
            )
    return [(row["task"], row["answer"]) for row in rows]


if __name__ == "__main__":
    main()
