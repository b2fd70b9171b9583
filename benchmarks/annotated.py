"""Labelled data at 10,000 rows, with its time and memory, and 200 faults planted among them.

    python -m benchmarks.annotated

FLAN's mode, T0's mode and task files of Super-NaturalInstructions, each through the stage into a run folder and an
export, in a process of its own. Bounds: 10 s, 300 MB (the rendering process included), counts equal to the input's, the
same bytes twice. "bare": the same rows through json and jinja alone. Exit code 1 where a bound is broken. The data is
made up here.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synth.errors import SynthError
from synth.records import Record, Rejection
from synth.sources.annotated import AnnotatedSource, annotated
from synth.sources.rendering import Limits
from synth.sources.templates import Template, TemplateFile, read_templates, templates_text

ROWS, MAX_SECONDS, MAX_MB = 10_000, 10.0, 300
FAULTS = 40
"""Faults of each of five kinds."""
TEMPLATES = TemplateFile(
    "notes",
    tuple(
        Template(f"t{n}", f"wording {n}", f"{ask} {{{{text}}}} ||| {{{{answer_choices[label]}}}}", "rude ||| kind", "",
                 {"metrics": ["Accuracy"]})
        for n, ask in enumerate(("Kind or rude?", "How does it sound?", "Name the tone.", "Judge this note:"))
    ),
)  # fmt: skip
OPTIONS = ("rude", "kind")


def row(number: int) -> dict[str, Any]:
    """A labelled row of some length."""
    return {"text": f"Note {number}: " + f"the kettle of house {number % 97} sings again. " * 6, "label": number % 2}


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    """The three ways over ROWS rows, as sections of a recipe."""
    path = jsonl(folder / "rows.jsonl", [row(n) for n in range(ROWS)])
    (folder / "t.yaml").write_text(templates_text(TEMPLATES), "utf-8")
    instances = [{"input": row(n)["text"], "output": [OPTIONS[n % 2], "so so"]} for n in range(ROWS)]
    task = {"Contributors": [], "Definition": ["Name the tone."], "Categories": ["Tone"], "Instances": instances}
    (folder / "task1.json").write_text(json.dumps(task, indent=4), "utf-8")
    return {
        "FLAN": {"path": str(path), "kind": "sentiment", "options": list(OPTIONS)},
        "T0": {"path": str(path), "templates_path": str(folder / "t.yaml")},
        "SuperNI": {"path": str(folder / "task1.json"), "num_positive": 0},
    }


def one_run(name: str, folder: Path, run_dir: Path) -> dict[str, Any]:
    """The stage and the export of one way, in this process."""
    from synth.pipeline import run
    from synth.recipe import build_recipe

    stages: dict[str, Any] = {"respond": None, "select": None, "export": {"formats": ["alpaca_jsonl"]}, "report": None}
    recipe = build_recipe({"seed": 3, "annotate": {"sources": {name: sources(folder)[name]}}, **stages})
    started = time.perf_counter()
    result = run(recipe, run_dir)
    seconds = time.perf_counter() - started
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    stage = result.progress.stages["annotate"]
    return {"seconds": seconds, "mb": peak, "count": stage.kept + sum(stage.rejected.values())}


def bare(name: str, folder: Path) -> float:
    """Seconds for the same rows by json and jinja alone."""
    from jinja2 import Environment

    started = time.perf_counter()
    if name == "SuperNI":
        rows = [one | {"Definition": "x"} for one in json.loads((folder / "task1.json").read_text())["Instances"]]
    else:
        template = Environment().from_string(TEMPLATES.templates[0].jinja)
        lines = (folder / "rows.jsonl").read_text("utf-8").splitlines()
        rows = [{"text": template.render(json.loads(line), answer_choices=OPTIONS)} for line in lines]
    "".join(json.dumps(one) for one in rows)
    return time.perf_counter() - started


def measure(name: str, folder: Path) -> list[str]:
    """Both runs of a way, told; what breaks a bound is returned."""
    told, exports = [], []
    for number in (1, 2):
        run_dir = folder / f"{name}-{number}"
        command = [sys.executable, "-m", "benchmarks.annotated", name, str(folder), str(run_dir)]
        told.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        exports.append((run_dir / "export" / "alpaca.jsonl").read_bytes())
    one, plain = told[0], bare(name, folder)
    ratio = one["seconds"] / plain
    print(
        f"{name:8} {one['seconds']:6.2f} s  {one['mb']:5.0f} MB  {one['count']} counted  {ratio:6.1f} x bare",
        flush=True,
    )
    broken = [f"{name}: {one['seconds']:.1f} s"] if one["seconds"] > MAX_SECONDS else []
    broken += [f"{name}: {one['mb']:.0f} MB"] if one["mb"] > MAX_MB else []
    broken += [f"{name}: {one['count']} of {ROWS} counted"] if one["count"] != ROWS else []
    return broken + ([] if exports[0] == exports[1] else [f"{name}: other bytes the second time"])


def planted(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(kind of fault, how many were planted, how many were told with their place and reason)."""
    faults: dict[str, dict[str, Any]] = {
        "missing_variable": {"label": 1},
        "not_an_option": {"text": "x", "label": 7},
        "empty_target": {"text": "x", "label": 1, "hush": True},
        "template_time": {"text": "x", "label": 1, "loop": True},
    }
    rows = [row(n) for n in range(ROWS)]
    places = {FAULTS * kind + n: name for kind, name in enumerate(faults) for n in range(FAULTS)}
    for place, name in places.items():
        rows[place * 50 + 7] = faults[name]
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    loop = f"{{% if loop is defined %}}{endless}{{% endif %}}"
    jinja = (
        f"{loop}Kind or rude? {{{{text}}}} ||| {{% if hush is not defined %}}{{{{answer_choices[label]}}}}{{% endif %}}"
    )
    (folder / "p.yaml").write_text(
        templates_text(TemplateFile("p", (Template("1", "one", jinja, "rude ||| kind"),))), "utf-8"
    )
    path = jsonl(folder / "planted.jsonl", rows)
    found = list(annotated("p", AnnotatedSource(path=path, templates_path=folder / "p.yaml"), 0, Limits(seconds=0.1)))
    told: Counter[str] = Counter()
    for place, name in places.items():
        one = found[place * 50 + 7]
        told[name] += (
            isinstance(one, Rejection) and one.reason == name and f"{path}:{place * 50 + 8}, template one" in one.detail
        )
    yield from ((name, FAULTS, told[name]) for name in faults)
    good = sum(isinstance(one, Record) for one in found)
    yield "rows without a fault", ROWS - len(places), good
    yield "broken YAML", FAULTS, sum(_told_broken(folder / "broken.yaml", n) for n in range(FAULTS))


def _told_broken(path: Path, number: int) -> bool:
    """Is one of many ways to break a file of templates told with its name and, where YAML knows it, its line?"""
    text = templates_text(TEMPLATES)
    lines = text.split("\n")
    at = 3 + number % 30
    signs = ("[", "{a: ", "\t- x", "!!python/name:os.system x", '"open')
    broken = "\n".join([*lines[:at], f"{lines[at].split(':')[0]}: {signs[number % 5]}", *lines[at + 1 :]])
    path.write_text(broken, "utf-8")
    try:
        read_templates(path)
    except SynthError as error:
        return str(path) in error.message and ("line" in error.message or "template" in error.message)
    return False


def main() -> int:
    if len(sys.argv) == 4:
        print(json.dumps(one_run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
        return 0
    broken = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for way in sources(folder):
            broken += measure(way, folder)
        for kind, wanted, told in planted(folder):
            print(f"{kind:22} {told} of {wanted}", flush=True)
            broken += [f"{kind}: {told} of {wanted}"] if told != wanted else []
    print("\n".join(["BROKEN", *broken]) if broken else "all bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
