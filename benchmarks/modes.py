"""FLAN's comparison on a real pretrained student: rows told in three ways, examined on kinds of task none of them saw.

    python benchmarks/modes.py DIR --model models/gemma3-270m
    python benchmarks/modes.py DIR --model models/gemma3-270m --clusters sentiment --steps 40 --seeds 2

Six kinds of task with labels, made up here. One cluster at a time is held out whole; one student learns the rows of the
others without a template, one with the name of the task, one with instructions, each for as many tokens. All, and the
untrained model, are asked with instructions, and the likeliest label counts. What is trained already is not trained
again, so the same command goes on.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.sources.annotated import AnnotatedSource
from synth.stages.evaluate import EvaluateSettings, ablation, save_result
from synth.stages.evaluate.modes import held_out_cluster
from synth.stages.train import train
from synth.student.presets import TrainSettings

ROWS = 80
"""Rows of each kind."""
NAMES = {
    "she": "Anna Dalia Farah Ines Leila Nuria Olga Petra".split(),
    "he": "Boris Chen Emil Goran Jonas Kwame".split(),
}
PEOPLE = NAMES["she"] + NAMES["he"]
THINGS = "hotel kettle bicycle restaurant film tent concert lamp museum sofa camera bakery".split()
PRAISE = (
    "was worth every cent", "made us smile all day", "is the best I have known", "works like new after years",
    "was a joy from start to end", "could not have been better", "has won all of us over", "we would choose again",
)  # fmt: skip
BLAME = (
    "was a waste of money", "ruined our evening", "broke after a day", "smelled so bad that we left",
    "is the worst I have known", "let us down badly", "I would not wish on anybody", "looked nothing like the picture",
)  # fmt: skip
DEEDS = {
    "painted": "a door", "bought": "a kettle", "sold": "a bicycle", "repaired": "a clock", "borrowed": "a ladder",
    "lost": "an umbrella", "found": "a ring", "cleaned": "a window",
}  # fmt: skip
SAME = {
    "bought": "purchased", "repaired": "fixed", "began": "started", "answered": "replied to", "noticed": "spotted",
    "received": "got", "chose": "picked", "closed": "shut",
}  # fmt: skip
OBJECTS = "the shop,the letter,the radio,the meeting,the parcel,the gate,the ticket,the school".split(",")
TOPICS = {
    "sport": ("scored twice in the second half", "ran the marathon in three hours", "won the match on penalties"),
    "cooking": ("stirs the soup until it thickens", "lets the dough rise overnight", "fries the onions in butter"),
    "music": ("tuned the violin before the concert", "sings the alto part in a choir", "wrote a song for piano"),
    "weather": ("woke to thick fog over the valley", "was caught in a storm of hail", "shovelled snow all day"),
}  # fmt: skip
EVENTS = (
    ("dropped a glass on the stone floor", "it broke into pieces", "it began to sing"),
    ("forgot the umbrella and it rained", "got soaked on the way home", "got sunburnt on the way home"),
    ("left the ice cream in the sun", "it melted", "it froze harder"),
    ("ate nothing all day", "was hungry in the evening", "was too full for supper"),
    ("studied hard for the exam", "passed it with ease", "forgot how to read"),
    ("ran out of petrol", "the car stopped", "the car flew off"),
    ("watered the plants each day", "they grew well", "they turned into stone"),
    ("missed the last train", "had to take a taxi", "arrived before everyone else"),
)
Row = dict[str, Any]


def sentiment(draws: random.Random) -> Row:
    label = draws.randrange(2)
    return {"text": f"The {draws.choice(THINGS)} {draws.choice((BLAME, PRAISE)[label])}.", "label": label}


def topic(draws: random.Random) -> Row:
    name = draws.choice(list(TOPICS))
    return {"text": f"{draws.choice(PEOPLE)} {draws.choice(TOPICS[name])}.", "label": name}


def nli(draws: random.Random) -> Row:
    (who, other), deed = draws.sample(PEOPLE, 2), draws.choice(list(DEEDS))
    day, later = draws.sample(("Monday", "Tuesday", "Friday", "Sunday"), 2)
    label = draws.randrange(3)
    said = (f"On {day} {who} {deed} something", f"{other} was there as well", f"Nobody {deed} anything on {day}")[label]
    return {
        "premise": f"{who} {deed} {DEEDS[deed]} on {day}, not on {later}.",
        "hypothesis": f"{said}.",
        "label": label,
    }


def paraphrase(draws: random.Random) -> Row:
    (who, other), verb, (thing, another) = draws.sample(PEOPLE, 2), draws.choice(list(SAME)), draws.sample(OBJECTS, 2)
    label = draws.randrange(2)
    changed = draws.choice((f"{other} {SAME[verb]} {thing}", f"{who} {SAME[verb]} {another}"))
    said = f"{who} {SAME[verb]} {thing}" if label else changed
    return {"sentence1": f"{who} {verb} {thing}.", "sentence2": f"{said}.", "label": label}


def commonsense(draws: random.Random) -> Row:
    event, likely, odd = draws.choice(EVENTS)
    choices = draws.sample([likely, odd], 2)
    return {"context": f"{draws.choice(PEOPLE)} {event}. What happened then?", "answer": likely, "options": choices}


def coreference(draws: random.Random) -> Row:
    pair = [draws.choice(NAMES["she"]), draws.choice(NAMES["he"])]
    pronoun = draws.choice(list(NAMES))
    one, other = draws.sample(pair, 2)
    text = f"{one} met {other} at the station, and {pronoun} carried the bags home."
    return {"sentence": text, "pronoun": pronoun, "answer": pair[pronoun == "he"], "options": [one, other]}


KINDS: dict[str, tuple[Callable[[random.Random], Row], tuple[str, ...]]] = {
    "sentiment": (sentiment, ("negative", "positive")),
    "topic": (topic, tuple(TOPICS)),
    "nli": (nli, ("yes", "maybe", "no")),
    "paraphrase": (paraphrase, ("no", "yes")),
    "commonsense": (commonsense, ()),
    "coreference": (coreference, ()),
}


def sources(folder: Path) -> dict[str, AnnotatedSource]:
    """The rows of each kind in a file, and how they are told."""
    found = {}
    for kind, (make, options) in KINDS.items():
        draws, rows = random.Random(kind), dict[str, Row]()
        while len(rows) < ROWS:
            row = make(draws)
            rows.setdefault(json.dumps(row | {"options": None}), row)
        path = folder / f"{kind}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows.values()), "utf-8")
        columns = {} if options else {"options": "options"}
        found[kind] = AnnotatedSource(path=path, kind=kind, options=options, columns=columns)
    return found


def main(
    folder: Annotated[Path, typer.Argument(help="Rows, students and results are kept in it.")],
    model: Annotated[Path, typer.Option(help="A pretrained model's folder.")],
    clusters: Annotated[str, typer.Option(help="Clusters to hold out, one after the other.")] = "sentiment,inference",
    steps: Annotated[int, typer.Option(help="Optimizer steps of 512 tokens.")] = 24,
    seeds: Annotated[int, typer.Option(help="Trainings of each arm.")] = 1,
) -> None:
    """Train and examine, cluster by cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    fixed = {"batch_tokens": 512, "max_steps": steps, "max_length": 256, "num_threads": 1, "report_to": ()}
    training = TrainSettings(model=str(model), template="alpaca", **fixed)
    settings = EvaluateSettings(rank=True, seeds=tuple(range(seeds)), num_threads=1)
    for cluster in clusters.split(","):
        arms, items = held_out_cluster(sources(folder), cluster, 0)
        ordered = {"untrained": [], **{name: arms[name] for name in ("name", "none", "instruction")}}
        started = time.monotonic()
        found = ablation(ordered, items, folder / cluster, train, training, settings)
        print(f"{cluster}: {found.num_items} items, {time.monotonic() - started:.0f} s", flush=True)
        for row in found.rows():
            print("  " + "  ".join(row), flush=True)
        save_result(found, folder / f"{cluster}.json")


if __name__ == "__main__":
    typer.run(main)
