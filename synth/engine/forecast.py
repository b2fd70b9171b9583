"""What a stage will ask, told from its settings before anything is sent, by rough sizes of our prompts in English."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

PROMPT_TOKENS = {"make": 700, "rewrite": 350, "judge": 320, "answer": 80, "rate": 200, "talk": 600}
ANSWER_TOKENS = {"task": 70, "solved task": 150, "rewrite": 100, "judge": 30, "answer": 250, "rate": 30, "turn": 30}
"""Rough sizes in tokens of four characters."""
SURVIVAL = 0.85
"""Share of what is made of a record that passes one judgement."""
ROUGH_LATENCY_S = 3.0


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of one stage in one role and for one purpose; `latency_s` is the mean time of an answer."""

    stage: str
    purpose: str
    role: str
    requests: float
    prompt_tokens: float
    completion_tokens: float
    latency_s: float = ROUGH_LATENCY_S
    error: float = 0.0

    def times(self, factor: float, error: float | None = None) -> Load:
        """So many times as much, by `error` (a share) more or less."""
        return replace(
            self,
            requests=self.requests * factor,
            prompt_tokens=self.prompt_tokens * factor,
            completion_tokens=self.completion_tokens * factor,
            error=self.error if error is None else error,
        )

    def plus(self, other: Load) -> Load:
        """Both together, under the name of this one."""
        return replace(
            self,
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )

    def at(self, case: str) -> Load:
        """The "low", "likely" or "high" case."""
        return self.times({"low": 1 / (1 + self.error), "likely": 1.0, "high": 1 + self.error}[case])


@dataclass(slots=True)
class Flow:
    """The records that reach a stage: how many, how many different tasks, and how many have no answer.

    A stage adds what it will ask by `ask` and changes the numbers to what leaves it.
    """

    stage: str = ""
    records: float = 0.0
    tasks: float = 0.0
    unanswered: float = 0.0
    loads: list[Load] = field(default_factory=list)

    def add(self, records: float, unanswered: float = 0.0, tasks: float | None = None) -> None:
        """More records come, of as many tasks if nothing else is said."""
        self.records += records
        self.unanswered += unanswered
        self.tasks += records if tasks is None else tasks

    def ask(self, purpose: str, requests: float, prompt: str, answer: float, role: str = "teacher") -> None:
        """Requests of the stage; `prompt` is a kind of PROMPT_TOKENS, `answer` in tokens."""
        if requests:
            sizes = requests * PROMPT_TOKENS[prompt], requests * answer
            self.loads.append(Load(self.stage, purpose, role, requests, *sizes))
