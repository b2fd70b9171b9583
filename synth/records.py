"""What flows through the pipeline: seed tasks in, records along the way, rejections at the side.

Plain frozen dataclasses with their JSON forms. No logic of any stage lives here, and nothing of ours is imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
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

    @property
    def is_reference(self) -> bool:
        """Was it made by the embedded teacher? Such records are a reference bench and no instruction data."""
        return (self.model or "").split(":")[0].startswith("embedded")


AS_GOOD, WORSE = 0.5, 0.0
"""Grades of a further answer that neither wins nor loses against the record's own, and of one that loses."""


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """A further answer to a record: its text and, where known, the model that gave it.

    `grade`: its share of wins against the record's own answer, 0 to 1, a tie counted half: from AS_GOOD on it makes no
    pair.
    """

    output: str
    model: str | None = None
    grade: float | None = None


Message = dict[str, str]
"""One turn in the chat form of OpenAI: `role` (system, user or assistant) and `content`."""


@dataclass(frozen=True, slots=True)
class Record:
    """One task: its last exchange is `instruction`, `input` and `output` (empty until it is answered).

    What came before is `system` (one text) and `history` (pairs of user and assistant text). `others`: further answers
    to the same task. `meta` holds small JSON values such as `category`, `language`, scores and notes of checks.
    """

    instruction: str
    input: str = ""
    output: str = ""
    system: str = ""
    history: tuple[tuple[str, str], ...] = ()
    others: tuple[OtherAnswer, ...] = ()
    lineage: Lineage = field(default_factory=lambda: Lineage("import"))
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """16 hex digits of the hash of all that is asked (no answer to it): answering keeps the id."""
        earlier = [self.system, self.history] if self.system or self.history else None
        return digest(self.instruction, self.input, earlier)[:16]

    @property
    def question(self) -> str:
        """The last turn of the user: the instruction, with the input below it."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction

    def earlier(self) -> list[Message]:
        """The messages before the last question: the system text and the history."""
        turns = [{"role": "system", "content": self.system}] if self.system else []
        for user, assistant in self.history:
            turns += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        return turns

    def messages(self) -> list[Message]:
        """The whole conversation; it ends with the user's question where there is no answer yet."""
        answer = [{"role": "assistant", "content": self.output}] if self.output else []
        return [*self.earlier(), {"role": "user", "content": self.question}, *answer]

    def exchanges(self) -> list[Record]:
        """Each question with its answer as a record of its own; the last one keeps its input and the system text."""
        before = [Record(user, "", assistant) for user, assistant in self.history]
        return [*before, replace(self, history=())] if before else [self]

    def task(self) -> str:
        """The instruction with the turns before it, a line feed between them: what instances of one task share."""
        return "\n".join([*(message["content"] for message in self.earlier()), self.instruction])

    def asked(self) -> str:
        """All texts that stand before the answer: the task and its input. Checks compare records by it."""
        return f"{self.task()}\n{self.input}" if self.input else self.task()

    @property
    def talk(self) -> str:
        """The messages before the last question as one text for a prompt; "" where there are none."""
        return "\n\n".join(f"{m['role'].capitalize()}: {m['content']}" for m in self.earlier())

    def worse(self) -> list[OtherAnswer]:
        """The answers that make a pair with its own: of another text, not empty, and not known to be as good."""
        texts = ("", self.output.strip())
        return [one for one in self.others if one.output.strip() not in texts and not (one.grade or 0) >= AS_GOOD]

    def as_good(self) -> list[str]:
        """The texts of the answers known to be as good as its own, but other than it."""
        known = [one.output for one in self.others if (one.grade or 0) >= AS_GOOD]
        return [text for text in known if text.strip() not in ("", self.output.strip())]

    def with_texts(self, change: Callable[[str], str]) -> Record:
        """The record with `change` applied to every text that a reader of the data sees."""
        return replace(
            self,
            instruction=change(self.instruction),
            input=change(self.input),
            output=change(self.output),
            system=change(self.system),
            history=tuple((change(user), change(assistant)) for user, assistant in self.history),
            others=tuple(replace(other, output=change(other.output)) for other in self.others),
        )

    def answered(self, output: str, completion_key: str | None = None) -> Record:
        """The same task with an answer, the request that gave it added to the lineage."""
        keys = self.lineage.completion_keys + ((completion_key,) if completion_key else ())
        return replace(self, output=output, lineage=replace(self.lineage, completion_keys=keys))

    def to_dict(self) -> dict[str, Any]:
        """A JSON object that `from_dict` reads back equal; a system text, history and others only where there are."""
        lineage = {name: getattr(self.lineage, name) for name in Lineage.__slots__}
        lineage["parents"] = list(self.lineage.parents)
        lineage["completion_keys"] = list(self.lineage.completion_keys)
        row: dict[str, Any] = {"id": self.id, "instruction": self.instruction, "input": self.input}
        row |= {"output": self.output, "lineage": lineage, "meta": self.meta}
        row |= {"system": self.system} if self.system else {}
        row |= {"history": [list(pair) for pair in self.history]} if self.history else {}
        return row | ({"others": [asdict(other) for other in self.others]} if self.others else {})

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Record:
        """The inverse of `to_dict`; reads the rows of version 0.1, which held a list of `messages`, as well.

        Raises KeyError, TypeError or ValueError for what `to_dict` does not write.
        """
        line = dict(row["lineage"])
        line["parents"] = tuple(line["parents"])
        line["completion_keys"] = tuple(line["completion_keys"])
        system, history = row.get("system", ""), [(user, answer) for user, answer in row.get("history", ())]
        if row.get("messages"):
            system, history = split_messages(row["messages"][:-2])
        others = tuple(OtherAnswer(**other) for other in row.get("others", ()))
        texts = (row["instruction"], row["input"], row["output"], system)
        return cls(*texts, tuple(history), others, Lineage(**line), row["meta"])


def split_messages(messages: Sequence[Message]) -> tuple[str, list[tuple[str, str]]]:
    """(system text, history) of the messages before a question. Raises ValueError where they are in another order.

    Several system texts at the start are joined by an empty line.
    """
    talk = list(messages)
    system = []
    while talk and talk[0]["role"] == "system":
        system.append(talk.pop(0)["content"])
    if [message["role"] for message in talk] != ["user", "assistant"] * (len(talk) // 2):
        raise ValueError("the messages must go [system,] user, assistant, user, assistant; reorder them")
    texts = [message["content"] for message in talk]
    return "\n\n".join(system), list(zip(texts[::2], texts[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that was rejected, by which stage and check, and why. `reason` is a short code: `too_short`."""

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


def record_of(result: Record | Rejection) -> Record:
    """The record of a stage's result, kept or not."""
    return result.record if isinstance(result, Rejection) else result
