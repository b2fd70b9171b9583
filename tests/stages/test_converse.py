"""Converse: what the user does next is drawn, echoes are refused with reasons, answers are right given the whole talk."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from commands import synth
from pydantic import ValidationError
from scripted import Scripted, collect, whole

from synth.checks.talk import user_echo
from synth.embedded.answer import answer
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import prove
from synth.embedded.recognise import split_task
from synth.embedded.talk import AGAIN, LEAD, THANKS, UNCLEAR, WELCOME
from synth.embedded.task import understand
from synth.errors import RequestRefused
from synth.models.base import ChatRequest, Completion
from synth.records import Record, Rejection
from synth.sources import read_records
from synth.stages.converse import ConverseSettings, converse
from synth.stages.converse.questions import says_little
from synth.stages.converse.stage import TRIES
from synth.stages.converse.texts import asks_about, stands_there
from synth.stages.converse.wishes import KINDS, WISHES, draw, examples
from synth.verify.sentences import split_sentences

FIRST = Record("Name a river.", "In Spain, please.", "The Ebro is a river in Spain.", "Be brief.")
LONG = Record(
    "What is a river? Please name one.",
    output="A river is a natural stream of water that flows from its source through countries and cities towards the sea. "
    "Navigable rivers carry ships between neighbouring countries, for example the Danube.",
)
ASKED, ANSWERED = "How long is it from the source to the sea?", "It is about 930 kilometres long."


def asked(n: int) -> str:
    """A question that shares few words with those of other numbers."""
    return " ".join(f"{word}{n}" for word in ASKED.rstrip("?").split()) + "?"


def answered(n: int) -> str:
    return " ".join(f"{word}{n}" for word in ANSWERED.rstrip(".").split()) + "."


def is_user_side(request: ChatRequest) -> bool:
    return request.messages[0]["content"].startswith("# Play the user")


def wish_of(request: ChatRequest) -> str:
    return request.messages[-1]["content"].rstrip().rpartition(": the user ")[2]


def saying(wish: str, question: str) -> str:
    """A question that says the wish: with its word, for one more, or for what is to be changed."""
    if "last answer again" in wish:
        return "Can you say that in one short sentence, as a simple list?"
    if "changes the subject" in wish:
        return f"On another subject: {question}"
    word = re.search(r'"(.+)"', wish)
    more = "Another one: " if "one more" in wish else ""
    return f"{more}{question.rstrip('?')}, and what would {word[1]} mean in a sentence?" if word else more + question


def by_side(user: Callable[[int], str], assistant: Callable[[int], str | Completion]) -> Scripted:
    """A teacher whose texts depend on the side and on how many times that side was asked before."""
    counts: Counter[bool] = Counter()

    def reply(request: ChatRequest) -> str | Completion:
        side = is_user_side(request)
        counts[side] += 1
        if not side:
            return assistant(counts[side])
        text = user(counts[side])
        return saying(wish_of(request), text) if text.endswith("?") else text

    return Scripted(reply)


def talks(place: Path, model: Scripted, records: Sequence[Record], **settings: Any) -> list[Record | Rejection]:
    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    chosen = ConverseSettings.model_validate(settings)
    return [result for (result,) in collect(place, model, lambda engine: converse(engine, stream(), chosen))]


def talked(place: Path, model: Scripted, record: Record = FIRST, **settings: Any) -> Record | Rejection:
    [result] = talks(place, model, [record], **settings)
    return result


def turns_of(place: Path, count: int, **settings: Any) -> list[list[str]]:
    """The kinds of the user's turns in the talks of so many tasks."""
    model = by_side(lambda n: asked(n), lambda n: answered(n))
    tasks = [replace(FIRST, instruction=f"{FIRST.instruction} ({n})") for n in range(count)]
    return [talk.meta["turns"] for talk in talks(place, model, tasks, **settings) if isinstance(talk, Record)]


def test_the_talk_grows_by_questions_that_are_answered_with_all_before_them(tmp_path: Path) -> None:
    model = by_side(lambda n: asked(n), lambda n: answered(n))
    talk = talked(tmp_path, model, num_turns=2, shares={"deeper": 1})
    assert isinstance(talk, Record) and talk.system == FIRST.system and talk.output == answered(2)
    assert talk.history[0] == (FIRST.question, FIRST.output) and talk.history[1][1] == answered(1)
    assert talk.meta == {"turns": ["deeper", "deeper"], "ended": "num_turns"}
    assert len(talk.lineage.completion_keys) == 4
    answering = [request for request in model.requests if not is_user_side(request)]
    assert list(answering[-1].messages) == talk.messages()[:-1]


