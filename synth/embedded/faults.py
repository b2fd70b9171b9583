"""A bench of known faults: which reply is spoiled in which way, decided by hashing, written down out of band.

`Faults("gpt3-2022")` spoils the answers of the embedded teacher as real teachers and servers do. The choice is a pure
function of the seed, the request and, for what a plain retry would heal, the number of the attempt. The label of every
fault goes to a side file and never into a reply, so that precision and recall of parsing and checks can be measured.
The faults themselves are made in `defects` (texts) and `wire` (bytes and sockets); FAULTS below is the list.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal, TextIO

from synth.embedded import defects, wire
from synth.embedded.defects import GRADE, Context, Item, around, edit, put, renumber
from synth.embedded.recognise import Prompt, recognise, wants_answers
from synth.errors import SynthError, UsageError
from synth.models.base import ChatModel, ChatRequest, Completion, FinishReason
from synth.records import digest

Stage = Literal["transport", "envelope", "list", "proposal", "input", "output", "evolution", "judging"]
Expect = Literal["retried", "recovered", "rejected", "judged", "stopped"]
EnvelopeFault = Callable[[Completion, Random], Completion]

PROPOSE = frozenset({"list", "tasks", "full_tasks"})
SECTIONS = frozenset({"tasks", "full_tasks", "instances", "labels"})
JSON = frozenset({"tasks", "full_tasks"})
OUTPUTS = frozenset({"full_tasks", "instances", "answer"})
VERDICTS = frozenset({"classify", "equal", "pair"})
SCORES = frozenset({"grade", "difficulty"})
ALL = PROPOSE | SECTIONS | OUTPUTS | VERDICTS | SCORES | {"evolve"}


@dataclass(frozen=True, slots=True)
class Fault:
    """`kinds`: the prompts it applies to (see `prompt_kind`). `expect`: what a good pipeline makes of it.

    retried: asked again, then good · recovered: read as if it were clean · rejected: thrown away with a reason ·
    judged: plausible, only a judge or a verifier can tell · stopped: the run ends. Exactly one function is set.
    """

    stage: Stage
    expect: Expect
    kinds: frozenset[str] = ALL
    wire: wire.WireFault | None = None
    envelope: EnvelopeFault | None = None
    reply: defects.ReplyDefect | None = None
    item: defects.ItemDefect | None = None

    @property
    def group(self) -> str:
        """Where it strikes: at most one fault of a group strikes in one place. `once`: a plain retry draws anew."""
        if self.wire or self.envelope:
            return ("wire" if self.wire else "envelope") + (" once" if self.expect == "retried" else "")
        if self.reply:
            return "reply"
        return self.stage if self.stage in ("input", "output") else "instruction"


_KINDS = {"rewrite": "evolve", "invent": "evolve", "compare": "equal", "rate": "difficulty", "prefer": "pair"}


def prompt_kind(messages: Sequence[dict[str, str]]) -> str:
    """Which of our prompts a chat is, in the words of FAULTS; `answer` for any other text."""
    return _kind(recognise(messages))


def _kind(prompt: Prompt) -> str:
    if prompt.kind == "tasks" and wants_answers(prompt):
        return "full_tasks"
    kind = _KINDS.get(prompt.kind, prompt.kind)
    return kind if kind in ALL else "answer"


def request_digest(model: str, request: ChatRequest) -> str:
    """The identity of a request to `model`, in label files and in the server's counts."""
    return digest(model, request.to_dict())


def _text(shape: str, *, finish: FinishReason | None = None, reasoning: str = "") -> EnvelopeFault:
    """Another text (`{}` is the good one), another end, or thoughts in their own field."""

    def fault(answer: Completion, rng: Random) -> Completion:
        reason = finish or answer.finish_reason
        return replace(answer, text=shape.format(answer.text), finish_reason=reason, reasoning=reasoning)

    return fault


