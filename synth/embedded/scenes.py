"""Sentences that set a scene or name a purpose. They change nothing in what is asked, but the task becomes more specific."""

from __future__ import annotations

import functools

from synth.embedded.draws import Draw
from synth.embedded.patterns import Pattern, plain_articles
from synth.embedded.words.domains import Domain, by_place

SCENES = tuple(
    Pattern(text)
    for text in (
        "I [run|manage|look after] {place}",
        "I [work for|help out at|do the paperwork for|keep the records of] {place}",
        "you are [helping|assisting|working with] {role} of {place}",
        "{role} of {place} [has sent us|keeps|has left me|gave me|has typed up] this list of {nouns}",
        "[these are|here are|below are] the {nouns} of {place}",
        "the input [shows|lists|holds|contains] the {nouns} of {place}",
        "{place} [keeps|has|made|sent me] a list of its {nouns}",
        "[a colleague|a friend|my neighbour|my sister|a trainee|a volunteer] at {place} [asked me for help with|wrote down|is worried about] the {nouns}",
        "at {place} [someone has to go through|we are going through|I am checking] the {nouns}",
        "[it is my first week|I have just started|I am standing in for a colleague] at {place}",
        "{role} of {place} [wants|needs|expects] an answer [today|by noon|before the weekend|this evening]",
        "[imagine|suppose] that you [work at|are in charge of|run] {place}",
    )
)
LIST_SCENES = tuple(
    Pattern(text)
    for text in (
        "the {nouns} [come from|were noted at|were written down at|were sent in by] {place}",
        "[these are|here are|below are] {nouns} from {place}",
        "{place} [noted|wrote down|sent us] these {nouns}",
        "at {place} [we noted|somebody noted|I wrote down] these {nouns}",
        "I [work for|help out at|keep the records of] {place} and [wrote down|was given|have collected] these {nouns}",
    )
)
"""For plain lists of measures, whose noun alone does not say whose they are."""
ONE_SCENES = tuple(
    Pattern(text)
    for text in (
        "this {nouns} [comes from|was sent to us by|was written down at|turned up at] {place}",
        "{place} [asked me about|sent us|is puzzled by] this {nouns}",
        "I [work for|help out at] {place} and [was given|came across|have to deal with] this {nouns}",
        "[a colleague|a trainee|a visitor] at {place} [handed me|showed me|wrote down] this {nouns}",
    )
)
"""For a single thing: a text, a quantity, a date, a program."""
PURPOSES = tuple(
    Pattern(text)
    for text in (
        "[I need it|it is meant|this is|we need this|I want to use it|the result is] for {purpose}",
        "the [answer|result] is [meant|needed|intended] for {purpose}",
        "it will be used for {purpose}",
    )
)
_PURPOSES = (
    "the yearly report", "the newsletter", "our website", "a leaflet", "the noticeboard", "the next meeting", "a talk on Friday",
    "a letter to the members", "the local paper", "the accountant", "a school project", "the archive", "the town council",
    "next month's plan", "a quiz evening", "the training of new staff", "a thank-you letter", "the spring budget", "a short speech",
    "the handover to my successor", "a grant application", "the opening day", "the weekly summary",
    "the pinboard", "a poster by the door", "the filing cabinet", "the customers' survey", "an audit", "the shift plan",
    "a press release", "the insurance papers", "the anniversary booklet", "a presentation to the board", "a parents' evening",
    "the holiday schedule", "the safety briefing", "a radio interview", "the card index", "a staff quiz", "the annual dinner",
    "the visitors' guide", "a bet with my brother", "the club's diary", "the tax return", "my logbook", "the opening speech",
    "the record book", "the guest book", "a comparison with last year", "the minutes", "the window display", "a lesson plan",
)  # fmt: skip


RECIPIENTS = tuple(
    Pattern(text)
    for text in (
        "[the answer|the result|it] [goes to|is for] {person}, who [asked for it|has been waiting for it|will check it]",
        "{person} [wants|needs|expects] it [by|before] [noon|tomorrow morning|Friday|the end of the week]",
        "I promised [the answer|it|the result] to {person} for [today|tomorrow|Friday|next week]",
        "write it so that {person} [can use it as it is|understands it at once|can read it out]",
    )
)
_RECIPIENTS = (
    "our treasurer", "the new trainee", "my manager", "a customer", "the mayor", "our bookkeeper", "the night shift",
    "a journalist", "my sister", "the auditor", "our oldest member", "the supplier", "the chairwoman", "my neighbour",
    "the head office", "the evening class", "a volunteer", "our landlord", "the inspector", "my predecessor",
)  # fmt: skip
PURPOSE_WORDS = tuple(map(plain_articles, _PURPOSES))


RECIPIENT_WORDS = tuple(map(plain_articles, _RECIPIENTS))
ALL_SCENES = (*SCENES, *LIST_SCENES, *ONE_SCENES)


def write_scene(domain: Domain, noun: str, draw: Draw, *, is_one: bool = False) -> str:
    """A sentence, without its full stop, about the domain's place. `is_one`: the noun is a singular."""
    words = {"place": domain.place, "role": domain.role, "nouns": noun}
    patterns = ONE_SCENES if is_one else SCENES if noun == domain.noun else LIST_SCENES
    return draw.pick(patterns).write(draw, words.get) or ""


def write_purpose(purpose: str, draw: Draw) -> str:
    """A sentence, without its full stop, about what the answer is for."""
    return draw.pick(PURPOSES).write(draw, {"purpose": purpose}.get) or ""


def write_recipient(person: str, draw: Draw) -> str:
    """A sentence, without its full stop, about who waits for the answer."""
    return draw.pick(RECIPIENTS).write(draw, {"person": person}.get) or ""


@functools.cache
def _by_head(patterns: tuple[Pattern, ...]) -> dict[str, list[Pattern]]:
    found: dict[str, list[Pattern]] = {}
    for pattern in patterns:
        for head in pattern.heads:
            found.setdefault(head, []).append(pattern)
    return found


@functools.lru_cache(maxsize=2048)
def read_scene(text: str) -> tuple[str, str] | None:
    """("place", key of the domain), ("purpose", words) or ("recipient", words) of a sentence; None if it is none of them."""
    head = text.split(" ", 1)[0]
    for pattern in (*_by_head(RECIPIENTS).get(head, ()), *_by_head(RECIPIENTS).get("", ())):
        slots = pattern.read(text)
        if slots is not None and slots["person"] in RECIPIENT_WORDS:
            return "recipient", slots["person"]
    for pattern in (*_by_head(PURPOSES).get(head, ()), *_by_head(PURPOSES).get("", ())):
        slots = pattern.read(text)
        if slots is not None:
            return "purpose", slots["purpose"]
    for pattern in (*_by_head(ALL_SCENES).get(head, ()), *_by_head(ALL_SCENES).get("", ())):
        slots = pattern.read(text)
        if slots is not None and slots["place"] in by_place():
            return "place", by_place()[slots["place"]].key
    return None
