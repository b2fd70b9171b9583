"""The attributes the method `diverse` draws for each task, so that variety is asked for rather than hoped for."""

from __future__ import annotations

import random
from collections.abc import Sequence

from synth.stages.bootstrap.settings import BootstrapSettings

CATEGORIES = (
    "brainstorm", "classify", "closed question about a passage", "open question", "extract to JSON", "summarise",
    "rewrite for an audience", "correct grammar", "translate", "write code", "explain code", "find the bug",
    "SQL over a given table", "arithmetic word problem", "units and dates", "sort, rank or compare",
    "transform a table", "plan", "letter or e-mail", "fiction or verse", "role play", "logic puzzle",
    "give feedback", "spot the false premise",
)  # fmt: skip
DOMAINS = (
    "a bakery", "a public library", "a marathon club", "a hospital ward", "a repair shop", "beekeeping", "sailing",
    "a school kitchen", "a train station", "a small farm", "an online shop", "a museum", "home renovation", "astronomy",
    "tax forms", "a choir", "a chess club", "a chemistry lab", "city traffic", "a veterinary practice", "insurance",
    "a call centre", "hiking", "open-source software", "a weather station", "a theatre", "a law office", "logistics",
    "a vineyard", "a football league", "language learning", "a pharmacy", "a print shop", "genealogy", "a fish market",
    "data privacy", "gardening", "a fire brigade", "a film festival", "a university seminar", "energy at home",
    "personal finance", "pottery", "an airport", "a newspaper", "board games", "cycling", "a nursing home",
    "machine maintenance", "a recycling yard", "archaeology", "photography", "a ski school", "elections", "podcasts",
)  # fmt: skip
DIFFICULTIES = ("easy", "medium", "hard")
FORMS = ("an order", "a question", "a scenario first, then the request", "a request with a fixed answer format")
LENGTHS = ("short", "medium", "long")
LANGUAGE_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "pl": "Polish", "ru": "Russian", "uk": "Ukrainian", "tr": "Turkish", "ar": "Arabic", "hi": "Hindi",
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "vi": "Vietnamese",
}  # fmt: skip


def draw_attributes(
    settings: BootstrapSettings, categories: Sequence[str], rng: random.Random, count: int
) -> list[dict[str, str]]:
    """`count` sets of attributes; within one request neither a category nor a domain repeats while others are left.

    A language is an ISO 639-1 code here. The domain is left out where the user gives a topic.
    """
    kinds = rng.sample(list(categories), min(count, len(categories)))
    domains = rng.sample(DOMAINS, min(count, len(DOMAINS)))
    drawn = []
    for number in range(count):
        row = {"category": kinds[number % len(kinds)]}
        row |= {} if settings.topic else {"domain": domains[number % len(domains)]}
        row |= {"difficulty": rng.choice(DIFFICULTIES), "form": rng.choice(FORMS), "length": rng.choice(LENGTHS)}
        code = draw_language(settings, rng)
        drawn.append(row | ({"language": code} if code else {}))
    return drawn


def draw_language(settings: BootstrapSettings, rng: random.Random) -> str | None:
    """One of the languages wanted, as a code; None where any will do."""
    return None if settings.language == "any" else rng.choice(settings.language)


def language_name(code: str | None) -> str | None:
    """The English name of a language, or its code where that is not in the list."""
    return None if code is None else LANGUAGE_NAMES.get(code, code)


def describe(attributes: dict[str, str]) -> str:
    """The attributes as one line of the prompt."""
    shown = attributes | {"category": attributes["category"].replace("_", " ")}
    if "language" in attributes:
        shown["language"] = LANGUAGE_NAMES.get(attributes["language"], attributes["language"])
    return "; ".join(f"{name}: {value}" for name, value in shown.items())