def _cut(answer: Completion, rng: Random) -> Completion:
    """Stopped by max_tokens in the last third."""
    least = max(1, len(answer.text) * 2 // 3)
    most = max(least, len(answer.text) - 2)
    return replace(answer, text=answer.text[: rng.randint(least, most)], finish_reason="length")


def parse_faults(profile: str) -> dict[str, float]:
    """Rates by name, from profiles and single faults: `""`, `"light"`, `"light,hang=0.1"`, `"html=1"`.

    Raises UsageError for an unknown name (with the nearest) or a rate outside 0 to 1.
    """
    rates: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in profile.split(","))):
        name, equals, value = part.partition("=")
        known = list(FAULTS) if equals else list(PROFILES)
        if name not in known:
            close = difflib.get_close_matches(name, [*FAULTS, *PROFILES], n=1)
            raise UsageError(
                f"no fault {part!r}", f"did you mean {close[0]!r}?" if close else f"one of {', '.join(known)}"
            )
        rates |= {name: _rate(value)} if equals else PROFILES[name]
    return rates


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise UsageError(f"{text!r} is not a rate", "give a number from 0 to 1")
    return rate


class Faults:
    """The faults of a profile, ready to spoil answers. `counts` says how often each was used.

    `label_path`: a JSON Lines file; one line a fault with the request's digest, attempt, choice, item (or null), fault,
    stage and kind of prompt.
    """

    def __init__(self, profile: str = "", seed: int = 0, label_path: Path | None = None) -> None:
        self.rates = parse_faults(profile)
        self.counts: Counter[str] = Counter()
        self._groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
        self._seed = seed
        self._labels: TextIO | None = label_path.open("a", encoding="utf-8") if label_path and self.rates else None

    def close(self) -> None:
        if self._labels:
            self._labels.close()

    def wire_fault(self, request: ChatRequest, identity: str, attempt: int) -> tuple[wire.WireFault, Random] | None:
        """The fault that the transport of this attempt suffers, with its randomness."""
        kind = prompt_kind(request.messages) if self.rates else ""
        name, rng = self._struck("wire", kind, identity, attempt)
        function = FAULTS[name].wire if name else None
        return (function, rng) if function else None

    def spoil(self, answer: Completion, request: ChatRequest, identity: str, attempt: int) -> Completion:
        if not self.rates:
            return answer
        prompt = recognise(request.messages)
        kind = _kind(prompt)
        texts = [
            self._spoil_reply(self._spoil_items(text, prompt, kind, identity, choice), prompt, kind, identity, choice)
            for choice, text in enumerate(answer.choices or (answer.text,))
        ]
        answer = replace(answer, text=texts[0], choices=tuple(texts) if answer.choices else ())
        name, rng = self._struck("envelope", kind, identity, attempt)
        function = FAULTS[name].envelope if name else None
        spoiled = function(answer, rng) if function else answer
        return replace(spoiled, choices=(spoiled.text, *answer.choices[1:]) if answer.choices else ())

    def _struck(self, group: str, kind: str, identity: str, attempt: int) -> tuple[str, Random]:
        """The fault of a group that strikes a request, or this attempt of it, and its randomness; "" if there is none."""
        for own, parts in ((group, (identity,)), (f"{group} once", (identity, attempt))):
            name = self._pick(own, kind, *parts)
            if name:
                self._note(name, kind, identity, attempt)
                return name, self._rng(name, *parts)
        return "", self._rng()

    def _spoil_reply(self, text: str, prompt: Prompt, kind: str, identity: str, choice: int) -> str:
        name = self._pick("reply", kind, identity, choice)
        function = FAULTS[name].reply if name else None
        spoiled = function(text, Context(self._rng(name, identity, choice), prompt)) if function else None
        if name and spoiled is not None:
            self._note(name, kind, identity, 0, choice)
        return text if spoiled is None else spoiled

    def _spoil_items(self, text: str, prompt: Prompt, kind: str, identity: str, choice: int) -> str:
        """At most one fault for each item's instruction and one for the rest: a wrong input has a wrong output."""
        if not any(self._group(group, kind) for group in ("instruction", "input", "output")):
            return text
        items = defects.read_items(text, kind)
        spoiled = [self._spoil_item(tuple(items), at, prompt, kind, identity, choice) for at in range(len(items))]
        return defects.write_items(spoiled, text, kind) if spoiled != items else text

    def _spoil_item(
        self, items: tuple[Item, ...], at: int, prompt: Prompt, kind: str, identity: str, choice: int
    ) -> Item:
        item = items[at]
        for groups in (("instruction",), ("input", "output")):
            for group in groups:
                name = self._pick(group, kind, identity, choice, at)
                function = FAULTS[name].item if name else None
                context = Context(self._rng(name, identity, choice, at), prompt, items, at)
                spoiled = function(item, context) if function else None
                if name and spoiled is not None:
                    item = spoiled
                    self._note(name, kind, identity, 0, choice, at)
                    break
        return item

    def _group(self, group: str, kind: str) -> list[tuple[str, float]]:
        """The faults of one group with their rates; at most one of a group is used in one place."""
        found = self._groups.get((group, kind))
        if found is None:
            named = ((name, FAULTS[name], rate) for name, rate in self.rates.items())
            found = [(name, rate) for name, fault, rate in named if fault.group == group and kind in fault.kinds]
            self._groups[group, kind] = found
        return found

    def _pick(self, group: str, kind: str, *parts: Any) -> str | None:
        faults = self._group(group, kind)
        point = int(digest(self._seed, group, *parts)[:13], 16) / 16**13 if faults else 1.0
        for name, rate in faults:
            point -= rate
            if point < 0:
                return name
        return None

    def _rng(self, *parts: Any) -> Random:
        return Random(int(digest("fault", self._seed, *parts)[:16], 16))

    def _note(
        self, name: str, kind: str, identity: str, attempt: int, choice: int = 0, item: int | None = None
    ) -> None:
        self.counts[name] += 1
        if self._labels:
            row = {"digest": identity, "attempt": attempt, "choice": choice, "item": item, "fault": name}
            self._labels.write(json.dumps(row | {"stage": FAULTS[name].stage, "prompt": kind}) + "\n")
            self._labels.flush()


