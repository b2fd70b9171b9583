"""What a set of seed tasks is made of: counts, lengths, and how near its instructions come to each other.

Numbers and the tables of a data card; whether they are good is for the reader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from synth.errors import UsageError
from synth.metrics import count_words, mean, rouge_l_tokens, tokens
from synth.records import SeedTask

LONG_OUTPUT_WORDS = 120
LONG_INPUT_WORDS = 100


def stats(tasks: Sequence[SeedTask], against: Sequence[SeedTask] = ()) -> dict[str, Any]:
    """The measures of a seed set as JSON values; lengths in words, ROUGE-L in 0..1 over pairs of instructions.

    `against`: another set, whose nearest instructions are looked for too.
    """
    inputs = [instance.input for task in tasks for instance in task.instances]
    outputs = [instance.output for task in tasks for instance in task.instances]
    filled = [text for text in inputs if text.strip()]
    lengths = {"instruction": [task.instruction for task in tasks], "input": filled, "output": outputs}
    result: dict[str, Any] = {
        "tasks": len(tasks),
        "classification": sum(task.is_classification for task in tasks),
        "empty_input": sum(not any(one.input.strip() for one in task.instances) for task in tasks),
        "with_check": sum(task.check is not None for task in tasks),
        "checks": _counts(task.check["kind"] if task.check else None for task in tasks),
        "categories": _counts(task.category for task in tasks),
        "languages": _counts(task.language for task in tasks),
        "words": {name: _lengths(texts) for name, texts in lengths.items()},
        f"outputs_over_{LONG_OUTPUT_WORDS}_words": sum(count_words(text) > LONG_OUTPUT_WORDS for text in outputs),
        f"inputs_over_{LONG_INPUT_WORDS}_words": sum(count_words(text) > LONG_INPUT_WORDS for text in filled),
        "rouge_l_within": nearest(tasks, tasks),
    }
    return result | ({"rouge_l_against": nearest(tasks, against)} if against else {})


def _counts(values: Any) -> dict[str, int]:
    """How often each value occurs, the most frequent first, then by name; None is left out."""
    counts = Counter(value for value in values if value is not None)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _lengths(texts: Sequence[str]) -> dict[str, float]:
    words = [count_words(text) for text in texts]
    if not words:
        return {"count": 0, "mean": 0.0, "median": 0.0, "min": 0, "max": 0}
    rounded = {"mean": round(mean(words), 1), "median": float(median(words))}
    return {"count": len(words), **rounded, "min": min(words), "max": max(words)}


def nearest(tasks: Sequence[SeedTask], others: Sequence[SeedTask]) -> dict[str, Any]:
    """The highest ROUGE-L of an instruction of `tasks` with another one of `others`, its pair of ids, and the mean over
    the nearest neighbours. A task is not compared with itself."""
    mine = [tokens(task.instruction) for task in tasks]
    theirs = mine if others is tasks else [tokens(task.instruction) for task in others]
    best: list[tuple[float, int]] = []
    for row, words in enumerate(mine):
        scores = [
            (rouge_l_tokens(words, other), column)
            for column, other in enumerate(theirs)
            if others is not tasks or column != row
        ]
        best.append(max(scores, default=(0.0, -1), key=lambda pair: pair[0]))
    if not best or best[0][1] < 0:
        return {"highest": 0.0, "pair": [], "mean_nearest": 0.0}
    top = max(range(len(best)), key=lambda row: best[row][0])
    pair = [tasks[top].id, others[best[top][1]].id]
    return {"highest": round(best[top][0], 4), "pair": pair, "mean_nearest": round(mean([b for b, _ in best]), 4)}


def table_rows(measures: dict[str, Any]) -> list[tuple[str, str]]:
    """The measures that are one number each, as pairs of a name and a value."""
    rows = [(name.replace("_", " "), str(value)) for name, value in measures.items() if isinstance(value, int)]
    for name in ("rouge_l_within", "rouge_l_against"):
        if name in measures and measures[name]["pair"]:
            found = measures[name]
            rows.append((f"highest ROUGE-L {name[8:]}", f"{found['highest']:.3f} ({' and '.join(found['pair'])})"))
            rows.append((f"mean nearest ROUGE-L {name[8:]}", f"{found['mean_nearest']:.3f}"))
    return rows


def card_block(measures: dict[str, Any]) -> str:
    """The measures as Markdown tables: overview, words, categories, languages, checks."""
    words = [
        (name, str(row["count"]), f"{row['mean']:.1f}", f"{row['median']:g}", str(row["min"]), str(row["max"]))
        for name, row in measures["words"].items()
    ]
    counted = [
        _markdown((title, "tasks"), [(name, str(number)) for name, number in measures[key].items()])
        for title, key in (("category", "categories"), ("language", "languages"), ("kind of check", "checks"))
    ]
    overview = _markdown(("measure", "value"), table_rows(measures))
    lengths = _markdown(("words in", "texts", "mean", "median", "least", "most"), words)
    return "\n".join([overview, lengths, *counted])


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def put_in_card(card: str, name: str, block: str) -> str:
    """The card with `block` between its markers `<!-- stats: NAME -->` and `<!-- end -->`; UsageError without them."""
    pattern = re.compile(rf"(<!-- stats: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(card):
        hint = f"Put the two lines `<!-- stats: {name} -->` and `<!-- end -->` where the tables should stand."
        raise UsageError(f"the card has no place for the tables of {name}", hint)
    return pattern.sub(lambda match: match[1] + "\n" + block + "\n" + match[2], card)