def test_requests_of_one_talk_begin_alike_so_that_a_prefix_cache_serves_them(tmp_path: Path) -> None:
    model = by_side(lambda n: asked(n), lambda n: answered(n))
    talked(tmp_path, model, num_turns=6, shares={"deeper": 1})
    for side, tail in ((True, 400), (False, 0)):
        texts = [whole(request) for request in model.requests if is_user_side(request) is side]
        for text, later in pairwise(texts):
            assert later.startswith(text[: len(text) - tail])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Sure, here is more about it.", "user_answers"),
        ("How can I help you today?", "user_answers"),
        ("Is there a river that you are looking for?", "user_answers"),
        ("Which of these rivers would you like to see?", "user_answers"),
        ("OK. Are you looking for a river in Spain?", "user_answers"),
        ("User: how long is it?", "role_name"),
        ("I see.\n**Assistant:** It is long.", "role_name"),
        ("I see.\n### Assistant\nIt is long.", "role_name"),
        ("How long is it?<|im_end|>\n<|im_start|>assistant", "role_name"),
        ("Which length do you want to see?", "user_answers"),
        ("[INST] How long is it? [/INST]", "role_name"),
        ("Benutzer: Wie lang ist er?", "role_name"),
        (FIRST.output, "user_repeats_answer"),
        ("name a river in spain please", "user_repeats_question"),
        ("a river in Spain", "user_repeats_answer"),
        ("In Spain the Ebro is a river.", "user_tells"),
        ("The Ebro is a river in Spain, like those I see when I wake up there.", "user_tells"),
        ("Regular exercise keeps all of us healthy and awake.", "user_tells"),
        (" ".join(f"thing{n}" for n in range(50)), "user_tells"),
        ("Residual what? I don't get it.", "prompt_echo"),
        ("How long is the Ebro?\n```\n\nWrite the user's next message (thanks): none", "prompt_echo"),
        (
            "How long is the Ebro, from its spring to the sea?\n\nWrite the user's next message (thanks): none",
            "prompt_echo",
        ),
        ("Wie lang ist der Fluss und wo ist die Quelle?", "wrong_language"),
    ],
)
def test_a_user_who_is_none_is_asked_again_with_another_wish_and_then_refused(
    said: str, reason: str, tmp_path: Path
) -> None:
    model = by_side(lambda n: said, lambda n: ANSWERED)
    found = talked(tmp_path / "a", model, language="en", shares={"deeper": 1})
    assert isinstance(found, Rejection) and (found.check, found.reason) == ("talk", reason)
    assert found.record.output == FIRST.output and len(model.requests) == TRIES
    second = by_side(lambda n: said if n == 1 else ASKED, lambda n: ANSWERED)
    talk = talked(tmp_path / "b", second, num_turns=1, language="en", shares={"deeper": 1})
    assert isinstance(talk, Record) and talk.instruction != said and len(second.requests) == 3


def test_a_user_who_goes_on_with_an_example_of_the_prompt_is_refused(tmp_path: Path) -> None:
    planets = "Which of these planets is closest to Mars?"
    found = talked(tmp_path, by_side(lambda n: planets, lambda n: ANSWERED), shares={"follow up": 1})
    assert isinstance(found, Rejection) and found.reason == "prompt_echo"


def test_an_answer_about_another_case_may_repeat_the_one_before_and_others_may_not(tmp_path: Path) -> None:
    long = " ".join(f"word{n}" for n in range(30))
    first = replace(FIRST, instruction="What is a river?", output=f"{long}.")
    tasks = [replace(first, input=f"Case {n}.") for n in range(20)]
    model = by_side(asked, lambda n: f"So it is here: {long}")
    found = talks(tmp_path / "a", model, tasks, num_turns=1, shares={"follow up": 1})
    answered = {wish_of(asked) for asked, then in pairwise(model.requests) if is_user_side(asked) > is_user_side(then)}
    assert any(isinstance(talk, Record) for talk in found)
    assert any(wish.startswith("asks the same for another case") for wish in answered)
    refused = talks(tmp_path / "b", model, tasks, num_turns=1, shares={"deeper": 1})
    assert {one.reason for one in refused if isinstance(one, Rejection)} == {"assistant_copies"} and len(refused) == 20


def drawn(others: str, place: Path, kind: str = "deeper", **settings: Any) -> tuple[Record | Rejection, Scripted]:
    """A talk of three draws for each answer, of which the second and third say `others`."""
    model = by_side(asked, lambda n: "It is the Danube." if n % 3 == 1 else others)
    return talked(place, model, num_draws=3, shares={kind: 1}, **settings), model


