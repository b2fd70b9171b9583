"""What became of the tasks so far, and whether this teacher is of any use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from synth.records import Record, Rejection

LOOK_AFTER, TOO_LITTLE = 50, 0.05
"""After this many results, a teacher of whose tasks no more than this share is kept is not asked any further."""
NONSENSE, TOO_MUCH = ("gibberish", "improbable", "mixed_language", "wrong_language", "given_up"), 0.1
"""A teacher that writes this share of nonsense that checks can see writes more that they cannot: it is given up too."""
SURE, MOSTLY = 5, 0.5
"""It is given up before LOOK_AFTER where so many of its first results, and this share, are nonsense."""
REPLIES = 3
"""So many replies must have some nonsense: one that runs wild may hold fifty tasks, and says little of a teacher."""
ADVICE = {
    "prompt_echo": "it repeats its prompt: take a larger model, or set api: completion for a base model",
    "no_tasks_found": "its replies hold no task: set bootstrap.structured to json, or take a larger model",
    "cut_off": "its replies end at the token limit: raise max_tokens under bootstrap.sampling",
    "gibberish": "it writes no language: lower temperature under bootstrap.sampling, or take a larger model",
    "improbable": "it writes what makes no sense: lower temperature under bootstrap.sampling, or take a larger model",
    "mixed_language": "it mixes languages: name one under bootstrap.language, or take a larger model",
    "wrong_language": "it writes in languages that no example is in: name those you want under bootstrap.language",
    "missing_input": "it leaves out what its tasks are about: take a larger model, or kinds that need no input",
    "too_similar": "it repeats itself: give more seeds, or raise temperature under bootstrap.sampling",
}
"""What to change, by the reason that is commonest."""


class Account:
    """Counts of results in the order of their requests."""

    def __init__(self) -> None:
        self.kept = 0
        self.reasons: Counter[str] = Counter()
        self.bad_replies = 0

    def add(self, results: Iterable[Record | Rejection]) -> None:
        """Count the results of one request."""
        before = self._nonsense
        for one in results:
            if isinstance(one, Record):
                self.kept += 1
            elif one.reason != "surplus":
                self.reasons[one.reason] += 1
        self.bad_replies += self._nonsense > before

    @property
    def tried(self) -> int:
        """Results in all."""
        return self.kept + self.reasons.total()

    @property
    def is_hopeless(self) -> bool:
        """Has this teacher given so little that more requests are a waste?"""
        return self.writes_nonsense or (self.tried >= LOOK_AFTER and self.kept <= TOO_LITTLE * self.tried)

    @property
    def writes_nonsense(self) -> bool:
        """Is so much nonsense that nothing it writes should be kept?"""
        limit = TOO_MUCH * self.tried if self.tried >= LOOK_AFTER else max(SURE, MOSTLY * self.tried)
        return self.bad_replies >= REPLIES and self._nonsense >= limit

    @property
    def _nonsense(self) -> int:
        return sum(self.reasons[reason] for reason in NONSENSE)

    def judge(self, results: Iterable[Record | Rejection]) -> list[Record | Rejection]:
        """The results of one request, counted; once the teacher writes too much nonsense, nothing is kept any more."""
        if self.writes_nonsense:
            results = [_given_up(one) if isinstance(one, Record) else one for one in results]
        found = list(results)
        self.add(found)
        return found

    def why_stopped(self, wanted: int) -> tuple[str, str]:
        """Message and hint for a stage that ends with fewer tasks than wanted."""
        common = self.reasons.most_common(3)
        said = ", ".join(f"{reason} {count}" for reason, count in common)
        useless = "this teacher gives too little" + (" that makes sense" if self.writes_nonsense else "")
        what = useless if self.is_hopeless else "the limit on requests was reached"
        message = f"{what}: {self.tried} tasks tried, {self.kept} kept of {wanted} wanted; commonest reasons: {said}"
        ranked = [reason for reason, _ in common]
        if self.is_hopeless and self.writes_nonsense:
            ranked.insert(0, max(NONSENSE, key=self.reasons.__getitem__))
        advice = next((ADVICE[reason] for reason in ranked if reason in ADVICE), "see the reasons by `synth status`")
        more = "" if self.is_hopeless else "; bootstrap.max_requests raises the limit"
        return f"{message}; everything paid for is kept", advice + more


def _given_up(record: Record) -> Rejection:
    return Rejection(record, "bootstrap", "target", "given_up", "the teacher wrote too much nonsense before it")
