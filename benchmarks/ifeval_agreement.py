"""Do our IFEval verifiers say what lm-evaluation-harness says? The share of equal verdicts, by kind, strict and loose.

    pip install "lm-eval[ifeval]"    (an environment of its own will do: then run this with its Python and PYTHONPATH=.)

The texts are answers of seed tasks (or of a file of Alpaca rows) changed in ways that make each constraint sometimes
hold and sometimes not; everything is drawn from one seed. The three kinds that ask for a language are tried on prose of
20 words or more: on less, and on code or tables, the harness's detector guesses. The harness splits sentences with
NLTK's English Punkt data: where they are not on this machine, Punkt is trained on the texts themselves, which the
output says.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from synth.verify.ifeval import CONSTRAINTS, follows

SEED_TASKS = Path(__file__).resolve().parents[1] / "seed_tasks"
RELATIONS = ("at least", "less than")
NEED_LANGUAGE = ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
PROSE_WORDS = 20
GOAL = 0.995


def answers(path: Path | None) -> list[str]:
    """The outputs of an Alpaca file, else those of the seed and evaluation tasks."""
    if path is not None:
        return [row["output"] for row in json.loads(path.read_text("utf-8")) if row["output"].strip()]
    lines = [line for file in sorted(SEED_TASKS.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    rows = [instance for line in lines for instance in json.loads(line)["instances"]]
    texts = [row[part] for row in rows for part in ("output", "input")]
    return [text for text in texts if text.strip()]


def is_prose(text: str) -> bool:
    """Enough words, nearly all of them of letters."""
    words = [word.strip(".,;:!?()\"'*-#«»“”") for word in text.split()]
    return len(words) >= PROSE_WORDS and sum(word.isalpha() for word in words) >= 0.9 * len(words)


CHANGES: list[Callable[[str, random.Random], str]] = [
    lambda text, rng: text,
    lambda text, rng: text.upper(),
    lambda text, rng: text.lower(),
    lambda text, rng: f'"{text}"',
    lambda text, rng: f"<<{text[:20]}>>\n{text}",
    lambda text, rng: f"{text}\n\nP.S. {text[:30]}",
    lambda text, rng: text.replace(". ", " \n***\n", rng.randint(1, 3)),
    lambda text, rng: text.replace(". ", ".\n\n"),
    lambda text, rng: f"{text}******{text[::-1]}",
    lambda text, rng: "\n".join(rng.choice(("* ", "- ")) + part for part in text.split(". ")),
    lambda text, rng: f"```json\n{json.dumps(text)}\n```",
    lambda text, rng: " ".join(_marked(word, rng) for word in text.split(" ")),
    lambda text, rng: text.replace(",", ""),
    lambda text, rng: f"My answer is {rng.choice(('yes', 'no', 'maybe', 'yes, but'))}. {text[:40]}",
    lambda text, rng: "\n".join(f"{rng.choice(('Section', 'Day'))} {n}\n{p}" for n, p in _numbered(text)),
    lambda text, rng: f"Sure, here it is:\n{text}\nI hope this helps!",
    lambda text, rng: f"Dr. {text[:60]} at 5 p.m. {text[60:]} etc. J. R. Hall, e.g. in the U.S. {text[:40]}... it is.",
    lambda text, rng: "\n".join(f"{number}. {part}." for number, part in _numbered(text)),
]  # fmt: skip


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.split(". "), 1)


def _marked(word: str, rng: random.Random) -> str:
    return rng.choices((word, f"*{word}*", f"**{word}**", f"[{word}]", word.upper()), (80, 5, 5, 5, 10))[0]


def arguments(kind: str, text: str, rng: random.Random) -> dict[str, Any]:
    """Arguments for a constraint that stand near the edge between held and broken on `text`."""
    words = [bare for word in text.split() if (bare := word.strip(".,!?()\"*:;'[]")).isalnum()] or ["a"]
    numbers = {
        "num_sentences": text.count(". ") + 1,
        "num_words": len(text.split()),
        "num_paragraphs": len([part for part in text.split("\n\n") if part.strip()]),
        "num_bullets": sum(line.startswith(("* ", "- ")) for line in text.split("\n")),
        "let_frequency": 8,
    }
    drawn: dict[str, Callable[[str], Any]] = {
        "number": lambda key: max(1, numbers.get(key, 2) + rng.randint(-2, 2)),
        "relation": lambda key: rng.choice(RELATIONS),
        "text": lambda key: _phrase(key, text, words, rng),
        "letter": lambda key: rng.choice("aeqzt"),
        "words": lambda key: [rng.choice([*words[:9], "banana"]) for _ in range(2)],
        "language": lambda key: rng.choice(("en", "en", "de", "fr", "es")),
    }
    given = {key: drawn[what](key) for key, what in CONSTRAINTS[kind][1].items()}
    if "nth_paragraph" in given:
        given |= {"num_paragraphs": numbers["num_paragraphs"], "nth_paragraph": 1}
    return given


def _phrase(key: str, text: str, words: list[str], rng: random.Random) -> str:
    some = {
        "keyword": rng.choice(words),
        "first_word": rng.choice([words[0].lower(), words[0].lower(), words[-1].lower()]),
        "postscript_marker": rng.choice(("P.S.", "P.P.S")),
        "section_spliter": rng.choice(("Section", "Day", "Step")),
        "prompt_to_repeat": text[: rng.randint(5, 30)].strip() if rng.random() < 0.6 else "Write a",
        "end_phrase": text[-rng.randint(3, 20) :].strip() if rng.random() < 0.7 else "this helps!",
    }
    return some[key] or "none"


def cases(kind: str, texts: list[str], number: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """`number` pairs of an answer and arguments for one kind of constraint."""
    rng = random.Random(f"{seed} {kind}")
    if kind in NEED_LANGUAGE:
        texts = [text for text in texts if is_prose(text)]
    for _ in range(number):
        text = rng.choice(CHANGES)(rng.choice(texts), rng)
        while kind in NEED_LANGUAGE and not is_prose(text):
            text = rng.choice(CHANGES)(rng.choice(texts), rng)
        yield text, arguments(kind, text, rng)


def load_harness(texts: list[str]) -> tuple[Any, str]:
    """The harness's module of IFEval, and which data its sentence splitter works with."""
    import nltk

    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
        told = f"Punkt data found in {nltk.data.find('tokenizers/punkt_tab/english/')}"
    except LookupError:
        from nltk.tokenize.punkt import PunktTrainer, save_punkt_params

        root = Path(tempfile.mkdtemp())
        nltk.data.path.insert(0, str(root))  # NLTK writes nowhere else
        place = root / "tokenizers" / "punkt_tab" / "english"
        place.parent.mkdir(parents=True)
        save_punkt_params(PunktTrainer("\n".join(texts)).get_params(), str(place))
        told = "NLTK's Punkt data are not on this machine: Punkt was trained on these texts instead"
    import langdetect
    from lm_eval.tasks.ifeval import utils

    langdetect.DetectorFactory.seed = 0
    return utils, told


