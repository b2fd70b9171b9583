"""The turns of speech around an operation's own phrases: how a request opens, how a filter is put, what a reply may look like.

All are patterns without slots, so writing draws one and reading looks it up.
"""

from __future__ import annotations

import functools

from synth.embedded.patterns import Pattern

# How a command or a noun phrase becomes a sentence: (opening, end). The phrase follows the opening.
DO_OPENINGS: tuple[tuple[str, str], ...] = (
    ("[|please ]", "."),
    ("[could you|can you|would you] [|please ]", "?"),
    ("[I would like you to|I want you to|I need you to|help me|help us] ", "."),
    ("[your task is to|your job is to|the task is to] ", "."),
)
FIGURE_COMMANDS = ("[find|find out|work out|calculate|determine|give me|state|report|tell me|let me know] ",)
NP_COMMANDS = ("[find|give me|state|report|tell me|let me know] ",)
NPS_COMMANDS = ("[list|give|give me|write down|tell me|report|state] ",)
NP_OPENINGS: tuple[tuple[str, str], ...] = (
    ("what is ", "?"),
    ("[I need|I would like to know|I am looking for|I want to know|we are after|I am interested in] ", "."),
    ("[can|could] you [tell me|work out|find|give me|find out] ", "?"),
)
NPS_OPENINGS: tuple[tuple[str, str], ...] = (
    ("what are ", "?"),
    ("[I need|I would like to have|I am looking for|we are after|I want] ", "."),
)
THEN_SAME = ("[, then |, and then | and then ]",)
FINALLY_SAME = ("[, and finally |, and after that |, and lastly ]",)
THEN_NEW = ("[then |next, |after that, |afterwards, |once you have that, |from there, |with that done, ]",)
FINALLY_NEW = ("[finally, |then |to finish, |as a last step, |in the end, ]",)
ALSO_OPENINGS = (
    "[also|in addition,|besides,|on top of that,] [tell me|give me|state|report] ",
    "[I would also like to know|we also need|I also want to know|add to your answer|I also need] ",
)
ALSO_QUESTIONS = ("[and|also,|besides,|in addition,] ",)

# Filters: positive frames name what is kept, negative ones what is not.
LEAD = {
    "yes": "[among|for|taking only|looking only at|considering only|going only by|if we count only|limited to] ",
    "no": "[leaving out|not counting|without|apart from|leaving aside|ignoring] ",
}
TAIL = {
    "yes": "[counting only|considering only|but only for|taking into account only|looking only at] ",
    "no": "[leaving out|ignoring|not counting|leaving aside|disregarding] ",
}
NOTE = {
    "yes": "[consider only|use only|take into account only|restrict yourself to|limit yourself to|look only at|count only] ",
    "no": "[ignore|leave out|leave aside|skip|exclude|do not count|disregard|do not include] ",
}
NOTE_AROUND = {
    "yes": (("[only|here only|for this only] ", "[ count| matter]"),),
    "no": (("", "[ do not count| do not matter here| should be left out| must not be counted]"),),
}
DO_FILTER = {
    "yes": "[keep only|take only|select|pick out|narrow the list down to|limit the list to] ",
    "no": "[drop|remove|discard|filter out|cross out|strike out] ",
}

FIRST = ("[first, |to begin with, |as a first step, ]",)
NOTE_REASONS = (
    ", [as|since|because] [that was agreed beforehand|those are the rules here|we did it like that last time|that was decided at the last meeting]",
    ", [as|since|because] [my boss wants it that way|the auditor insists on it|it has always been done like that|the form asks for it that way]",
)
REPEAT_REASONS = (
    ", [as|since|because] the list was [put together from two sources|copied from several sheets|typed up in a hurry|merged from two notebooks]",
)
STEP_REASONS = (
    ", [as|since|because] [that is what I was asked for|somebody will surely ask for it|I have to pass it on|the form has a field for it]",
    ", [as|since|because] [the report has a line for it|my colleague needs it for her own list|we compare it with last year|it has to be written down too]",
    ", so that [I can pass it on|we can compare it with last year|nobody has to do it by hand|everyone can follow it]",
)

