"""What the user of a talk may do next: how the prompt words it, an example of it, and whether an answer does it."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from dataclasses import dataclass

from synth.checks.talk import telling
from synth.prompts.domains import DOMAINS
from synth.records import Record
from synth.stages.converse.conditions import (
    VAGUE,
    Done,
    Fits,
    Said,
    Taken,
    both,
    collects,
    explains_anew,
    explains_something,
    has_one_answer,
    has_parts,
    has_sentences,
    is_hard,
    is_list,
    is_long,
    is_one_sentence,
    is_shorter,
    is_simpler,
    names,
    names_a_case,
    says,
    stands_alone,
    uses,
)
from synth.stages.converse.texts import asks_about, asks_what_it_says, brings_a_text, stands_there, untold, whole

LAST, TOPIC = "thanks", "change of topic"
LEAD = "Thanks. On another subject:"
"""How the user of an example changes the subject; any user may begin so."""
_NUM_WORDS = 6
"""Of so many of the longest telling words of an answer the one is drawn that the user asks about."""
_SHORTEST_WORD = 8
"""Letters of a word that a user may not know."""
_WORD = re.compile(r"(?<!['’])\b[^\W\d_]+\b(?!['’])")
"""A whole word: neither the "doesn" nor the "t" of "doesn't"."""
_TURNS = (
    r"\b(?:(?:another|different|new|other) (?:subject|topic|question|thing|matter)|something (?:else|different)"
    r"|by the way|unrelated|change (?:of|the) (?:subject|topic)|moving on)\b"
)
"""How a user says that the subject changes."""
_VERBAL = ("ing", "ed")
"""Endings of words that a user seldom asks the meaning of: having, reminding, provided."""


@dataclass(frozen=True, slots=True)
class Example:
    """A user's question, its answer, and what the user said next, about a word or sentence."""

    question: str
    answer: str
    message: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that the user may want.

    `text` ends the sentence "The user ..."; {about} stands for what is drawn `of` the talk: a word of the last answer,
    a sentence of the text that the user brought, or a domain of life. `fits` tells whether a talk leaves it to be
    wished for, `is_said` whether a message says it, `taken` what the talk takes for the answer, `is_done` whether that
    does it. `is_open`: the answer tells of the world, so that further draws can be compared with it. `may_copy`: it may
    repeat the last one.
    """

    text: str
    examples: tuple[Example, ...]
    of: str = ""
    fits: Fits = lambda _talk: True
    is_said: Said = lambda _message, _talk, _about: True
    taken: Taken = lambda _asked, answer, _about: answer
    is_done: Done = lambda _asked, _answer, _about: True
    is_open: bool = True
    may_copy: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A wish of one kind, about something drawn."""

    kind: str
    wish: Wish
    about: str

    @property
    def text(self) -> str:
        """The wish as the prompt words it."""
        return self.wish.text.format(about=self.about)

    def is_said(self, message: str, talk: Record) -> bool:
        """Does a user's message after `talk` say it?"""
        return self.wish.is_said(message, talk, self.about)

    def taken(self, asked: Record, answer: str) -> str:
        """What the talk takes for the answer to the question of `asked`, where the teacher answers `answer`."""
        return self.wish.taken(asked, answer, self.about)

    def is_done(self, asked: Record, answer: str) -> bool:
        """Does an answer to the question of `asked` do it?"""
        return self.wish.is_done(asked, answer, self.about)


