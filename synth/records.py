"""What flows through the pipeline: seed tasks in, records along the way, rejections at the side.

Plain frozen dataclasses with their JSON forms. No logic of any stage lives here, and nothing of ours is imported.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Origin = Literal["seed", "bootstrap", "evolve", "import"]


def canonical_json(value: Any) -> str:
    """The one JSON spelling of `value`: sorted keys, no spaces, ASCII escapes; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(*parts: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Instance:
    """One input of a task with the answer to it. An empty input means that the instruction stands alone."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class SeedTask:
    """A task written by a person, in the schema of Self-Instruct (arXiv 2212.10560) with three keys of our own.

    `category`, `language` (ISO 639-1) and `check` (see `synth.verify`) are None where a file does not give them.
    """

    id: str
    name: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool
    category: str | None = None
    language: str | None = None
    check: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of one line of a seed file; keys that are None are left out."""
        row: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "instruction": self.instruction,
            "instances": [{"input": i.input, "output": i.output} for i in self.instances],
            "is_classification": self.is_classification,
        }
        extra = {"category": self.category, "language": self.language, "check": self.check}
        return row | {key: value for key, value in extra.items() if value is not None}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> SeedTask:
        """The task of one checked JSON object (`synth.stages.seeds` does the checking)."""
        instances = tuple(Instance(i["input"], i["output"]) for i in row["instances"])
        known = {key: row.get(key) for key in ("category", "language", "check")}
        return cls(row["id"], row["name"], row["instruction"], instances, row["is_classification"], **known)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a record comes from: enough to walk back to the seeds and to the raw answers that made it.

    `parents`: ids of the records (or seed tasks) it was made from or shown with. `operator`: the evolution operator or
    bootstrap method. `generation`: 0 before evolution. `prompt`: name@version of the prompt template.
    `completion_keys`: request keys in the run's ledger, oldest first.
    """

    origin: Origin
    parents: tuple[str, ...] = ()
    operator: str | None = None
    generation: int = 0
    model: str | None = None
    prompt: str | None = None
    completion_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One task on its way: `output` is empty until it is answered.

    `messages` is set for multi-turn data only (OpenAI chat form); `meta` holds small JSON values such as `category`,
    `language`, `is_classification`, scores and notes of checks.
    """

    instruction: str
    input: str = ""
    output: str = ""
    lineage: Lineage = field(default_factory=lambda: Lineage("import"))
    messages: tuple[dict[str, str], ...] | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """16 hex digits of the hash of the task's content (instruction, input, earlier turns); answering keeps it."""
        earlier = list(self.messages[:-1]) if self.messages else None
        return digest(self.instruction, self.input, earlier)[:16]

    def answered(self, output: str, completion_key: str | None = None) -> Record:
        """The same task with an answer, the request that gave it added to the lineage."""
        keys = self.lineage.completion_keys + ((completion_key,) if completion_key else ())
        return replace(self, output=output, lineage=replace(self.lineage, completion_keys=keys))

    def to_dict(self) -> dict[str, Any]:
        """A JSON object that `from_dict` reads back equal."""
        lineage = {name: getattr(self.lineage, name) for name in Lineage.__slots__}
        lineage["parents"] = list(self.lineage.parents)
        lineage["completion_keys"] = list(self.lineage.completion_keys)
        row: dict[str, Any] = {"id": self.id, "instruction": self.instruction, "input": self.input}
        row |= {"output": self.output, "lineage": lineage, "meta": self.meta}
        return row | ({"messages": list(self.messages)} if self.messages else {})

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Record:
        """The inverse of `to_dict`."""
        line = dict(row["lineage"])
        line["parents"] = tuple(line["parents"])
        line["completion_keys"] = tuple(line["completion_keys"])
        messages = tuple(row["messages"]) if row.get("messages") else None
        return cls(row["instruction"], row["input"], row["output"], Lineage(**line), messages, row["meta"])


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that was thrown away, by which stage and check, and why. `reason` is a short code: `too_short`."""

    record: Record
    stage: str
    check: str
    reason: str
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON object that `from_dict` reads back equal."""
        return {
            "record": self.record.to_dict(),
            "stage": self.stage,
            "check": self.check,
            "reason": self.reason,
            "detail": self.detail,
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Rejection:
        """The inverse of `to_dict`."""
        return cls(Record.from_dict(row["record"]), row["stage"], row["check"], row["reason"], row["detail"])