def test_a_talk_ends_before_a_turn_whose_answer_the_teacher_does_not_repeat(tmp_path: Path) -> None:
    talk, model = drawn("The Danube, it is.", tmp_path / "a", num_turns=1, sampling={"temperature": 0})
    assert isinstance(talk, Record) and talk.output == "It is the Danube." and talk.meta["agreement"] == 1
    answers = [request for request in model.requests if not is_user_side(request)]
    assert [request.sampling.temperature for request in answers] == [0, 1, 1]
    refused, other = drawn("It is the Rhine.", tmp_path / "b", num_turns=1)
    assert isinstance(refused, Rejection) and refused.reason == "draws_disagree" and len(other.requests) > 2 * TRIES
    noted, _ = drawn("It is the Rhine.", tmp_path / "c", num_turns=1, min_agreement=0)
    assert isinstance(noted, Record) and noted.meta["agreement"] == 0


def test_a_further_draw_that_is_cut_ends_the_talk_before_its_question_and_is_not_asked_again(tmp_path: Path) -> None:
    river, cut = "It is the Danube.", Completion("The Rhine, " * 20, "length")
    said = [river, river, "Its mouth is at Sulina.", cut]
    model = by_side(asked, lambda n: said[n - 1 if n < 5 else 2 + (n - 1) % 2])
    talk = talked(tmp_path, model, num_draws=2, num_turns=2, shares={"deeper": 1})
    assert isinstance(talk, Record) and talk.meta["ended"] == "draws_disagree" and len(talk.history) == 1
    assert len(model.requests) == 3 + 3 * TRIES


def test_what_a_teacher_explains_anew_and_does_not_repeat_is_refused(tmp_path: Path) -> None:
    explained = ("Rain runs downhill until it meets the ocean.", "Ships can sail on deep wet roads.")
    model = by_side(asked, lambda n: explained[n % 2])
    talk = talked(tmp_path, model, LONG, num_draws=2, num_turns=1, shares={"unclear": 1})
    assert isinstance(talk, Rejection) and talk.reason == "draws_disagree"


def test_answers_in_other_words_are_drawn_once(tmp_path: Path) -> None:
    model = by_side(asked, lambda n: "* A river is a stream of water.\n* It flows to the sea.\n* It carries ships.")
    talk = talked(tmp_path, model, LONG, num_draws=3, num_turns=1, shares={"correction": 1})
    assert isinstance(talk, Record) and "agreement" not in talk.meta and talk.meta["turns"] == ["correction"]
    answers = [request for request in model.requests if not is_user_side(request)]
    assert len(answers) == len(model.requests) / 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (ASKED, "assistant_repeats_question"),
        ("And how long is the Tagus?", "assistant_asks"),
        ("It is long.\n\nUser: thanks!", "role_name"),
        ("Das ist nicht bekannt, aber es sind mehr als 900.", "wrong_language"),
    ],
)
def test_an_assistant_that_asks_itself_is_refused(said: str, reason: str, tmp_path: Path) -> None:
    found = talked(tmp_path, by_side(lambda n: ASKED, lambda n: said), language="en", shares={"deeper": 1})
    assert isinstance(found, Rejection) and found.reason == reason


def test_a_later_turn_that_is_refused_ends_the_talk_before_it(tmp_path: Path) -> None:
    model = by_side(lambda n: ASKED if n == 1 else "Human: and?", lambda n: ANSWERED)
    talk = talked(tmp_path, model, num_turns=3, shares={"deeper": 1})
    assert isinstance(talk, Record) and talk.meta["ended"] == "role_name" and len(talk.history) == 1


def test_the_user_ends_the_talk_by_thanks_or_by_having_nothing_to_say(tmp_path: Path) -> None:
    model = by_side(lambda n: ASKED if n == 1 else "END.", lambda n: ANSWERED)
    talk = talked(tmp_path, model, num_turns=5, shares={"follow up": 1})
    assert isinstance(talk, Record) and talk.meta["ended"] == "user_ended" and len(talk.history) == 1


def test_no_talk_ends_before_its_least_number_of_turns_and_thanks_come_last(tmp_path: Path) -> None:
    drawn = turns_of(tmp_path, 25, num_turns=6, min_turns=3)
    assert drawn and all(len(kinds) >= 3 and "thanks" not in kinds[:-1] for kinds in drawn)
    assert any(kinds[-1] == "thanks" for kinds in drawn)