_POOL, _TOWER, _DOUGH, _PUMP, _MAP = (
    ("When can beginners swim?\n\n"
     "The pool in Mill Lane is open to beginners on Mondays from six to eight. Bring a cap and a padlock for the "
     "locker. Children under ten need an adult in the water with them.",
     "On Mondays from six to eight."),
    ("Give this a title.\n\n"
     "The lighthouse at Skarn was built of granite in 1871, after eleven ships had been lost on the reef in one "
     "winter. Its lamp burned rape oil until 1904 and gas after that. The last keeper left in 1983, when the lamp "
     "was made automatic.",
     "The lighthouse at Skarn"),
    ("How long does the dough rest?\n\n"
     "Mix flour, water and the starter to a soft dough and put it in the fridge until morning. A night in the cold "
     "gives the dough time to form acids, which make the bread taste stronger. Bake it for forty minutes in a "
     "closed pot.",
     "Until the next morning."),
    ("What is this text about?\n\n"
     "A heat pump takes warmth from the air or the ground outside and brings it into the house. It needs about one "
     "unit of electricity for three units of heat. In a hard frost it has to thaw itself now and then, and the "
     "radiators get cooler for some minutes.",
     "How a heat pump works."),
    ("Who was Ida Brandt?\n\n"
     "Ida Brandt taught drawing at a girls' school before she turned to maps. She walked the whole coast of the "
     "island twice with a compass and a chain. Her map of 1894 was used by sailors until the war.",
     "A teacher of drawing who became a maker of maps."),
)  # fmt: skip
"""Questions with a text below them, and their answers."""
_ASKS_THE_TEXT = Wish(
    'asks a question that this sentence of the text answers, and names in it what it is about: "{about}"',
    (
        Example(*_POOL, "Who has to be in the water with children under ten?",
                "Children under ten need an adult in the water with them."),
        Example(*_TOWER, "Why was the lighthouse at Skarn built?", "The lighthouse at Skarn was built of granite in "
                "1871, after eleven ships had been lost on the reef in one winter."),
        Example(*_DOUGH, "How does a night in the cold change the taste of the bread?", "A night in the cold gives the "
                "dough time to form acids, which make the bread taste stronger."),
        Example(*_PUMP, "How much electricity does a heat pump need?",
                "It needs about one unit of electricity for three units of heat."),
        Example(*_MAP, "How long did sailors use Ida Brandt's map?",
                "Her map of 1894 was used by sailors until the war."),
    ),
    "sentence", is_said=asks_about, taken=whole, is_done=stands_there,
)  # fmt: skip
_ASKS_WHAT_IT_SAYS = Wish(
    'asks what the text says about a thing that only this sentence of it speaks of: "{about}"',
    (
        Example(*_POOL, "What does the notice say about padlocks?", "Bring a cap and a padlock for the locker."),
        Example(*_TOWER, "What does the text say about the last keeper?",
                "The last keeper left in 1983, when the lamp was made automatic."),
        Example(*_DOUGH, "What does the recipe say about baking?", "Bake it for forty minutes in a closed pot."),
        Example(*_PUMP, "What does the text say about hard frost?", "In a hard frost it has to thaw itself now and "
                "then, and the radiators get cooler for some minutes."),
        Example(*_MAP, "What does the text tell about the coast of the island?",
                "She walked the whole coast of the island twice with a compass and a chain."),
    ),
    "sentence", is_said=asks_what_it_says, taken=whole, is_done=stands_there, is_open=False,
)  # fmt: skip
WISHES: dict[str, tuple[Wish, ...]] = {
    "follow up": (
        Wish('asks what "{about}" means.',
             (Example("Name a herb that grows in shade.", "Mint, which is a perennial, grows in shade.",
                      "What is a perennial?", "perennial"),),
             "word", is_said=both(names, says(r"\b(?:mean\w*|what|explain|define)\b"))),
        Wish('asks for a sentence with "{about}" in it.',
             (Example("Give me another word for rarely.", "Seldom means the same.",
                      "Can you use seldom in a sentence?", "seldom"),),
             "word", is_said=both(names, says(r"\b(?:sentence|example)\b")), is_done=uses, is_open=False),
        Wish("asks for one more of the same kind.",
             (Example("Name a herb that grows in shade.", "Mint grows well in shade.", "Can you name another one?"),),
             fits=collects, is_said=says(r"\b(?:one more|more|another|other|else)\b")),
        Wish("asks the same for another case, which the user names.",
             (Example("How do I write 3/4 as a percentage?", "Divide 3 by 4 and multiply by 100: 75 %.", "And 5/8?"),),
             fits=has_one_answer, is_said=names_a_case, may_copy=True),
        _ASKS_THE_TEXT,
        _ASKS_WHAT_IT_SAYS,
    ),
    "correction": (
        Wish("asks for the last answer again, but shorter.",
             (Example("What does a notary do?",
                      "A notary checks who signs a paper, watches the signing and confirms both with a seal, so that "
                      "courts trust it and nobody can say later that the name is not theirs.",
                      "Can you make that shorter?"),),
             fits=is_long, is_said=says(r"\b(?:short\w*|brief\w*|fewer|long|words|concise\w*|sum)\b"),
             is_done=is_shorter, is_open=False, may_copy=True),
        Wish("asks for the last answer again, in one sentence.",
             (Example("How do tides come about?", "The moon pulls at the sea. Where the pull is strongest the water "
                      "rises, and there it is high tide.", "I need that as a single sentence, please."),),
             fits=has_sentences, is_said=says(r"\bsentence\b"), is_done=is_one_sentence, is_open=False, may_copy=True),
        Wish("asks for the last answer again, as a list.",
             (Example("What do I need for a picnic?", "You need a blanket to sit on, bread and cheese, something to "
                      "drink and a bag for the rubbish.", "Could I have that as a list?"),),
             fits=has_parts, is_said=says(r"\b(?:list|points?|bullets?)\b"), is_done=is_list, is_open=False,
             may_copy=True),
        Wish("asks for the last answer again, in simpler words.",
             (Example("What is inflation?", "Inflation denotes a sustained increase in the general level of prices.",
                      "Can you say that in simpler words?"),),
             fits=lambda talk: explains_something(talk) and not brings_a_text(talk),
             is_said=says(r"\b(?:simpl\w+|eas\w+|plain\w*|understand\w*|child\w*)\b"),
             is_done=is_simpler, is_open=False, may_copy=True),
    ),
    "deeper": (
        Wish("asks for more about one point of the last answer.",
             (Example("What did the Romans use lead for?", "They made water pipes of it, and cups.",
                      "Did the cups make people ill?"),)),
        Wish('asks for more about "{about}".',
             (Example("Name the planets between the sun and Mars.", "Mercury, Venus and Earth.",
                      "How hot does it get on Venus?", "Venus"),),
             "word", is_said=names),
        _ASKS_THE_TEXT,
        _ASKS_WHAT_IT_SAYS,
    ),
    TOPIC: (
        Wish("changes the subject, says so, and asks what something is, to do with {about}.",
             (Example("Convert 3 miles to kilometres.", "3 miles are about 4.83 kilometres.",
                      f"{LEAD} what is a roux?", "school kitchen"),),
             "domain", is_said=both(both(says(_TURNS), stands_alone), names_a_case)),
    ),
    "unclear": (
        Wish("did not understand the last answer and says so.",
             (Example("What is a lease?", "You use a thing for a monthly fee and give it back at its residual value.",
                      "Residual what? I don't get it."),),
             fits=is_hard, is_done=explains_anew),
    ),
    LAST: (
        Wish("says thanks and asks nothing more.",
             (Example("How long do I boil a soft egg?", "About six minutes once the water boils.",
                      "Six minutes it is, thanks!"),),
             is_open=False),
    ),
}  # fmt: skip
"""What the user may do next → the ways to do it; one of those that fit is drawn."""
KINDS = tuple(WISHES)
SHARES = {"follow up": 0.35, "correction": 0.25, "deeper": 0.15, TOPIC: 0.1, "unclear": 0.05, LAST: 0.1}


