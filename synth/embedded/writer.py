"""A plan as English: the instruction of a task, without its material.

The writer runs along the worked-out plan, because wording depends on what flows: a column that holds counts is spoken of
in another way than one of measures, and what was named once becomes "them". `reader` is the way back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from synth.embedded import frames
from synth.embedded.draws import Draw
from synth.embedded.operations import OPERATIONS
from synth.embedded.operations.negation import opposite
from synth.embedded.plan import Args, Link, Outcome, Phrase, Plan, step
from synth.embedded.scenes import write_purpose, write_recipient, write_scene
from synth.embedded.values import (
    SMALL_WORDS,
    Column,
    Numbers,
    Pair,
    Quantity,
    Table,
    Unfit,
    Value,
    pluralise,
    singular,
)
from synth.embedded.words.domains import Domain

SINGLE = ("text", "quantity", "day", "code")
"""Materials that are one thing, spoken of in the singular."""
_VOWEL = re.compile(r"\b([Aa]) (?=(?!one\b|once\b|eu|uni|use|usual)[aeiou]|hour|honest|8|11\b|18\b)")


@dataclass
class Writer:
    """Writes one plan. `noun` is what the material's parts are called at the moment."""

    plan: Plan
    outcome: Outcome
    domain: Domain | None
    draw: Draw
    style: str = ""
    mentioned: bool = False
    further: bool = False
    reasons: bool = False
    said: str = ""
    nested: list[Link] = field(default_factory=list)

    def instruction(self) -> str:
        """All sentences of the task."""
        front, rest = self._front()
        notes = self._place(front, rest)
        sentences = [*self._request(rest, front), *notes]
        sentences += [self.also(link) for link in self.outcome.also]
        if self.plan.working:
            sentences.append(self.draw.pick(frames.pattern(self.draw.pick(frames.WORKING)).wordings))
        if self.plan.layout:
            sentences.append(
                self.draw.pick(frames.pattern(self.draw.pick(frames.LAYOUTS[self.plan.layout][1])).wordings)
            )
        return " ".join(finished(sentence) for sentence in self._in_setting(sentences))

    # --- where filters go ---

    def _front(self) -> tuple[list[Link], list[Link]]:
        links = list(self.outcome.links)
        count = 0
        while count < len(links) and OPERATIONS[links[count].step.op].role == "filter":
            count += 1
        return links[:count], links[count:]

    def _place(self, front: list[Link], rest: list[Link]) -> list[str]:
        """Take some of the front filters out as notes and nested phrases; what stays in `front` is said in the request."""
        notes = []
        for link in list(front):
            if len(front) > 1 and rest and self.draw.chance(0.35):
                notes.append(self.note(link))
                front.remove(link)
        return notes

    def note(self, link: Link) -> str:
        """A filter in a sentence of its own."""
        table = frames.REPEAT_REASONS if link.step.op.startswith("drop_") else frames.NOTE_REASONS
        return self._note(link) + (self._reason(table) if self.reasons else "") + "."

    def _note(self, link: Link) -> str:
        own = self._own(link, "note")
        if own:
            return own
        sign = self.draw.pick(("yes", "no"))
        rows = self._filtered(link, sign)
        if self.draw.chance(0.7):
            return self._wording(frames.NOTE[sign]) + rows
        opening, end = self.draw.pick(frames.NOTE_AROUND[sign])
        return self._wording(opening) + rows + self._wording(end)

    def _reason(self, table: tuple[str, ...]) -> str:
        wordings = [wording for text in table for wording in frames.pattern(text).wordings if wording not in self.said]
        return self.draw.pick(wordings)

    def _own(self, link: Link, form: str) -> str | None:
        """The filter in words of its own, as operations without a condition have them."""
        fitting = self._phrases(link, (form,))
        return self._phrase(self.draw.pick(fitting), link) if fitting else None

    def _filtered(self, link: Link, sign: str) -> str:
        """the loaves baked on Monday"""
        args = link.step.args if sign == "yes" else opposite(link.step.op, link.step.args)
        shown = Link(step(link.step.op, args), link.before, link.after)
        noun = _noun(link.before)
        self.mentioned = True
        return f"the {noun} {self._condition(shown)}"

    def _condition(self, link: Link) -> str:
        fitting = self._phrases(link, ("cond",))
        for phrase in self.draw.shuffled(fitting):
            text = self._phrase(phrase, link)
            if text is not None:
                return text
        raise Unfit("no words for this condition")

    # --- the request ---

    def _request(self, rest: list[Link], front: list[Link]) -> list[str]:
        lead = tail = ""
        queue = [*front, *rest]
        if rest[1:] and rest[0].step.op == "top_rows" and self._takes_rows(rest[1]) and self.draw.chance(0.6):
            self.nested, queue = [rest[0]], [*front, *rest[1:]]
            if front:
                lead, queue = self._set_apart(front[0], frames.LEAD, "lead") + ", ", [*front[1:], *rest[1:]]
        elif front and rest and self.draw.chance(0.85):
            link = front[0]
            manner = self.draw.pick(("nested", "nested", "lead", "tail"))
            if manner == "nested" and self._can_nest(link, rest[0]):
                self.nested, queue = [link], queue[1:]
            elif manner == "tail" and len(front) == 1:
                tail, queue = ", " + self._set_apart(link, frames.TAIL, "tail"), queue[1:]
            elif manner != "nested":
                lead, queue = self._set_apart(link, frames.LEAD, "lead") + ", ", queue[1:]
        return self._sentences(queue, lead, tail)

    def _can_nest(self, link: Link, after: Link) -> bool:
        return bool(self._phrases(link, ("cond",))) and self._takes_rows(after)

    def _takes_rows(self, link: Link) -> bool:
        return any(map(_names_rows, self._usable(link)))

    def _set_apart(self, link: Link, table: dict[str, str], form: str) -> str:
        own = self._own(link, form)
        if own:
            return own
        sign = self.draw.pick(("yes", "no"))
        return self._wording(table[sign]) + self._filtered(link, sign)

    def _sentences(self, queue: list[Link], lead: str, tail: str) -> list[str]:
        text, end = self._opening(queue[0])
        if self.nested:
            raise Unfit("a condition found no place")
        sentences: list[str] = []
        current = lead + text
        for place, link in enumerate(queue[1:], 1):
            posts = self._phrases(link, ("post",))
            commanded = end == "." and not sentences and place < 3
            if posts and not self._is_filter(queue[place - 1]) and self.draw.chance(0.6):
                current += f", {self._phrase(self.draw.pick(posts), link)}"
            elif commanded and not tail and self.draw.chance(0.6):
                joints = frames.THEN_SAME if place == 1 else frames.FINALLY_SAME
                current += self._wording(joints[0]) + self.command(link)
            else:
                sentences.append(current + (tail if not sentences else "") + end)
                current, end = self._next_opening(place > 1 and place == len(queue) - 1) + self.command(link), "."
        sentences.append(current + (tail if not sentences else "") + end)
        return sentences

    def _next_opening(self, is_last: bool) -> str:
        return self._wording((frames.FINALLY_NEW if is_last else frames.THEN_NEW)[0])

    def _opening(self, link: Link) -> tuple[str, str]:
        """The first clause and the mark that ends its sentence."""
        if self._is_filter(link):
            return self._as_sentence(self.command(link))
        question = self.style == "question" or (self.style != "order" and self.draw.chance(0.5))
        forms = {phrase.form for phrase in self._usable(link)}
        if question and "ask" in forms and (self.style == "question" or self.draw.chance(0.6)):
            return self._say(link, "ask"), "?"
        for form, table in (("np", frames.NP_OPENINGS), ("nps", frames.NPS_OPENINGS)):
            if form in forms and self.draw.chance(0.6 if question else 0.25):
                opening, end = self.draw.pick(table[:: 2 if question else 1])
                return self._wording(opening) + self._say(link, form), end
        if forms & {"do", "np", "nps"}:
            return self._as_sentence(self.command(link))
        return self._say(link, "ask"), "?"

    def _as_sentence(self, command: str) -> tuple[str, str]:
        tables = frames.DO_OPENINGS
        if self.style == "question":
            opening, end = tables[1]
        else:
            opening, end = tables[0] if self.draw.chance(0.6) else self.draw.pick(tables)
        return self._wording(opening) + command, end

    def _is_filter(self, link: Link) -> bool:
        return OPERATIONS[link.step.op].role == "filter"

    def command(self, link: Link) -> str:
        """The step as a command: "work out their average price"."""
        if self._is_filter(link) and self._phrases(link, ("cond",)) and not self._prefers_own(link):
            sign = self.draw.pick(("yes", "no"))
            return self._wording(frames.DO_FILTER[sign]) + self._filtered(link, sign)
        forms = {phrase.form for phrase in self._usable(link)}
        fitting = [form for form in ("do", "do", "np", "nps") if form in forms]
        if not fitting:
            raise Unfit("no words for this step")
        form = self.draw.pick(fitting)
        if form == "do":
            return self._say(link, form)
        is_figure = isinstance(link.after, Quantity)
        table = frames.NPS_COMMANDS if form == "nps" else frames.FIGURE_COMMANDS if is_figure else frames.NP_COMMANDS
        return self._wording(table[0]) + self._say(link, form)

    def _prefers_own(self, link: Link) -> bool:
        return bool(self._phrases(link, ("do",))) and self.draw.chance(0.3)

    def also(self, link: Link) -> str:
        """A further question as a sentence."""
        forms = {phrase.form for phrase in self._usable(link)}
        self.mentioned = self.further = True
        if "ask" in forms and self.draw.chance(0.4):
            return self._wording(frames.ALSO_QUESTIONS[0]) + self._say(link, "ask") + "?"
        form = self.draw.pick([form for form in ("np", "nps") if form in forms] or ["ask"])
        if form == "ask":
            return self._wording(frames.ALSO_QUESTIONS[0]) + self._say(link, "ask") + "?"
        text = self._wording(self.draw.pick(frames.ALSO_OPENINGS)) + self._say(link, form)
        return text + (self._reason(frames.STEP_REASONS) if self.reasons else "") + "."

    def going_on(self, link: Link) -> str:
        """One more step of the chain as a sentence."""
        text = self._next_opening(len(self.plan.steps) > 1) + self.command(link)
        return text + (self._reason(frames.STEP_REASONS) if self.reasons else "") + "."

    def _in_setting(self, sentences: list[str]) -> list[str]:
        place, purpose, recipient = self.plan.setting or ("", "", "")
        if place and self.domain:
            is_one = self.plan.source in SINGLE
            sentences = [write_scene(self.domain, self.plan.noun, self.draw, is_one=is_one) + ".", *sentences]
        if purpose:
            sentences = [*sentences, write_purpose(purpose, self.draw) + "."]
        return [*sentences, write_recipient(recipient, self.draw) + "."] if recipient else sentences

    # --- phrases and slots ---

    def _usable(self, link: Link) -> list[Phrase]:
        usable = self._phrases(link, ("np", "nps", "do", "ask"))
        return [phrase for phrase in usable if _names_rows(phrase)] if self.nested else usable

    def _phrases(self, link: Link, forms: tuple[str, ...]) -> list[Phrase]:
        args = link.step.args
        return [
            phrase
            for phrase in OPERATIONS[link.step.op].phrases
            if phrase.form in forms and all(args.get(name) == value for name, value in phrase.fixed)
        ]

    def _say(self, link: Link, form: str) -> str:
        fitting = self._phrases(link, (form,))
        if self.nested:
            fitting = [phrase for phrase in fitting if _names_rows(phrase)]
        must_point = self._is_rest(link.before)
        for phrase in self.draw.shuffled(fitting * 3 if must_point else fitting):
            text = self._phrase(phrase, link)
            if text is not None and (not must_point or "those " in text):
                return text
        raise Unfit("no words for this step")

    def _phrase(self, phrase: Phrase, link: Link) -> str | None:
        args, before = link.step.args, link.before
        text = phrase.pattern.write(self.draw, lambda slot: self._fill(slot, args, before))
        return text

    def _wording(self, text: str) -> str:
        return self.draw.pick(frames.pattern(text).wordings)

    def _fill(self, slot: str, args: Args, before: Value) -> str | None:
        if slot in ("rows", "them"):
            return self._rows(before, slot)
        if slot in ("noun", "row"):
            return _noun(before) if slot == "noun" else singular(_noun(before))
        if slot in ("it", "that"):
            return self._it(slot, before)
        if slot == "name" and args["name"][0].islower():
            return f"the {singular(_noun(before))} {args['name']}"
        if slot == "k":
            return SMALL_WORDS[int(args["k"])]
        if slot == "one" and "one" not in args:
            return singular(_noun(before))
        if slot in ("date", "month"):
            return args["when"] if (" " in args["when"]) is (slot == "date") else None
        if slot in args and slot not in ("col", "key"):
            return args[slot]
        if slot == "per" and isinstance(before, Quantity | Numbers):
            return before.unit or None
        return _fill_column(slot, args, before)

    def _rows(self, before: Value, slot: str) -> str:
        noun = _noun(before)
        if self.nested:
            link = self.nested.pop()
            count = SMALL_WORDS[int(link.step.args["k"])] + " " if link.step.op == "top_rows" else ""
            return f"the {count}{noun} {self._condition(link)}"
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
        first = first.first if isinstance(first, Pair) else first
        return (
            self.further
            and isinstance(before, Table)
            and isinstance(first, Table)
            and len(before.rows) < len(first.rows)
            and _noun(before) == self.plan.noun
        )

    def _it(self, slot: str, before: Value) -> str:
        first, self.mentioned = not self.mentioned and before is self.outcome.links[0].before, True
        if first or self.further:
            return self.draw.pick((f"the {self.plan.noun}", f"this {self.plan.noun}"))
        if slot == "it":
            return self.draw.pick(("it", "the result"))
        return self.draw.pick(("that", "the result"))