def test_the_kinds_are_drawn_with_their_shares(tmp_path: Path) -> None:
    drawn = turns_of(tmp_path, 80, num_turns=1, shares={"follow up": 3, "change of topic": 1})
    counts = Counter(kind for kinds in drawn for kind in kinds)
    assert set(counts) == {"follow up", "change of topic"} and counts.total() == 80 and 45 < counts["follow up"] < 75


def test_a_talk_that_fills_the_context_ends_between_turns_and_says_so(tmp_path: Path) -> None:
    model = by_side(lambda n: asked(n), lambda n: f"stream{n} " * 150)
    talk = talked(tmp_path / "a", model, num_turns=9, max_tokens=500, shares={"follow up": 1})
    assert isinstance(talk, Record) and talk.meta["ended"] == "max_tokens" and 1 < len(talk.history) < 9

    def refuse(n: int) -> str:
        if n > 1:
            raise RequestRefused("too many tokens", "too_long")
        return ANSWERED

    model = by_side(lambda n: asked(n), refuse)
    talk = talked(tmp_path / "b", model, num_turns=9, shares={"follow up": 1})
    assert isinstance(talk, Record) and talk.meta["ended"] == "context" and len(talk.history) == 1


@pytest.mark.parametrize("reason", ["context_overflow", "cut_off", "content_filter"])
def test_a_talk_keeps_its_turns_when_a_later_request_is_refused(reason: str, tmp_path: Path) -> None:
    def refuse(n: int) -> str:
        if n > 1:
            raise RequestRefused("no answer", reason)
        return ANSWERED

    talk = talked(tmp_path / "a", by_side(lambda n: asked(n), refuse), num_turns=9, shares={"follow up": 1})
    ended = "context" if reason == "context_overflow" else reason
    assert isinstance(talk, Record) and talk.meta["ended"] == ended and len(talk.history) == 1


def test_a_record_that_is_too_long_as_it_is_stays_as_it_is(tmp_path: Path) -> None:
    long = Record("Tell it all.", output="word " * 600, history=(("Who?", "He."),))
    talk = talked(tmp_path, by_side(lambda n: asked(n), lambda n: ANSWERED), long, max_tokens=500)
    assert isinstance(talk, Record) and (talk.output, talk.history) == (long.output, long.history)
    assert talk.meta["ended"] == "max_tokens" and talk.meta["turns"] == []


def test_persona_and_language_stand_in_the_users_prompt_alone(tmp_path: Path) -> None:
    model = by_side(lambda n: ASKED, lambda n: ANSWERED)
    talk = talked(tmp_path, model, num_turns=1, personas=["A hurried nurse."], language="en")
    assert isinstance(talk, Record) and talk.meta["persona"] == "A hurried nurse."
    for request in model.requests:
        assert ("A hurried nurse." in whole(request)) is is_user_side(request) is ("writes English" in whole(request))


def test_a_record_without_an_answer_is_left_alone(tmp_path: Path) -> None:
    open_task = Record("Name a river.")
    assert talked(tmp_path, by_side(lambda n: ASKED, lambda n: ANSWERED), open_task) == open_task