def draw(
    kind: str, talk: Record, rng: random.Random, has_left: bool = False, tried: Collection[str] = frozenset()
) -> Drawn:
    """One wish of the kind that fits the last answer of `talk`, or any that fits.

    A user who brought a text asks about it while it tells anything new. `has_left`: the user has changed the subject.
    `tried`: what wishes were about that came to nothing; as long as there is something else, that is drawn.
    """
    sentences = [] if has_left else untold(talk)
    found = {"": [""], "word": _words(talk), "sentence": sentences, "domain": DOMAINS}
    fitting = [
        (name, wish) for name in (kind, *KINDS[:3]) for wish in WISHES[name] if wish.fits(talk) and found[wish.of]
    ]
    fitting = [one for one in fitting if one[0] == kind] or fitting
    fitting = [one for one in fitting if one[1].of == "sentence"] or fitting
    name, wish = rng.choice(fitting)
    untried = [about for about in found[wish.of] if about not in tried]
    return Drawn(name, wish, rng.choice(untried or found[wish.of]))


def _words(talk: Record) -> list[str]:
    """The longest telling words of the last answer that no question has, as they are written."""
    written = {one.lower(): one for one in _WORD.findall(talk.output)}
    asked = {word for turn in talk.messages() if turn["role"] == "user" for word in telling(turn["content"])}
    words = [
        word
        for word in telling(talk.output) - asked - VAGUE
        if word in written and len(word) >= _SHORTEST_WORD and not word.endswith(_VERBAL)
    ]
    return [written[word] for word in sorted(words, key=lambda word: (-len(word), word))[:_NUM_WORDS]]


def examples(drawn: Drawn | None = None) -> list[dict[str, str]]:
    """Worked examples for the prompt of a wish: all its own where it is about a text, else one of each wish.

    What is wished most often comes last. Without a wish: all examples there are.
    """
    if drawn and drawn.wish.of == "sentence":
        return [_shown(drawn.kind, drawn.wish, one) for one in drawn.wish.examples]
    return [
        _shown(kind, wish, one)
        for kind, wishes in reversed(WISHES.items())
        for wish in wishes
        for one in (wish.examples[:1] if drawn else wish.examples)
    ]


def _shown(kind: str, wish: Wish, example: Example) -> dict[str, str]:
    return {
        "kind": kind,
        "wish": wish.text.format(about=example.about),
        "so_far": f"User: {example.question}\n\nAssistant: {example.answer}",
        "message": example.message,
    }
