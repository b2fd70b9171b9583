"""Checks of what a task works on: is it there, is it there once, and is it material rather than the answer?"""

from __future__ import annotations

import pytest
from task_checks import said

from synth.checks.tasks import CHECKS
from synth.records import Record

# -- missing_input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Summarise the passage.",
        "Summarize the following article in two sentences.",
        "Translate this sentence into German.",
        "Fix the bugs in the code below.",
        "Sort these numbers from the smallest to the largest.",
        "Sort these rivers from longest to shortest.",
        "Extract the name and the age as a JSON object.",
        "Write the following SQL query:",
        "How many kinds of fruit are there in the list?",
        "Using the table provided, say which shop sold most.",
        "Find the mistakes in the given text.",
        "Answer the question from the passage above.",
        "Classify the following as fruit or vegetable.",
        "Correct the following:",
        "Generate a strong password for this user.",
        "Find the capital of this country.",
        "How can I use these tools to mend a chair?",
        "Given the name of a city, say which river flows through it.",
        "Given two numbers, add them up.",
    ],
)
def test_an_instruction_that_points_at_material_needs_it(text: str) -> None:
    assert said("missing_input", text) == "missing_input"
    assert said("missing_input", text, "Anna sold 4 pears and Ben 17; the shop closed at noon.") is None


@pytest.mark.parametrize(
    "text",
    [
        'Translate this sentence into German: "The ferry is late."',
        "Sort these numbers: 4, 17, 9",
        "Sort the numbers 4, 17, 9 and 2.",
        "Summarise the passage.\nThe harbour office closes at six.",
        "Correct the following sentence: He go home.",
        "Write a text about the sea.",
        "Write a program that sorts a list of words.",
        "Write a short story with the following title: The Last Lighthouse",
        "What does the input field of a form do?",
        "What is the capital of France?",
        "Write a passage of 100 words that ends with a question.",
        "How do I open the text editor of Ubuntu?",
        "Write down what you hope for this coming year.",
        "How does this work?",
        "A cube has an edge of 5 cm. What is the volume of this cube?",
        "Bring this equation into its normal form: x + 2 = 3x",
        "Explain why bread rises and name two uses of this process.",
        "Given that it rains, what should I wear?",
        "Given a list of words, write a function that returns the longest.",
    ],
)
def test_an_instruction_that_holds_its_material_or_needs_none_is_left_alone(text: str) -> None:
    assert said("missing_input", text) is None


@pytest.mark.parametrize(
    "given",
    [
        "(pass a list of numbers as the argument to the function)",
        "[insert the text here]",
        "<your text here>",
        "The material",
        "The input",
        "the text to be summarised",
        "A table with three columns",
        "A list of numbers.",
        "A paragraph describing a holiday in Spain",
        "A short text about the weather.",
        "The code goes here",
    ],
)
def test_an_input_that_describes_material_is_none(given: str) -> None:
    assert said("missing_input", "Work on it as you were told.", given) == "missing_input"


@pytest.mark.parametrize(
    "given",
    [
        "A table was booked for three, and nobody came.",
        "The list is long.",
        "(3 + 4) * 2",
        "[1, 2, 3]",
        "(555) 012 345",
        "<p>Hello</p>",
        "the",
        "A letter from Rome:\nDear Ann, it rains.",
        "name,age\nAnn,4",
        "The report of the harbour office was late, had no figures and said nothing about storms.",
    ],
)
def test_an_input_that_is_material_is_left_alone(given: str) -> None:
    assert said("missing_input", "Work on it as you were told.", given) is None


def test_what_was_said_before_may_be_pointed_at() -> None:
    record = Record("Translate this sentence too.", history=(("Translate: Guten Tag", "Good day"),))
    assert CHECKS["missing_input"](record) is None


def test_the_name_of_a_file_is_not_its_text() -> None:
    assert said("missing_input", "Turn the rows into JSON.", "visitors.csv") == "missing_input"
    assert said("missing_input", "Turn the rows into JSON.", "visitors.csv,12") is None


# -- double_input ------------------------------------------------------------------------------------------------------


def test_a_quotation_to_work_on_beside_another_input_is_refused() -> None:
    task = 'Translate this sentence into French: "The week was long and hard."'
    assert said("double_input", task, "La semaine a été longue et dure.") == "double_input"
    assert said("double_input", task) is None
    assert said("double_input", task, "The week was long and hard.") is None


def test_a_short_quotation_names_something_and_is_no_material() -> None:
    assert said("double_input", "Name the tense of the verb: 'has gone'", "She has gone to the market.") is None


# -- answering_input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("Which planet is nearest to the sun?", "The planet nearest to the sun is Mercury."),
        ("What colour does litmus turn in acid?", "In acid litmus will turn the colour red. In a base it turns blue."),
        ("How can I sharpen a kitchen knife?", "To sharpen a kitchen knife, you need a whetstone:\n1. Wet it."),
    ],
)
def test_a_text_that_begins_as_an_answer_to_the_question_is_no_input(question: str, given: str) -> None:
    assert said("answering_input", question, given) == "answering_input"


@pytest.mark.parametrize(
    "task",
    [
        "Write a Python function that adds two numbers.",
        "Create a program to add up the numbers in a given list.",
        "Write a function that takes two numbers as input and returns their sum.",
        "Write a short piece of code that adds two numbers.",
    ],
)
def test_code_is_no_input_of_a_task_to_write_it(task: str) -> None:
    assert said("answering_input", task, "def total(a, b):\n    return a + b") == "answering_input"
    assert said("answering_input", task, "total(1, 2) == 3") is None


@pytest.mark.parametrize(
    "task",
    [
        "Write a function that calls the following one twice.",
        "Write a test for the given function.",
        "Write a short explanation of the function.",
        "Create a program that uses the provided Python class.",
    ],
)
def test_code_is_an_input_of_a_task_to_use_it(task: str) -> None:
    assert said("answering_input", task, "def total(a, b):\n    return a + b") is None


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("Which planet is nearest to the sun?", ""),
        ("Which of the planets is in this sentence?", "The planet nearest to the sun is Mercury."),
        ("Who won, and by how much?", "The home team scored twice in the last minutes. The guests went home."),
        ("When was the hall rebuilt?", "The village burned down in 1962. The hall was rebuilt four years later."),
        ("Is the review good or bad?", "I would not buy it again."),
    ],
)
def test_an_input_to_work_on_is_no_answer(question: str, given: str) -> None:
    assert said("answering_input", question, given) is None