WORKING = (
    "[show|write down|give|list] [each step|every step|the steps|all steps] [of the working|of your working|in order] before the [final answer|result].",
    "[explain|show] step by step how you [got there|arrive at the result|reach the result].",
    "[work it out|reason|think it through] step by step and [show|write down] [each step|every step].",
    "I want to see [the working|every step|how you got there] and not just the [answer|result].",
    "please [show|include] [your working|the working|all steps].",
)
REMARKS = {
    "list": (
        "[the list has grown|the material has grown|there is more material now|more entries have come in] [meanwhile|since yesterday|over the weekend], so [go through|take in|look at] [all of it|everything once again].",
        "[note that|bear in mind that|mind that] [the list is longer|there are more entries] than [last time|before], and [every one of them|each of them] [counts|matters].",
    ),
    "text": (
        "[the text is longer now|more sentences were added|somebody added more to it], so [read it to the end|take all of it into account|mind every sentence] before you answer.",
        "[note that|bear in mind that|mind that] the text now [has a second part|goes on after the old ending], which [belongs to it|counts as well].",
    ),
}
LAYOUTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bare": (("quantity",), (
        "[answer|reply] with [the number only|just the number|the bare number and no unit].",
        "[write|give] [only the number|nothing but the number|the number without its unit].",
        "a bare number is enough.", "[leave out|drop] the unit in your [answer|reply].")),
    "sentence": (("quantity", "name", "label"), (
        "[answer|reply|respond] [in|with] [a full sentence|a complete sentence|one full sentence].",
        "[put|give|write] the answer [in|as] [a full sentence|one complete sentence].",
        "phrase the [answer|result] as a [full|complete] sentence.")),
    "bullets": (("words", "numbers"), (
        "[give|return|present|write] the [result|answer] as [a bulleted list|bullet points].",
        "use [a bulleted list|bullet points|one bullet for each].", "[format|set out] your answer as [bullet points|a bulleted list].")),
    "numbered": (("words", "numbers"), (
        "[give|return|present|write] the [result|answer] as a numbered list.", "number the [entries|items] of your answer.",
        "[format|set out] your answer as a numbered list.")),
    "lines": (("words", "numbers"), (
        "[put|write] [each one|each entry|every entry] on a line of its own.", "use one line for each [entry|item].",
        "[give|return|write] the [result|answer] with one [entry|item] per line.")),
    "json": (("words", "numbers"), (
        "[give|return|write] the [result|answer] as [a JSON array|a JSON list].", "[answer|reply] with [a JSON array|a JSON list] and nothing else.",
        "[format|set out] your answer as a JSON array.")),
    "and": (("words",), (
        "[write|put|give] the [result|answer] in one line with \"and\" before the last [entry|item].",
        "join the [entries|items] with commas and an \"and\" before the last one.")),
}  # fmt: skip
"""Name to the kinds of result it suits and its sentences."""


@functools.cache
def pattern(text: str) -> Pattern:
    """The compiled pattern of a frame."""
    return Pattern(text)


@functools.cache
def openings(*texts: str) -> tuple[str, ...]:
    """All wordings of the patterns, the longest first."""
    return tuple(sorted({w for text in texts for w in pattern(text).wordings}, key=lambda w: (-len(w), w)))


@functools.cache
def fixed_sentences() -> dict[str, tuple[str, str]]:
    """Sentence (lower case at its start) to what it says: ("working", "yes"), ("layout", name) or ("remark", "")."""
    found = {wording: ("working", "yes") for text in WORKING for wording in pattern(text).wordings}
    for name, (_, texts) in LAYOUTS.items():
        found |= {wording: ("layout", name) for text in texts for wording in pattern(text).wordings}
    remarks = [text for texts in REMARKS.values() for text in texts]
    return found | {wording: ("remark", "") for text in remarks for wording in pattern(text).wordings}


@functools.cache
def reasons() -> tuple[str, ...]:
    """All reasons that can end a sentence."""
    return openings(*NOTE_REASONS, *REPEAT_REASONS, *STEP_REASONS)


def without_reason(body: str) -> str:
    """The sentence without the reason at its end."""
    if not body.endswith(reasons()):
        return body
    return next(body.removesuffix(reason) for reason in reasons() if body.endswith(reason))


def stripped(text: str, starts: tuple[str, ...]) -> list[str]:
    """What is left of `text` after each of the openings that it has."""
    return [text[len(start) :] for start in starts if text.startswith(start)] if text.startswith(starts) else []
