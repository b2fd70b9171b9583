"""Which tasks a prompt shows: those in the language wanted, short ones first; small models imitate long ones badly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from synth.stages.bootstrap.pool import Example
from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.bootstrap.worked import WORKED
from synth.verify.language import detect_language

MAX_WORDS = 45
"""Tasks of more words (instruction and input) are not shown where enough shorter ones are left."""
ENOUGH = 8


def showable(tasks: Sequence[Example], settings: BootstrapSettings) -> list[Example]:
    """The tasks that prompts may show, in their order.

    Where no language is named, those in the commonest language of the tasks are shown: a prompt in several languages
    makes a small model mix them within a task.
    """
    named = Counter(one.language for one in tasks if one.language)
    wanted = set(settings.named_languages or (named and [named.most_common(1)[0][0]]))
    return [one for one in tasks if one.language is None or one.language in wanted] or list(tasks)


def plain_tasks(seeds: Sequence[Example], settings: BootstrapSettings) -> list[Example]:
    """The plain tasks of our own, where they may be shown: they and the seeds are in English, and wanted so."""
    wants_english = set(settings.named_languages) <= {"en"} and settings.examples_from == "plain"
    return list(WORKED) if wants_english and all(map(_is_english, seeds)) else []


def languages(shown: Sequence[Example], settings: BootstrapSettings) -> list[str]:
    """The languages that new tasks may be in: those named, else those of the tasks shown."""
    return settings.named_languages or sorted(set(filter(None, map(_language, shown))))


def _language(task: Example) -> str | None:
    return task.language or detect_language(task.instruction)


def _is_english(task: Example) -> bool:
    return (_language(task) or "en") == "en"


def short(tasks: Sequence[Example]) -> list[Example]:
    """The tasks of at most MAX_WORDS words, or the shortest where those are few."""
    found = [one for one in tasks if one.num_words <= MAX_WORDS]
    return found if len(found) >= ENOUGH else sorted(tasks, key=lambda one: one.num_words)[:ENOUGH]


def mixed(*groups: Sequence[Example]) -> list[Example]:
    """The tasks of all `groups`, each spread evenly over the list and in its own order.

    A small model that is shown one group after the other answers as the last one does.
    """
    placed = [((at + 0.5) / len(group), one) for group in groups for at, one in enumerate(group)]
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]
