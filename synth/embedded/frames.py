"""The turns of speech around an operation's own phrases: how a request opens, how a filter is put, the scene around it.

Writing draws one of the wordings and reading looks it up, so both follow the same tables.
"""

from __future__ import annotations

import functools

from synth.embedded.domains import Domain, by_place
from synth.embedded.draws import Draw
from synth.embedded.patterns import Pattern, plain_articles

REQUEST: tuple[tuple[str, str, str], ...] = (
    ("[|please ]", "do", "."),
    ("[could you|can you|would you] [|please ]", "do", "?"),
    ("[I would like you to|I want you to|I need you to|help me|help us] ", "do", "."),
    ("[your task is to|your job is to|the task is to] ", "do", "."),
    ("what is ", "np", "?"),
    ("[I need|I would like to know|I am looking for|I want to know|we are after|I am interested in] ", "np", "."),
    ("[can|could] you [tell me|work out|find|give me|find out] ", "np", "?"),
    ("what are ", "nps", "?"),
    ("[I need|I would like to have|I am looking for|we are after|I want] ", "nps", "."),
    ("", "ask", "?"),
)
"""(opening, form of the phrase that follows it, end) of the sentence that asks."""
FIGURE_COMMANDS = "[find|find out|work out|calculate|determine|give me|state|report|tell me|let me know] "
NP_COMMANDS = "[find|give me|state|report|tell me|let me know] "
NPS_COMMANDS = "[list|give|give me|write down|tell me|report|state] "
"""What makes a command of a noun phrase: for a figure, for another single thing, for several."""
JOINTS = ("[, then |, and then | and then ]", "[, and finally |, and after that |, and lastly ]")
THEN = "[then |next, |after that, |afterwards, |once you have that, |from there, |with that done, ]"
FINALLY = "[finally, |then |to finish, |as a last step, |in the end, ]"
ALSO = (
    "[also|in addition,|besides,|on top of that,] [tell me|give me|state|report] ",
    "[I would also like to know|we also need|I also want to know|add to your answer|I also need] ",
)
ALSO_ASK = "[and|also,|besides,|in addition,] "

# Filters: positive frames name what is kept, negative ones what is not.
NOTE = {
    "yes": "[consider only|use only|take into account only|restrict yourself to|limit yourself to|look only at|count only] ",
    "no": "[ignore|leave out|leave aside|skip|exclude|do not count|disregard|do not include] ",
}
DO_FILTER = {
    "yes": "[keep only|take only|select|pick out|narrow the list down to|limit the list to] ",
    "no": "[drop|remove|discard|filter out|cross out|strike out] ",
}
REASONS = (
    ", [as|since|because] [that was agreed beforehand|those are the rules here|my boss wants it that way|the form asks for it that way]",
    ", [as|since|because] [that is what I was asked for|it was done like that last time|the auditor insists on it|the report has a line for it]",
    ", so that [I can pass it on|we can compare it with last year|nobody has to do it by hand|everyone can follow it]",
)
REMARKS = (
    "[there is more of it now|more has come in|somebody added more to it] [meanwhile|since yesterday|over the weekend], so [go through|take in|look at] [all of it|everything once again].",
    "[note that|bear in mind that|mind that] there is more to [go through|look at] than [last time|before], and [every part of it|each bit of it] [counts|matters].",
)
# fmt: off
BARE = (
    "[answer|reply] with [the number only|just the number|the bare number and no unit].",
    "[write|give] [only the number|nothing but the number|the number without its unit].",
    "a bare number is enough.", "[leave out|drop] the unit in your [answer|reply].",
)

