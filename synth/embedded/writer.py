"""A plan as English: the instruction of a task, without its material.

The writer runs along the worked-out plan, because wording depends on what flows: a column that holds counts is spoken of
in another way than one of measures, and what was named once becomes "them". `reader` is the way back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from synth.embedded import frames
from synth.embedded.domains import Domain
from synth.embedded.draws import Draw
from synth.embedded.operations import OPERATIONS, opposite
from synth.embedded.plan import Args, Link, Outcome, Phrase, Plan, step
from synth.embedded.values import Column, Quantity, Table, Unfit, Value, pluralise, singular

SINGLE = ("text", "quantity")
"""Materials that are one thing, spoken of in the singular."""
_VOWEL = re.compile(r"\b([Aa]) (?=(?!one\b|once\b|eu|uni|use|usual)[aeiou]|hour|honest|8|11\b|18\b)")


def finished(sentence: str) -> str:
    """With a capital at its start and the right article before vowels."""
    return _VOWEL.sub(lambda found: found[1] + "n ", sentence[0].upper() + sentence[1:])


@dataclass
class Writer:
    """Writes one plan. `said`: text that stands already, whose reasons are not repeated; with `reasons` some are given."""

    plan: Plan
    outcome: Outcome
    domain: Domain | None
    draw: Draw
    mentioned: bool = False
    further: bool = False
    reasons: bool = False
    said: str = ""
    nested: Link | None = None

    def instruction(self) -> str:
        sentences = self._request()
        sentences += [self.also(link) for link in self.outcome.also]
        if self.plan.bare:
            sentences.append(frames.worded(frames.BARE, self.draw))
        return " ".join(map(finished, self._in_setting(sentences)))

    def _in_setting(self, sentences: list[str]) -> list[str]:
        place, purpose = self.plan.setting or ("", "")
        after = [frames.write_purpose(purpose, self.draw) + "."] if purpose else []
        if place and self.domain:
            is_one = self.plan.source in SINGLE
            sentences = [frames.write_scene(self.domain, self.plan.noun, self.draw, is_one=is_one) + ".", *sentences]
        return sentences + after

    # --- the request and its filters ---

    def _request(self) -> list[str]:
        """The sentences that ask. Filters stand inside the first phrase, in notes of their own, or as first commands."""
        queue, notes = list(self.outcome.links), []
        while len(queue) > 1 and _is_filter(queue[0]) and not (_is_filter(queue[1]) and self.nested):
            link = queue[0]
            manner = self.draw.pick(("nested", "nested", "note", "command"))
            if manner == "nested" and not self.nested and any(map(_names_rows, self._usable(queue[1]))):
                self.nested = link
            elif manner == "note" and any(not _is_filter(one) for one in queue[1:]):
                notes.append(link)
            else:
                break
            queue.pop(0)
        return [*self._sentences(queue), *map(self.note, notes)]

    def note(self, link: Link) -> str:
        sign = self.draw.pick(("yes", "no"))
        text = frames.worded(frames.NOTE[sign], self.draw) + self._filtered(link, sign)
        return text + self._reason() + "."

    def _reason(self) -> str:
        return frames.worded(frames.REASONS, self.draw, self.said) if self.reasons else ""

    def _filtered(self, link: Link, sign: str) -> str:
        """the loaves baked on Monday"""
        self.mentioned = True
        return f"the {_noun(link.before)} {self._condition(link, sign)}"

    def _condition(self, link: Link, sign: str = "yes") -> str:
        args = link.step.args if sign == "yes" else opposite(link.step.args)
        return self._say(Link(step(link.step.op, args), link.before, link.after), "cond")

    def _sentences(self, queue: list[Link]) -> list[str]:
        current, end = self._opening(queue[0])
        if self.nested:
            raise Unfit("a condition found no place")
        sentences: list[str] = []
        for place, link in enumerate(queue[1:], 1):
            if end == "." and not sentences and place < 3 and self.draw.chance(0.6):
                current += frames.worded(frames.JOINTS[place - 1], self.draw) + self.command(link)
            else:
                sentences.append(current + end)
                current, end = self._next(place > 1 and place == len(queue) - 1) + self.command(link), "."
        return [*sentences, current + end]

    def _next(self, is_last: bool) -> str:
        return frames.worded(frames.FINALLY if is_last else frames.THEN, self.draw)

    def _opening(self, link: Link) -> tuple[str, str]:
        """The first clause and the mark that ends its sentence."""
        forms = {phrase.form for phrase in self._usable(link)} | ({"do"} if _is_filter(link) else set())
        question = self.draw.chance(0.5)
        if "ask" in forms and (forms == {"ask"} or (question and self.draw.chance(0.6))):
            return self._say(link, "ask"), "?"
        wanted = "?" if question else "."
        for form in ("np", "nps"):
            if form in forms and self.draw.chance(0.6 if question else 0.25):
                opening, _, end = self.draw.pick([one for one in frames.REQUEST if one[1] == form and one[2] == wanted])
                return frames.worded(opening, self.draw) + self._say(link, form), end
        commands = [one for one in frames.REQUEST if one[1] == "do"]
        opening, _, end = frames.REQUEST[0] if self.draw.chance(0.6) else self.draw.pick(commands)
        return frames.worded(opening, self.draw) + self.command(link), end

    def command(self, link: Link) -> str:
        """The step as a command: "work out their average price"."""
        if _is_filter(link):
            sign = self.draw.pick(("yes", "no"))
            return frames.worded(frames.DO_FILTER[sign], self.draw) + self._filtered(link, sign)
        forms = {phrase.form for phrase in self._usable(link)}
        fitting = [form for form in ("do", "do", "np", "nps") if form in forms]
        if not fitting:
            raise Unfit("no words for this step")
        form = self.draw.pick(fitting)
        if form == "do":
            return self._say(link, form)
        single = frames.FIGURE_COMMANDS if isinstance(link.after, Quantity) else frames.NP_COMMANDS
        return frames.worded(frames.NPS_COMMANDS if form == "nps" else single, self.draw) + self._say(link, form)

    def also(self, link: Link) -> str:
        forms = {phrase.form for phrase in self._usable(link)}
        self.mentioned = self.further = True
        if "ask" in forms and (self.draw.chance(0.4) or not forms & {"np", "nps"}):
            return frames.worded(frames.ALSO_ASK, self.draw) + self._say(link, "ask") + "?"
        text = frames.worded(frames.ALSO, self.draw) + self._say(link, "np" if "np" in forms else "nps")
        return text + self._reason() + "."

    def going_on(self, link: Link) -> str:
        text = self._next(len(self.plan.steps) > 1) + self.command(link)
        return text + self._reason() + "."

    # --- phrases and slots ---

    def _usable(self, link: Link) -> list[Phrase]:
        usable = self._phrases(link, ("np", "nps", "do", "ask"))
        return [phrase for phrase in usable if _names_rows(phrase)] if self.nested else usable

    def _phrases(self, link: Link, forms: tuple[str, ...]) -> list[Phrase]:
        args, phrases = link.step.args, OPERATIONS[link.step.op].phrases
        return [
            one for one in phrases if one.form in forms and all(args.get(name) == value for name, value in one.fixed)
        ]

    def _say(self, link: Link, form: str) -> str:
        fitting = self._phrases(link, (form,))
        if self.nested:
            fitting = [phrase for phrase in fitting if _names_rows(phrase)]
        must_point = form != "cond" and self._is_rest(link.before)
        for phrase in self.draw.shuffled(fitting * 3 if must_point else fitting):
            text = phrase.pattern.write(self.draw, lambda slot: self._fill(slot, link.step.args, link.before))
            if text is not None and (not must_point or "those " in text):
                return text
        raise Unfit("no words for this step")

    def _fill(self, slot: str, args: Args, before: Value) -> str | None:
        noun = _noun(before)
        if slot in ("rows", "them"):
            return self._rows(before, slot)
        if slot in ("it", "that"):
            return self._it(slot, before)
        if slot in ("noun", "row", "one"):
            return noun if slot == "noun" else singular(noun)
        if slot == "name" and args["name"][0].islower():
            return f"the {singular(noun)} {args['name']}"
        if slot in args and slot != "col":
            return args[slot]
        if slot == "per" and isinstance(before, Quantity):
            return before.unit or None
        return (
            _column_word(slot, before.column(args["col"]), args)
            if isinstance(before, Table) and "col" in args
            else None
        )

    def _rows(self, before: Value, slot: str) -> str:
        noun = _noun(before)
        if self.nested:
            link, self.nested = self.nested, None
            return f"the {noun} {self._condition(link)}"
        if self._is_rest(before):
            return f"those {noun}"
        first, self.mentioned = not self.mentioned, True
        if first:
            return self.draw.pick((f"the {noun}", f"the {noun}", f"these {noun}", f"the {noun}", f"the listed {noun}"))
        if slot == "them" and self.draw.chance(0.6):
            return "them"
        return self.draw.pick((f"those {noun}", f"these {noun}", f"the {noun}"))

    def _is_rest(self, before: Value) -> bool:
        """Is a further question about what filters have left over? Then it must say so ("those loaves")."""
        first = self.outcome.links[0].before
        are_tables = isinstance(before, Table) and isinstance(first, Table)
        return self.further and are_tables and len(before.rows) < len(first.rows) and _noun(before) == self.plan.noun  # type: ignore[union-attr]

    def _it(self, slot: str, before: Value) -> str:
        first, self.mentioned = not self.mentioned and before is self.outcome.links[0].before, True
        if first or self.further:
            return self.draw.pick((f"the {self.plan.noun}", f"this {self.plan.noun}"))
        return self.draw.pick((slot, "the result"))


def _is_filter(link: Link) -> bool:
    return OPERATIONS[link.step.op].role == "filter"


def _column_word(slot: str, column: Column, args: Args) -> str | None:
    """How a slot speaks of the column asked for; None where the column is of another kind."""
    words = {
        "col": column.label,
        "measure": column.name if column.kind == "measure" else None,
        "measures": pluralise(column.name) if column.kind == "measure" else None,
        "count": column.name if column.kind == "count" else None,
        "cat": column.name if column.kind == "category" else None,
        "per": column.unit if column.kind == "measure" and column.unit else None,
        "where": column.phrase.replace("*", args.get("val", "")) or None,
    }
    return words.get(slot)


def _names_rows(phrase: Phrase) -> bool:
    return "{rows}" in phrase.pattern.text or "{them}" in phrase.pattern.text


def _noun(value: Value) -> str:
    return str(getattr(value, "noun", "") or "items")
