"""Conversations: the teacher as the user, and answers that take their material from an earlier turn of the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from synth.embedded.answer import answer
from synth.embedded.draws import Draw
from synth.embedded.generate import Task, Wish, draw_task, over
from synth.embedded.recognise import Prompt, split_task
from synth.embedded.task import domain_of, understand
from synth.embedded.values import Unfit

TRIES = 40
LEADS = {"correction": "No, not that. ", "deeper": "In more depth: ", "change of topic": "Something else: "}
THANKS, WELCOME = "Thank you, that is all.", "Gladly, until next time."
UNCLEAR, AGAIN = "I did not get that. What is the result?", "Once more, the result is this:\n"
LEAD = re.compile(rf"(?:{'|'.join(map(re.escape, LEADS.values()))})?(?:One more\. |About \"[^\"]*\": )?")
_ASKED = re.compile(r"message \(([\w ]+)\): the user (.*)")
_TURN = re.compile(r"\n\n(?=(?:User|Assistant): )")


def turns(text: str) -> list[tuple[str, str]]:
    parts = [turn.partition(": ") for turn in _TURN.split(text.strip()) if turn]
    return [(role.lower(), said) for role, _, said in parts]


def last_task(turns: Sequence[tuple[str, str]]) -> Task | None:
    """What the user asks in the last turn, on the material that stands there or in the nearest turn before it."""
    said = [text for role, text in turns if role == "user"]
    while said and said[-1] in (THANKS, UNCLEAR):
        said.pop()
    asked, material = split_task(said[-1]) if said else ("", "")
    for earlier in reversed(said[:-1]):
        material = material or split_task(earlier)[1]
    return understand(LEAD.sub("", asked, count=1), material)


def reply(turns: Sequence[tuple[str, str]], write: Callable[[Task], str] = answer) -> str | None:
    """The answer to the last turn; None where it is outside the grammar."""
    if turns[-1][1] == THANKS:
        return WELCOME
    task = last_task(turns)
    return ("" if task is None else (AGAIN if turns[-1][1] == UNCLEAR else "") + write(task)) or None


def written(task: Task) -> str:
    return f"{task.instruction}\n\n{task.input}".strip()


def user_turn(prompt: Prompt, draw: Draw, base: Wish) -> str:
    """The reply to `# Play the user`. Raises Unfit where the talk is outside the grammar."""
    said = turns(prompt.block("conversation so far"))
    found = _ASKED.search(prompt.text)
    (kind, wish), task = found.groups() if found else ("", ""), last_task(said)
    if kind in ("thanks", "unclear"):
        return THANKS if kind == "thanks" else UNCLEAR
    if kind == "change of topic":
        return LEADS[kind] + written(draw_task(draw, base))
    asked, word = {text for role, text in said if role == "user"}, re.search(r'"([^"]+)"', wish)
    lead = LEADS.get(kind, "") + (f'About "{word[1]}": ' if word else "One more. " if "one more" in wish else "")
    for _ in range(TRIES if task and task.input else 0):
        try:
            new = over(task.material, task.plan.noun, domain_of(task), draw, base)  # type: ignore[union-attr,arg-type]
        except Unfit:
            continue
        text = lead + new.instruction
        if text not in asked and understand(new.instruction, task.input):  # type: ignore[union-attr]
            return text
    raise Unfit("no further question about this talk")