@pytest.mark.parametrize(
    "wrong", [{"min_turns": 3}, {"shares": {"sing": 1}}, {"shares": {"thanks": 1}}, {"shares": {}}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ConverseSettings.model_validate(wrong)


# --- the embedded teacher, whose truth is known -----------------------------------------------------------------------


def run(folder: Path, num_tasks: int, crash: int | None = None) -> int:
    recipe = {
        "name": "talks", "teacher": {"backend": "embedded"}, "bootstrap": {"num_tasks": num_tasks},
        "converse": {"num_turns": 3}, "stages": ["bootstrap", "respond", "converse", "export"],
        "export": {"formats": ["sharegpt"]},
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    env = {"SYNTH_CRASH_AT": f"answered:{crash}"} if crash else {}
    return synth("run", "recipe.yaml", "--run", "run", "--json", cwd=folder, env=env).returncode


def wrong_answers(talk: Record) -> list[str]:
    """The answers of a talk that are not what its last material gives; each truth is derived in two ways."""
    wrong, material, right = [], "", ""
    for user, said in (*talk.history, (talk.question, talk.output)):
        if user in (THANKS, UNCLEAR):
            right_now = WELCOME if user == THANKS else AGAIN + right
        else:
            instruction, given = split_task(user)
            material = given or material
            task = understand(LEAD.sub("", instruction, count=1), material)
            assert task is not None and prove(task.plan, task.material, OPERATIONS), user
            right_now = right = answer(task)
        wrong += [user] if said != right_now else []
    return wrong


def check(folder: Path, num_tasks: int) -> None:
    whole, killed = folder / "whole", folder / "killed"
    assert run(whole, num_tasks) == 0
    assert run(killed, num_tasks, crash=4 * num_tasks) not in (0, 1, 2)
    assert run(killed, num_tasks) == 0
    files = [place / "run" / "export" / "sharegpt.json" for place in (whole, killed)]
    assert files[0].read_bytes() == files[1].read_bytes()
    talks = read_records(files[0])
    kinds = Counter(len(talk.history) for talk in talks)
    assert len(talks) >= 0.9 * num_tasks and kinds[0] == 0 and kinds[3] > kinds[1]
    assert [talk.id for talk in talks if wrong_answers(talk)] == []


def test_every_answer_of_the_embedded_teacher_is_right_given_the_talk_and_killed_runs_give_the_same(
    tmp_path: Path,
) -> None:
    check(tmp_path, 40)


@pytest.mark.slow
def test_a_thousand_talks_are_right_and_the_same_after_a_kill(tmp_path: Path) -> None:
    check(tmp_path, 1_060)


@pytest.mark.parametrize("kind", ["correction", "follow up", "deeper"])
def test_what_the_user_wishes_is_drawn_for_each_turn_among_what_fits(kind: str, tmp_path: Path) -> None:
    tasks = [replace(LONG, instruction=f"{LONG.instruction} ({n})") for n in range(40)]
    model = by_side(asked, lambda n: answered(n))
    talks(tmp_path / "long", model, tasks, num_turns=1, shares={kind: 1})
    wishes = {re.sub('".+"', '"{about}"', wish_of(request)) for request in model.requests if is_user_side(request)}
    assert wishes == {wish.text for wish in WISHES[kind] if wish.of != "sentence"}
    short = by_side(asked, lambda n: answered(n))
    talk = talked(tmp_path / "short", short, num_turns=1, shares={"correction": 1})
    assert isinstance(talk, Record) and talk.meta["turns"] != ["correction"]  # seven words cannot be made shorter


@pytest.mark.parametrize(
    ("wish", "good", "bad"),
    [
        ("shorter", "A river is a stream that flows to the sea.", LONG.output),
        (
            "a list",
            "* A river flows.\n* It ends in the sea.",
            "* River\n* A stream, water, that flows to the sea, ships",
        ),
        ("one sentence", "A river flows to the sea.", "A river flows. It ends in the sea."),
        ("a list", "1. A river flows.\n2. It ends in the sea.", "* A river flows.\n* A river flows."),
        (
            "simpler words",
            "A river is a stream of water that flows to the sea. Big ones carry ships to countries near by.",
            "Water that runs to the sea.",
        ),
    ],
)
def test_a_correction_is_only_taken_if_it_is_one(wish: str, good: str, bad: str) -> None:
    [chosen] = [one for one in WISHES["correction"] if one.text.endswith((wish + ".", "in " + wish + "."))]
    again = Record("Again, please.", history=((LONG.question, LONG.output),))
    assert chosen.is_done(again, good, "") and not chosen.is_done(again, bad, "")


def test_one_sentence_keeps_the_numbers_of_the_answer() -> None:
    [chosen] = [one for one in WISHES["correction"] if one.text.endswith("in one sentence.")]
    again = Record("In one sentence?", history=(("How long is it?", "The river is long. It has 930 kilometres."),))
    assert chosen.is_done(again, "The river has 930 kilometres.", "")
    assert not chosen.is_done(again, "The river is long.", "")


def test_names_enumerations_and_answers_about_a_text_are_not_to_be_put_in_simpler_words() -> None:
    [simpler] = [one for one in WISHES["correction"] if one.text.endswith("in simpler words.")]
    assert simpler.fits(LONG) and not simpler.fits(replace(LONG, input=NOTICE))
    assert not simpler.fits(replace(LONG, output=f"{LONG.output} The Danube, Sava and Drava flow through Croatia."))


def test_a_user_asks_about_whole_words_as_they_are_written() -> None:
    talk = replace(FIRST, output="It doesn't flow through Barcelona, including suburbs.")
    words = {draw("follow up", talk, random.Random(seed)).about for seed in range(50)} - {""}
    assert words == {"Barcelona"}


def test_a_user_names_the_word_and_an_example_is_a_sentence_with_it() -> None:
    means, sentence = WISHES["follow up"][:2]
    assert means.is_said("What does seldom mean?", FIRST, "seldom") and not means.is_said("Seldom?", FIRST, "seldom")
    assert sentence.is_done(FIRST, "Sure: we seldom see rain.", "seldom")
    assert not sentence.is_done(FIRST, "We see rain.", "seldom")
    assert not sentence.is_done(FIRST, "Yes, seldom is a word for rarely.", "seldom")


NOTICE = (
    "The library in Harbour Street is shut until the ninth of May, since the roof leaks. Books can be brought back to the "
    "town hall, where a red box stands beside the stairs. Fines for these weeks are waived."
)
READ = Record("Sum this notice up.", NOTICE, "The library is shut until the ninth of May.")
BOX = "Books can be brought back to the town hall, where a red box stands beside the stairs."
WHERE = Record("Where can books be brought back?", history=((READ.question, READ.output),))


def test_a_user_who_brought_a_text_asks_what_it_tells_and_nobody_has_said() -> None:
    about = {draw(kind, READ, random.Random(seed)).about for kind in ("follow up", "deeper") for seed in range(20)}
    assert about == set(split_sentences(NOTICE))
    told = replace(READ, output=NOTICE)
    assert draw("follow up", told, random.Random(0)).wish.of != "sentence"


@pytest.mark.parametrize(
    "message",
    ["Books can be brought back to the town hall?", "Is the box red?", "What is a tariff in trade?",
     "Where in the town hall, beside the stairs, does the red box stand for books that are brought back?",
     "Where can they be brought back?", "What are the books?", "What are the three places for books in the town hall?",
     "What do such books cost at the town hall?", "What do you think of bringing books to the town hall?",
     "What do borrowers pay for books at the town hall?", "What is the purpose of the box at the town hall?",
     "Where does Ida Brandt stand beside the town hall?"],
)  # fmt: skip
def test_a_question_about_a_text_is_open_about_it_and_does_not_tell_the_answer(message: str) -> None:
    wish, _ = [one for one in WISHES["follow up"] if one.of == "sentence"]
    assert wish.is_said(WHERE.question, READ, BOX) and not wish.is_said(message, READ, BOX)


@pytest.mark.parametrize(
    "wrong",
    ["Until the ninth of May.", "To the town hall, where a red box stands.", "Beside the stairs.",
     "To the town hall, where a red box stands beside the stairs, or to the librarian.",
     "To the town hall. A red box stands there, beside the stairs.",
     "To the stairs beside the red box, where the town hall stands.",
     "To this town hall, where a red box stands beside the stairs."],
)  # fmt: skip
def test_an_answer_about_a_text_says_all_that_a_sentence_of_it_says_and_nothing_else(wrong: str) -> None:
    wish, _ = [one for one in WISHES["deeper"] if one.of == "sentence"]
    assert wish.is_done(WHERE, "To the town hall, where a red box stands beside the stairs.", BOX)
    assert not wish.is_done(WHERE, wrong, BOX)


def test_the_nouns_of_a_german_question_are_no_names() -> None:
    notice = (
        "Die Bibliothek in der Hafenstraße ist bis zum neunten Mai geschlossen. Bücher nimmt solange das Rathaus an, wo "
        "eine rote Kiste neben der Treppe steht. Gebühren werden in diesen Wochen keine verlangt, auch nicht für Filme."
    )
    read = Record("Worum geht es hier?", notice, "Um eine Bibliothek.")
    message = "Wo kann man in diesen Wochen die Bücher und die Filme wieder abgeben?"
    box = "Bücher nimmt solange das Rathaus an, wo eine rote Kiste neben der Treppe steht."
    assert asks_about(message, read, box)


def test_what_a_text_says_about_a_thing_is_neither_turned_round_nor_said_of_a_thing_that_nobody_names() -> None:
    _, wish = [one for one in WISHES["deeper"] if one.of == "sentence"]
    mill = "Like the other mills of the valley, it was built of stones from the abbey."
    asked = replace(WHERE, instruction="What does the text say about the abbey?")
    built = "The mill was built of stones from the abbey."
    assert wish.is_done(asked, built, built)
    assert not wish.is_done(asked, "The abbey was built of stones from the mill.", built)
    assert not wish.is_done(asked, mill, mill)


def test_an_answer_about_a_text_neither_gives_it_back_nor_says_what_is_done_with_a_thing() -> None:
    wish, _ = [one for one in WISHES["deeper"] if one.of == "sentence"]
    whole_text = replace(WHERE, instruction="What does the notice say about books?")
    assert not wish.is_done(whole_text, NOTICE, BOX)
    stands = "The red box stands beside the stairs."
    assert not wish.is_done(replace(WHERE, instruction="What is the red box?"), stands, stands)
    assert wish.is_done(replace(WHERE, instruction="Where is the red box?"), stands, stands)


@pytest.mark.parametrize(
    ("question", "says_it", "says_little"),
    [
        (
            "What are the targets of each goal?",
            "They include tracking progress.",
            "Each goal has targets to track progress.",
        ),
        ("What kind of creatures live in the pond?", "Fish and other creatures.", "All kinds of creatures at home."),
        (
            "What are the fish of the pond?",
            "The fish of the pond are shy creatures.",
            "The fish of the pond are not scared.",
        ),
        (
            "What are the aims of the club?",
            "The aims are clean ponds and shy fish.",
            "The aims are a set of aims adopted by all.",
        ),
        (
            "What time is the meal of the fish?",
            "The meal of the fish is at noon each Monday.",
            "The meal of the fish at noon each Monday.",
        ),
        ("What is a canal lock?", "A canal lock is a chamber with gates.", "A canal lock is kept in order by wardens."),
        (
            "What does shy mean for the fish?",
            "Shy is when they hide under leaves.",
            "Their being shy is admired by anglers.",
        ),
        (
            "What was the problem of the pond?",
            "The problem of the pond was its green water.",
            "The problem of the pond was well known to anglers.",
        ),
        (
            "Where did the fish learn to hide?",
            "The fish learned to hide in the reeds.",
            "The fish learned to hide with a shy carp at the age of two.",
        ),
        ("What is the carp known for?", "The carp is known for its appetite.", "The carp lives in ponds and lakes."),
        (
            "What is the net used for in spring?",
            "The net is used in spring to count young fish.",
            "The net of spring is green and very fine.",
        ),
        (
            "How can the water be kept clean?",
            "The water can be kept clean with reeds and shells.",
            "The water can be kept clean before winter comes.",
        ),
    ],
)
def test_an_answer_holds_what_its_question_asks_for(question: str, says_it: str, says_little: str) -> None:
    asked = Record(question, history=((f"Sum it up.\n\n{says_it} {says_little}", "A pool."),))
    assert stands_there(asked, says_it, says_it) and not stands_there(asked, says_little, says_little)


def test_an_answer_may_say_that_the_text_says_so() -> None:
    wish, _ = [one for one in WISHES["deeper"] if one.of == "sentence"]
    says = "The text states that various books go to the town hall, where a red box stands beside the stairs."
    assert wish.is_done(
        replace(WHERE, instruction="Where do books go?"), says, BOX.replace("can be brought back", "go")
    )


def test_where_an_answer_tells_a_part_of_a_sentence_the_talk_takes_the_whole_sentence() -> None:
    wish, _ = [one for one in WISHES["deeper"] if one.of == "sentence"]
    assert wish.taken(WHERE, "To the town hall.", BOX) == BOX and wish.is_done(WHERE, BOX, BOX)
    for other in ("To the librarian.", "Until May.", BOX, "Yes."):
        assert wish.taken(WHERE, other, BOX) == other
    leans = f"Instead, {BOX.lower()}"
    assert wish.taken(WHERE, "To the town hall.", leans) == "To the town hall."


def test_an_answer_may_name_what_was_said_before_and_leave_out_what_stands_in_brackets() -> None:
    wish, _ = [one for one in WISHES["deeper"] if one.of == "sentence"]
    asked = replace(WHERE, instruction="When does the roof leak?")
    leaks = "It leaks (in the east wing) whenever snow melts."
    assert wish.is_done(asked, "The roof of the library leaks whenever snow melts.", leaks)
    assert not wish.is_done(asked, "The roof of the school leaks whenever snow melts.", leaks)


def test_an_answer_is_as_sure_as_what_it_tells() -> None:
    [shorter] = [one for one in WISHES["correction"] if one.text.endswith("but shorter.")]
    again = Record(
        "Shorter, please.", history=(("What are rivers?", "Rivers are streams which mostly reach the sea."),)
    )
    assert shorter.is_done(again, "Mostly streams to the sea.", "") and not shorter.is_done(
        again, "Streams to sea.", ""
    )
    sentence = "Offers in such a letter may stay hidden from the court."
    asked = Record("What happens to offers in such a letter?", history=((f"Sum it up.\n\n{sentence}", "A letter."),))
    assert stands_there(asked, sentence, sentence)
    assert not stands_there(asked, "Offers in such a letter stay hidden from the court.", sentence)


def test_a_long_answer_of_having_is_read_in_time() -> None:
    begun = time.perf_counter()
    says_little("What are the targets?", "has a " * 20_000 + "includ")
    assert time.perf_counter() - begun < 1, "four seconds without a bound, a millisecond with it"


def test_how_and_why_are_answered_in_a_sentence_about_what_was_asked() -> None:
    wish, _ = [one for one in WISHES["deeper"] if one.of == "sentence"]
    how = replace(WHERE, instruction="How can loans be made longer?")
    post, until = "Loans can be made longer by letter or telephone.", "Loans can be made longer until summer ends."
    assert wish.is_done(how, post, post) and not wish.is_done(how, until, until)
    assert not wish.is_done(how, "By letter or telephone.", post)


@pytest.mark.parametrize(
    "other",
    [
        "What does the notice say about fines?",
        "What does the notice say about the size of the town hall?",
        "What is there at the town hall?",
        "What does the town hall tell you?",
    ],
)
def test_who_asks_what_a_text_says_about_a_thing_names_one_of_the_sentence(other: str) -> None:
    _, wish = [one for one in WISHES["deeper"] if one.of == "sentence"]
    assert wish.is_said("What does the notice say about the town hall?", READ, BOX)
    assert not wish.is_said(other, READ, BOX)


def test_a_user_who_asks_about_a_text_is_shown_questions_about_texts_alone() -> None:
    of_text, other = draw("follow up", READ, random.Random(0)), draw("thanks", READ, random.Random(0))
    assert all("\n\n" in one["so_far"].partition("\n\nAssistant: ")[0] for one in examples(of_text))
    assert len(examples(of_text)) > 3 and len(examples(other)) == sum(map(len, WISHES.values()))
    assert len(examples()) > len(examples(other))


def test_a_try_is_about_something_that_was_not_tried() -> None:
    first, *others = split_sentences(NOTICE)
    for seed in range(10):
        assert draw("deeper", READ, random.Random(seed), tried={first}).about in others
        assert draw("deeper", READ, random.Random(seed), tried={first, *others}).about in {first, *others}


def test_who_changes_the_subject_asks_what_something_is_that_needs_no_naming() -> None:
    [wish] = WISHES["change of topic"]
    assert wish.is_said("On another subject: what is a canal lock?", FIRST, "")
    assert not wish.is_said("On another subject: what is the history of the city?", FIRST, "")


def test_a_shorter_answer_and_a_list_keep_to_the_last_answer() -> None:
    shorter, _, listed, _ = WISHES["correction"]
    again = Record("Again, please.", history=((LONG.question, LONG.output),))
    assert not shorter.is_done(again, "Penguins dive under thick polar ice.", "")
    assert not listed.is_done(again, "- Penguins dive\n- Polar ice melts", "")


def test_what_was_not_understood_is_not_said_again() -> None:
    [wish] = WISHES["unclear"]
    unclear = Record("I don't get it.", history=((READ.question, READ.output),))
    assert wish.is_done(unclear, "It is closed for some weeks.", "")
    assert not wish.is_done(unclear, f"{READ.output} The roof leaks.", "") and not wish.is_done(unclear, NOTICE, "")


@pytest.mark.parametrize(
    ("said", "is_kept"), [("Can you make that shorter.", True), ("Could I have the picnic as a list.", False)]
)
def test_a_plain_message_is_no_echo_of_an_example(said: str, is_kept: bool, tmp_path: Path) -> None:
    model = by_side(lambda n: said, lambda n: "A river flows to the sea.")
    talk = talked(tmp_path, model, LONG, num_turns=1, shares={"correction": 1})
    assert isinstance(talk, Record) is is_kept


@pytest.mark.parametrize(("asked", "is_kept"), [("lock", True), ("roux", False)])
def test_a_new_subject_may_be_announced_as_in_the_example(asked: str, is_kept: bool, tmp_path: Path) -> None:
    model = by_side(
        lambda n: f"Thanks. On another subject: what is a {asked}?\n", lambda n: "A thing that is seldom seen."
    )
    talk = talked(tmp_path, model, LONG, num_turns=1, shares={"change of topic": 1})
    assert isinstance(talk, Record) is is_kept


def test_the_subject_changes_once_and_the_text_is_left_then(tmp_path: Path) -> None:
    kinds = turns_of(tmp_path, 40, num_turns=3, shares={"change of topic": 0.9, "follow up": 0.1})
    assert max(turns.count("change of topic") for turns in kinds) == 1
    assert draw("follow up", READ, random.Random(0), has_left=True).wish.of != "sentence"


def test_a_question_in_words_of_the_text_does_not_repeat_the_question_above_it() -> None:
    assert user_echo("When are fines for these weeks waived?", READ) is None
    assert user_echo("Sum this notice up, please.", READ) == "user_repeats_question"


def test_every_kind_has_words_for_the_prompt() -> None:
    assert set(ConverseSettings().shares) == set(KINDS)
