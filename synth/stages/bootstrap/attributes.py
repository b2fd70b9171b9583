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
    "bakery", "public library", "marathon club", "hospital ward", "repair shop", "beekeeping", "sailing", "astronomy",
    "school kitchen", "train station", "small farm", "online shop", "museum", "home renovation", "tax forms", "choir",
    "chess club", "chemistry lab", "city traffic", "veterinary practice", "insurance", "call centre", "hiking",
    "open-source software", "weather station", "theatre", "law office", "logistics", "vineyard", "football league",
    "language learning", "pharmacy", "print shop", "genealogy", "fish market", "data privacy", "gardening",
    "fire brigade", "film festival", "university seminar", "energy at home", "personal finance", "pottery", "airport",
    "newspaper", "board games", "cycling", "nursing home", "machine maintenance", "recycling yard", "archaeology",
    "photography", "ski school", "elections", "podcasts", "radio", "dance", "kindergarten", "knitting", "quiz night",
    "hotel", "restaurant", "gym", "car rental", "brewery", "orchard", "flower shop", "toys", "swimming pool", "camping",
    "cheese dairy", "coffee roastery", "bookshop", "tea", "aquarium", "bus company", "dentist", "food bank",
    "wind farm", "forestry", "riding stable", "bank branch", "charity shop", "zoo", "blood donation", "escape room",
    "furniture", "tailor", "ferry", "seed bank", "street market", "space flight", "opera", "bird watching", "housing",
    "wedding planning", "computer games", "neighbourhood council", "plumbing", "first aid", "job hunting", "geology",
    "science fiction", "school exams", "city history", "model railways", "travel abroad", "network security",
)  # fmt: skip
DIFFICULTIES = ("easy", "medium", "hard")
FORMS = ("order", "question", "scenario first", "fixed answer format")
LENGTHS = ("short", "", "long")
"""Empty: as it comes."""
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
        row["language"] = draw_language(settings, rng) or ""
        drawn.append({name: value for name, value in row.items() if value})
    return drawn


def draw_language(settings: BootstrapSettings, rng: random.Random) -> str | None:
    """One of the languages wanted, as a code; None where any will do."""
    return None if settings.language == "any" else rng.choice(settings.language)


def language_name(code: str | None) -> str | None:
    """The English name of a language, or its code where that is not in the list."""
    return None if code is None else LANGUAGE_NAMES.get(code, code)


def describe(attributes: dict[str, str]) -> str:
    """The attributes as one line of the prompt. Their names are left out: a line is paid for with every task."""
    shown = attributes | {"category": attributes["category"].replace("_", " ")}
    if "language" in attributes:
        shown["language"] = f"in {LANGUAGE_NAMES.get(attributes['language'], attributes['language'])}"
    return "; ".join(shown.values())
