"""Worked examples of the operators, our own writing: a task before and after, as a prompt shows them to the teacher."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A task in an example."""

    instruction: str
    input: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Worked:
    """What `operator` made of a task."""

    operator: str
    before: Task
    after: Task


_CLOSING = (
    "The harbour office closes at six. Boats that come in later pay at the fuel pier, where a box takes coins only."
)
_SOUP = "The soup was cold when it came, and nobody said sorry."
_MEALS = "1. The soup was cold when it came.\n2. I loved the plum cake.\n3. The plum cake was dry this time."
_RAIN = "day,temperature,rain\nMonday,14,yes\nTuesday,18,no\nWednesday,11,yes\nThursday,17,yes"

DEPTH = (
    Worked(
        "add_constraint",
        Task("Summarise the paragraph.", _CLOSING),
        Task("Summarise the paragraph in one sentence of at most 15 words that does not use the word harbour."),
    ),
    Worked(
        "deepen",
        Task("What is photosynthesis?"),
        Task("What is photosynthesis, and what would a month without sunlight do to the sugar stored in a plant?"),
    ),
    Worked(
        "concretise",
        Task("Write an e-mail to a colleague."),
        Task(
            "Write an e-mail to Priya, who plans the night shifts at a print shop, and ask her to give you Friday off "
            "for your sister's wedding."
        ),
    ),
    Worked(
        "increase_reasoning",
        Task("How many eggs are left?", "A box held 30 eggs. Ana used 7 and dropped 2."),
        Task("How many eggs are left if Ana then bakes two cakes of four eggs each? Explain how you arrive at it."),
    ),
)
"""Operators that leave the input as it is: only the instruction is written anew."""

RICHER_INPUT = (
    Worked(
        "complicate_input",
        Task("Find the average.", "14, 18, 11, 17"),
        Task("Find the average temperature of the days on which it rained.", _RAIN),
    ),
    Worked(
        "complicate_input",
        Task("Is the review positive or negative?", _SOUP),
        Task("Label each review positive or negative, and name the dish that was both praised and criticised.", _MEALS),
    ),
    Worked(
        "complicate_input",
        Task("Write a Python function that adds two numbers."),
        Task(
            "Write a Python function that adds up the prices in this order and takes off the discount.",
            '{"prices": [12.5, 3.0, 8.25], "discount_percent": 10}',
        ),
    ),
)
BREADTH = (
    Worked(
        "breadth",
        Task("Suggest a name for a bakery."),
        Task("Write a slogan for a workshop that repairs old accordions."),
    ),
    Worked(
        "breadth",
        Task("What is the difference between a crow and a raven?"),
        Task("Why do swifts sleep in the air and swallows on wires?"),
    ),
    Worked(
        "breadth",
        Task("Rewrite the sentence in the past tense.", "She opens the gate and calls the dog."),
        Task(
            "Turn the statement into a question that can be answered with yes or no.", "The ferry left before the tide."
        ),
    ),
    Worked(
        "breadth",
        Task("Classify the animal as a mammal or a bird.", "Dolphin"),
        Task("Is the instrument a string, a wind or a percussion instrument?", "Hurdy-gurdy"),
    ),
)