def harness_verdicts(utils: Any, kind: str, text: str, given: dict[str, Any]) -> tuple[bool, bool]:
    """(strict, loose), as the harness gives them."""
    example = utils.InputExample(0, [kind], str(given.get("prompt_to_repeat", "")), [given])
    strict = utils.test_instruction_following_strict(example, text)
    return strict.follow_all_instructions, utils.test_instruction_following_loose(example, text).follow_all_instructions


def compare(utils: Any, texts: list[str], number: int, seed: int, show: int) -> tuple[int, int]:
    """Print a line for each kind; returns (equal verdicts, all verdicts)."""
    equal = total = 0
    print(f"{'kind':48} {'verdicts':>8} {'held':>6} {'strict':>7} {'loose':>7}")
    for kind in CONSTRAINTS:
        same: Counter[int] = Counter()
        held = count = 0
        for text, given in cases(kind, texts, number, seed):
            theirs = harness_verdicts(utils, kind, text, given)
            ours = tuple(follows(text, {"type": kind, **given}, loose=loose) for loose in (False, True))
            count, held = count + 1, held + theirs[0]
            for place in (0, 1):
                same[place] += ours[place] == theirs[place]
            if ours != theirs and show > 0:
                show -= 1
                print("   ", given, "harness", theirs, "ours", ours, repr(text[:600]), file=sys.stderr)
        equal, total = equal + same.total(), total + 2 * count
        print(f"{kind:48} {2 * count:8} {held / count:6.2f} {same[0] / count:7.2%} {same[1] / count:7.2%}")
    return equal, total


def main() -> int:
    """Exit code 1 below the goal, 0 else; 0 and one line where the harness is not installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, help="an Alpaca file to take answers from")
    parser.add_argument("--number", type=int, default=400, help="answers for each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="print so many disagreements")
    options = parser.parse_args()
    texts = answers(options.texts)
    logging.disable(logging.WARNING)
    try:
        utils, told = load_harness(texts)
    except ImportError as error:
        print(f'skipped: {error}; pip install "lm-eval[ifeval]"')
        return 0
    print(told)
    equal, total = compare(utils, texts, options.number, options.seed, options.show)
    print(f"{equal} of {total} verdicts are equal: {equal / total:.2%} (goal {GOAL:.1%})")
    return int(equal / total < GOAL)


if __name__ == "__main__":
    sys.exit(main())