# Sentences that set a scene. They change nothing in what is asked, but the task becomes more specific.
SCENES = (
    "I [run|manage|look after|work for|help out at|do the paperwork for|keep the records of] {place}",
    "you are [helping|assisting|working with] {role} of {place}",
    "{role} of {place} [has sent us|keeps|has left me|gave me|has typed up] this list of {nouns}",
    "[these are|here are|below are] the {nouns} of {place}",
    "the input [shows|lists|holds|contains] the {nouns} of {place}",
    "{place} [keeps|has|made|sent me] a list of its {nouns}",
    "[a colleague|a friend|my neighbour|my sister|a trainee|a volunteer] at {place} [asked me for help with|wrote down|is worried about] the {nouns}",
    "[imagine|suppose] that you [work at|are in charge of|run] {place}",
)
ONE_SCENES = (
    "this {nouns} [comes from|was sent to us by|was written down at|turned up at] {place}",
    "{place} [asked me about|sent us|is puzzled by] this {nouns}",
    "[a colleague|a trainee|a visitor] at {place} [handed me|showed me|wrote down] this {nouns}",
)
"""For a single thing: a text, a quantity."""
# fmt: on
PURPOSES = (
    "[I need it|it is meant|this is|we need this|I want to use it|the result is] for {purpose}",
    "the [answer|result] is [meant|needed|intended] for {purpose}",
    "it will be used for {purpose}",
)
PURPOSE_WORDS = tuple(
    plain_articles(
        "the yearly report, the newsletter, our website, a leaflet, the noticeboard, the next meeting, a talk on Friday, "
        "the spring budget, a grant application, an audit, the shift plan, a press release, the insurance papers, "
        "the holiday schedule, a radio interview, the annual dinner, the tax return, the opening speech, a lesson plan"
    ).split(", ")
)
SETTINGS = {"place": (*SCENES, *ONE_SCENES), "purpose": PURPOSES}


@functools.cache
def pattern(text: str) -> Pattern:
    return Pattern(text)


def worded(texts: tuple[str, ...] | str, draw: Draw, said: str = "") -> str:
    """One wording of one of the frames, of those that are not in `said` already."""
    text = texts if isinstance(texts, str) else draw.pick(texts)
    wordings = pattern(text).wordings
    return draw.pick([one for one in wordings if one not in said] or wordings) if said else draw.pick(wordings)


@functools.cache
def openings(*texts: str) -> tuple[str, ...]:
    return tuple(sorted({w for text in texts for w in pattern(text).wordings}, key=lambda w: (-len(w), w)))


@functools.cache
def fixed_sentences() -> dict[str, str]:
    """Sentence (lower case at its start) to what it is: "bare" or "remark"."""
    said = {"bare": BARE, "remark": REMARKS}
    return {wording: name for name, texts in said.items() for wording in openings(*texts)}


def without_reason(body: str) -> str:
    reasons = openings(*REASONS)
    return next((body.removesuffix(reason) for reason in reasons if body.endswith(reason)), body)


def stripped(text: str, *texts: str) -> list[str]:
    starts = openings(*texts)
    return [text[len(start) :] for start in starts if text.startswith(start)] if text.startswith(starts) else []


def write_scene(domain: Domain, noun: str, draw: Draw, *, is_one: bool = False) -> str:
    """A sentence, without its full stop, about the domain's place. `is_one`: the noun is a singular."""
    words = {"place": domain.place, "role": domain.role, "nouns": noun}
    texts = ONE_SCENES if is_one else SCENES
    return pattern(draw.pick(texts)).write(draw, words.get) or ""


def write_purpose(purpose: str, draw: Draw) -> str:
    return pattern(draw.pick(PURPOSES)).write(draw, {"purpose": purpose}.get) or ""


@functools.lru_cache(maxsize=2048)
def read_setting(text: str) -> tuple[str, str] | None:
    """("place", key of the domain), or ("purpose", words) of a sentence; None for any other."""
    head = text.split(" ", 1)[0]
    for name, texts in SETTINGS.items():
        for one in map(pattern, texts):
            slots = one.read(text) if one.heads & {head, ""} else None
            if slots and name != "place" and slots[name] in PURPOSE_WORDS:
                return name, slots[name]
            if slots and name == "place" and slots["place"] in by_place():
                return name, by_place()[slots["place"]].key
    return None