class FaultyModel:
    """A ChatModel that spoils another's texts and envelopes without a socket: what a client would have read comes back."""

    def __init__(self, model: ChatModel, faults: Faults) -> None:
        self.name, self.endpoint = model.name, model.endpoint
        self._model, self._faults = model, faults
        self._attempts: Counter[str] = Counter()

    async def complete(self, request: ChatRequest) -> Completion:
        from synth.models.openai_replies import Asked, read_reply

        identity = request_digest(self.name, request)
        attempt = self._attempts[identity]
        self._attempts[identity] += 1
        answer = self._faults.spoil(await self._model.complete(request), request, identity, attempt)
        body = json.dumps(wire.chat_body(answer, request, self.name, identity)).encode()
        outcome = read_reply(body, request, Asked("embedded", "embedded", "OPENAI_API_KEY"))
        if isinstance(outcome, SynthError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Close the model; the label file stays open for its owner."""
        await self._model.close()


LISTS, EVOLVE = frozenset({"list"}), frozenset({"evolve"})
ANSWERED = frozenset({"full_tasks", "instances"})
TALKING = PROPOSE | SECTIONS | EVOLVE
HEADED = SECTIONS | EVOLVE
THOUGHTS = "First I look at what is asked."
# fmt: off
FAULTS: dict[str, Fault] = {
    **{name: Fault("transport", "retried", wire=fault) for name, fault in wire.RETRIED.items()},
    **{name: Fault("transport", "recovered", wire=fault) for name, fault in wire.RECOVERED.items()},
    **{name: Fault("transport", "rejected", wire=fault) for name, fault in wire.REJECTED.items()},
    **{name: Fault("transport", "stopped", wire=fault) for name, fault in wire.STOPPED.items()},
    "empty": Fault("envelope", "retried", envelope=_text("")),
    "blank": Fault("envelope", "retried", envelope=_text(" \n\n ")),
    "none_word": Fault("envelope", "rejected", envelope=_text("None")),
    "cut": Fault("envelope", "recovered", envelope=_cut),
    "content_filter": Fault("envelope", "rejected", envelope=_text("", finish="content_filter")),
    "think_block": Fault("envelope", "recovered", envelope=_text(f"<think>\n{THOUGHTS}\n1. Read.\n</think>\n\n{{}}")),
    "open_thoughts": Fault("envelope", "retried", envelope=_text(f"<think>\n{THOUGHTS}")),
    "reasoning_field": Fault("envelope", "recovered", envelope=_text("{}", reasoning=THOUGHTS)),
    "numbering_words": Fault("list", "recovered", PROPOSE, reply=renumber("Task {}:")),
    "numbering_paren": Fault("list", "recovered", PROPOSE, reply=renumber("{})")),
    "numbering_bold": Fault("list", "recovered", PROPOSE, reply=renumber("**{}.**")),
    "restarts_at_one": Fault("list", "recovered", LISTS, reply=renumber("{}.", start=1, only_lists=True)),
    "bullets": Fault("list", "recovered", LISTS, reply=renumber("-", only_lists=True)),
    "merged_line": Fault("list", "recovered", LISTS, reply=edit(r"\n+(?=\d+\. )", " ", count=1)),
    "headings_bold": Fault("list", "recovered", HEADED, reply=edit(r"^### (\w+)[ \t]*$", r"**\1:**")),
    "headings_plain": Fault("list", "recovered", HEADED, reply=edit(r"^### (\w+)[ \t]*$", lambda found: found[1].upper() + ":")),
    "heading_inline": Fault("list", "recovered", HEADED, reply=edit(r"^### (\w+)\n(?=\S)", r"### \1: ")),
    "item_heads_lost": Fault("list", "recovered", SECTIONS, reply=edit(r"^## (?:Task|Example) \d+.*\n", "")),
    "preamble": Fault("list", "recovered", TALKING, reply=lambda text, context:
        "Sure! Here is what you asked for:\n\n" + defects.from_its_number(text, context)),
    "postamble": Fault("list", "recovered", TALKING, reply=lambda text, context:
        text + "\n\nLet me know if you would like to have more of these!"),
    "code_fence": Fault("list", "recovered", TALKING, reply=lambda text, context:
        f"```markdown\n{defects.from_its_number(text, context)}\n```"),
    "single_quotes": Fault("list", "recovered", JSON, reply=defects.single_quotes),
    "trailing_comma": Fault("list", "recovered", JSON, reply=defects.trailing_comma),
    "copy_example": Fault("proposal", "rejected", PROPOSE, item=defects.copy_example),
    "near_copy": Fault("proposal", "rejected", PROPOSE, item=defects.near_copy),
    "repeat_in_batch": Fault("proposal", "rejected", PROPOSE, item=defects.repeat_in_batch),
    "too_short": Fault("proposal", "rejected", PROPOSE, item=put("instruction", "Sort it.", "Go on.", "Translate.")),
    "too_long": Fault("proposal", "rejected", PROPOSE, item=defects.too_long),
    "starts_with_mark": Fault("proposal", "rejected", PROPOSE, item=around("instruction", ", ")),
    "starts_non_ascii": Fault("proposal", "rejected", PROPOSE, item=around("instruction", "→ ")),
    "write_program": Fault("proposal", "rejected", frozenset({"list", "full_tasks"}), item=around(
        "instruction", "Write a program that does the following. ")),
    "asks_image": Fault("proposal", "rejected", PROPOSE, item=put("instruction", *(
        f"Look at the {what} and describe what it shows in three sentences."
        for what in ("image", "attached file", "graph", "video")))),
    "asks_link": Fault("proposal", "rejected", PROPOSE, item=put(
        "instruction", "Read https://news.example/today and list its three main points.")),
    "other_language": Fault("proposal", "rejected", PROPOSE, item=put("instruction", "请把下面的句子翻译成法语，并说明理由。")),
    "bad_instruction": Fault("proposal", "judged", PROPOSE, item=defects.bad_instruction),
    "no_input_spelling": Fault("input", "recovered", SECTIONS, item=defects.no_input_spelling),
    "placeholder_input": Fault("input", "rejected", SECTIONS, item=put("input", "[insert your text here]")),
    "bad_input": Fault("input", "judged", SECTIONS, item=put("input", *defects.FOREIGN)),
    "empty_output": Fault("output", "rejected", ANSWERED, item=put("output", "")),
    "as_an_ai": Fault("output", "rejected", OUTPUTS, item=put(
        "output", "As an AI language model, I do not have access to that and cannot help with it.")),
    "short_sorry": Fault("output", "rejected", OUTPUTS, item=put(
        "output", "Sorry, but there is not enough context to do this.")),
    "only_punctuation": Fault("output", "rejected", OUTPUTS, item=put("output", "...")),
    "only_stop_words": Fault("output", "rejected", OUTPUTS, item=put("output", "It is what it is and that is that.")),
    "invented_url": Fault("output", "rejected", OUTPUTS, item=around(
        "output", "According to https://stats.example/report-2, it is so. ")),
    "leaks_stop": Fault("output", "rejected", OUTPUTS, item=around(
        "output", "", "\n### Instruction:\nNow do the same for the next one.")),
    "loops": Fault("output", "rejected", OUTPUTS, item=put("output", " ".join(["and so the result is the same"] * 40))),
    "mojibake": Fault("output", "rejected", OUTPUTS, item=around("output", "Itâ€™s cafÃ© timeâ€¦ ")),
    "echoes_input": Fault("output", "rejected", ANSWERED, item=defects.echoes_input),
    "wrong_output": Fault("output", "judged", OUTPUTS | {"labels"}, item=defects.wrong_output),
    "leaks_marker": Fault("evolution", "rejected", EVOLVE, item=around("instruction", "#Rewritten Prompt#: ")),
    "speaks_of_rewriting": Fault("evolution", "rejected", EVOLVE, item=around(
        "instruction", "The rewritten prompt, harder than the given prompt: ")),
    "unchanged": Fault("evolution", "rejected", EVOLVE, item=defects.unchanged),
    "answers_instead": Fault("evolution", "rejected", EVOLVE, item=put(
        "instruction", "The answer is 42, since all the others were left out.")),
    "loses_input": Fault("evolution", "recovered", EVOLVE, item=defects.loses_input),
    "drifts": Fault("evolution", "judged", EVOLVE, item=put(
        "instruction", "Explain in two paragraphs how tides come about and why they differ by place.")),
    "grows": Fault("evolution", "rejected", EVOLVE, item=around(
        "instruction", "", " Take every case into account, give reasons, name your sources and weigh them against each other." * 8)),
    "undecided": Fault("judging", "retried", VERDICTS, reply=lambda text, context: "That depends on how one looks at it."),
    "wordy_verdict": Fault("judging", "recovered", VERDICTS, reply=lambda text, context:
        f"{text.strip().rstrip('.')}, because the task leaves little room for anything else."),
    "label_outside": Fault("judging", "retried", VERDICTS, reply=edit(r"^(Verdict:[ \t]*).*$", r"\1perhaps", instead="Maybe")),
    "verdict_bold": Fault("judging", "recovered", VERDICTS | SCORES, reply=edit(
        r"^(\w[\w-]*):[ \t]*(.+)$", r"**\1:** \2", instead="**{}**")),
    "position_bias": Fault("judging", "judged", frozenset({"pair"}), reply=edit(r"^Verdict:.*$", "Verdict: A")),
    "score_too_high": Fault("judging", "retried", SCORES, reply=edit(GRADE, r"\g<1>11")),
    "score_as_word": Fault("judging", "retried", SCORES, reply=edit(GRADE, r"\g<1>four")),
    "score_of_ten": Fault("judging", "recovered", frozenset({"grade"}), reply=edit(
        r"^((?!Reason)[\w-]+:[ \t]*\d+)[ \t]*$", r"\1/5")),
    "always_top": Fault("judging", "judged", SCORES, reply=defects.always_top),
}
# fmt: on

_TOO_SLOW_FOR_ALL = {"hang", "slow_bytes", "huge_body", "gzip_bomb", "unauthorized", "no_quota"}
_ODD = ("gzip_in_gzip", "silent", "tool_calls", "abort", "open_thoughts", "odd_usage")

PROFILES: dict[str, dict[str, float]] = {
    "light": {name: 0.01 for name in FAULTS if name not in {*_TOO_SLOW_FOR_ALL, *_ODD, "redirect"}},
    "odd": dict.fromkeys(_ODD, 0.02),
    "transport": {"rate_limited": 0.10, "server_error": 0.10, "cut_json": 0.05, "bad_request": 0.01},
    "gpt3-2022": {"bad_instruction": 0.08, "bad_input": 0.21, "wrong_output": 0.26}
    | {name: 0.01 for name, fault in FAULTS.items() if fault.stage == "list"},
}
"""`light`: 1 % of each that neither takes long nor stops a run. `odd`: 2 % of each of what providers send besides.
`gpt3-2022`: Self-Instruct's review of 200 items (arXiv 2212.10560, table 2): 92 % valid
instructions, 79 % fitting inputs, 58 % correct outputs, 54 % all three. Drawn independently, an output is wrong where
its input is, and in 26 % of the rest: 0.92, 0.79, 0.79 · 0.74 = 0.585, and 0.92 · 0.585 = 0.538."""
