"""Turns of a talk that cannot be its user's or its assistant's are told from the talk alone; honest ones are let through."""

from __future__ import annotations

import pytest

from synth.checks.talk import agreement, answer_echo, user_echo
from synth.records import Record


def test_code_may_name_roles() -> None:
    talk = Record("Write it as YAML.", output="name: root")
    assert answer_echo("```yaml\nuser: root\nsystem: Linux\n```", talk) is None


def test_a_user_who_says_you_need_not_speak_as_an_assistant_does() -> None:
    talk = Record("How do I convert 3 miles to kilometres by hand?", "", "Multiply by 1.609: 4.83 kilometres.")
    for said in (
        "How do you know that is right?",
        "What do you want to show with this?",
        "What if you have tried that and it still fails?",
        "What happens if the value you are looking for is missing?",
        "Do you want me to paste the whole text?",
        "How do I convert 7 miles to kilometres by hand?",  # another case, though in the same words
        "Now convert it to metres, please.",
    ):
        assert user_echo(said, talk) is None, said


def test_a_user_who_asks_the_same_in_slightly_other_words_is_refused() -> None:
    talk = Record("Describe what happens to our brain when we learn something.", "", "It grows new connections.")
    assert user_echo("What happens to our brain when we learn something new?", talk) == "user_repeats_question"
    for wish in (
        "What happens to our brain when we sleep for a night?",
        "Now say it for children.",
        "Sorry, I am lost.",
        "I want to know more about sleep.",
        "Great, thanks for that.",
    ):
        assert user_echo(wish, talk) is None


def test_a_user_who_asks_about_the_same_words_again_is_refused() -> None:
    talk = Record("What are the three main factors that influence the stock market?", "", "Growth, rates and news.")
    again = "What are some of the major factors that influence the stock market?"
    assert user_echo(again, talk) == "user_repeats_question"
    assert user_echo("How do interest rates influence the price of a single share?", talk) is None


def test_a_user_who_points_to_what_does_not_follow_is_refused() -> None:
    talk = Record("Name a river.", "", "The Ebro.")
    assert user_echo("Which of the following statements is true about fish?", talk) == "missing_input"
    for complete in (
        "Which of the following is longer: the Tagus or the Po?",
        "Which of the following flow through Spain?\n- the Po\n- the Tagus",
        "Which of these rivers flows through Spain?",
    ):
        assert user_echo(complete, talk) is None


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        (
            "What is the common ancestor of dogs and wolves?",
            "The common ancestor of dogs and wolves is the wolf.",
            True,
        ),
        ("Why does the woman drive her car?", "Because the woman is driving the car.", True),
        ("Which one is longer, the Po or the Ebro?", "The longer one is the Ebro.", False),
        ("What does lacks mean?", "Lacks means to be short of or lacking in something.", True),
        ("What does challenge mean?", "A challenge is a situation or situation that needs effort.", True),
        ("What is the director called?", "The managing director is the managing director.", True),
        ("Who are the Patrons?", "The Patrons are a group of people known as the Patrons.", True),
        ("Is Paris large?", "Paris is the capital of France, and two million people live in Paris.", False),
        ("What is a museum?", "A museum keeps old things. A museum shows them.", False),
        ("What is 5 % of 100?", "5 % of 100 is 5.", False),
        ("Why do dogs bark?", "Because they want to warn us.", False),
    ],
)
def test_an_answer_in_the_words_of_its_question_alone_is_refused(question: str, answer: str, reason: bool) -> None:
    found = answer_echo(answer, Record(question, "", "", "", (("Hello there", "Hello."),)))
    assert found == ("circular_answer" if reason else None)


def test_an_answer_that_says_what_earlier_answers_said_is_refused() -> None:
    said = (("Why is fire a sign of the sun?", "Fire is linked with the sun, a source of light and heat."),)
    again = "Fire is linked with the sun because it is a source of light and heat."
    assert answer_echo(again, Record("Why is it?", "", "", "", said)) == "nothing_new"
    assert answer_echo(again, Record("Say that again.", "", "", "", said), may_copy=True) is None
    assert answer_echo("Because both glow and burn wood.", Record("Why is it?", "", "", "", said)) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Why did you choose fire?", "user_is_personal"),
        ("What are some friends you have?", "user_is_personal"),
        ("How do you light a fire in the rain?", None),
        ("That is really disappointing.", "user_tells"),
        ("Experiencing a significant change.", "user_tells"),
        ("Fire, sun, direct.", "user_tells"),
        ("Make it shorter", None),
        ("Thanks! Is there anything else you need?", "user_answers"),
        ("Yes, it is linked with the sun.", "user_answers"),
        ("Could you tell me the sign of the sun?", "user_repeats_question"),
    ],
)
def test_a_user_wants_something_of_the_matter(text: str, reason: str | None) -> None:
    talk = Record("Which sign has the sun? Tell me.", "", "Fire is linked with the sun, a source of light and heat.")
    assert user_echo(text, talk) == reason


def test_an_answer_that_copies_an_earlier_one_is_refused_unless_that_was_asked_for() -> None:
    long = " ".join(f"word{n}" for n in range(30))
    asked = Record("Why is that so?", "", "", "", (("Tell me about words.", f"{long}."), ("And then?", "Nothing.")))
    copy = f"It is so because of this: {long}"
    assert answer_echo(copy, asked) == "assistant_copies" and answer_echo(copy, asked, may_copy=True) is None
    new = " ".join(f"other{n}" for n in range(30))
    assert answer_echo(f"{new} {long}", asked) is None and answer_echo(f"{{{copy}}}", asked) is None


def test_answers_agree_by_the_words_that_the_question_does_not_have() -> None:
    question = "Which city was the first one in the world?"
    rome, uruk = "The first city was Rome.", "Uruk was the first city in the world."
    assert agreement("The first city was Uruk.", uruk, question) == 1
    assert agreement(rome, uruk, question) == 0
    assert agreement(rome, "The first city was Rome, or Uruk.", question) == 0.5
    assert agreement("It has 12 digits.", "It has 9 digits.", "How many digits has it?") == 0
    assert agreement("Yes.", "Yes.", question) == agreement("y" * 5_000, "y" * 5_000, question) == 1