def _fill_column(slot: str, args: Args, before: Value) -> str | None:
    """Slots that speak of a column of the table at hand."""
    if isinstance(before, Pair):
        before = before.second
    if not isinstance(before, Table):
        return None
    if slot == "key":
        return args.get("key")
    try:
        column = before.column(args["col"])
    except (KeyError, Unfit):
        return None
    return _column_word(slot, column, args)


def _column_word(slot: str, column: Column, args: Args) -> str | None:
    if slot == "col":
        return column.label
    if slot in ("measure", "measures") and column.kind == "measure":
        return column.name if slot == "measure" else _many(column.name)
    if slot == "count" and column.kind == "count":
        return column.name
    if slot in ("cat", "cats") and column.kind == "category":
        return column.name if slot == "cat" else pluralise(column.name)
    if slot == "datecol" and column.kind == "date":
        return column.name
    if slot == "per" and column.kind == "measure" and column.unit:
        return column.unit
    if slot == "where" and column.phrase:
        return column.phrase.replace("*", args["val"])
    return None


def _many(name: str) -> str | None:
    """The plural of a measure; totals and averages of groups have none that reads well."""
    return None if name.startswith(("total ", "average ")) else pluralise(name)


def _names_rows(phrase: Phrase) -> bool:
    return "{rows}" in phrase.pattern.text or "{them}" in phrase.pattern.text


def _noun(value: Value) -> str:
    named = value.first if isinstance(value, Pair) else value
    return str(getattr(named, "noun", "") or "items")


def finished(sentence: str) -> str:
    """With a capital at its start and the right article before vowels."""
    sentence = sentence[0].upper() + sentence[1:]
    return _VOWEL.sub(lambda found: found[1] + "n ", sentence)
