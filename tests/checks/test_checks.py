"""Each check on texts that it must refuse and on their neighbours that it must not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.checks import CHECKS, EVOLUTION_CHECKS, build_checks, build_pair_checks
from synth.checks.evolution import evolved_input
from synth.errors import UsageError
from synth.records import Lineage, Record

FRENCH = "Un phare est une tour qui montre aux bateaux où est la côte et où ils ne doivent pas aller."
STORY = " ".join(f"word{n}" for n in range(100))


def verdict(check: str, instruction: str = "", input: str = "", output: str = "", **options: object) -> str | None:
    ((_, made),) = build_checks([{check: options}])
    return made(Record(instruction, input, output))


REFUSED = [
    ("instruction_length", {"instruction": "Sort these three"}, "too_short"),
    ("instruction_length", {"instruction": "word " * 151}, "too_long"),
    ("banned_words", {"instruction": "Draw a graph of it all"}, "banned_word"),
    ("toxic_words", {"instruction": "Say it", "output": "what the fuck"}, "toxic_word"),
    ("write_a_program", {"instruction": "Write a program that counts"}, "write_a_program"),
    ("starts_with_punctuation", {"instruction": '"Hello" means what?'}, "starts_with_punctuation"),
    ("non_ascii_start", {"instruction": "→ Explain what this is and why it is so"}, "non_ascii_start"),
    ("odd_start", {"instruction": "• Explain what it is"}, "odd_start"),
    ("odd_start", {"instruction": ", explain what it is"}, "odd_start"),
    ("needs_media", {"instruction": "Describe the attached photo in a line."}, "needs_media"),
    ("needs_person", {"instruction": "Can you describe a typical day in your life?"}, "needs_person"),
    ("needs_web", {"instruction": "Read https://a.example/b and list its points."}, "needs_web"),
    ("ends_with_colon", {"output": "The steps are:"}, "ends_with_colon"),
    ("ends_with_colon", {"input": "以下："}, "ends_with_colon"),
    ("empty_output", {"output": " \n"}, "empty_output"),
    ("refusal", {"output": "I'm sorry, but I cannot see the lake."}, "refusal"),
    ("refusal", {"output": "抱歉，我无法完成这个任务。"}, "refusal"),
    ("refusal", {"output": "Lo siento, pero no puedo ayudar con eso."}, "refusal"),
    ("refusal", {"output": "Mi dispiace, ma non posso aiutarti con questo."}, "refusal"),
    ("refusal", {"output": "Przepraszam, ale nie mogę wykonać tego zadania."}, "refusal"),
    ("refusal", {"output": "Het spijt me, maar ik kan dat niet doen."}, "refusal"),
    ("refusal", {"output": "申し訳ありませんが、その質問にはお答えできません。"}, "refusal"),
    ("refusal", {"output": "죄송하지만 그 요청은 도와드릴 수 없습니다."}, "refusal"),
    ("refusal", {"output": "عذرًا، لا أستطيع المساعدة في ذلك."}, "refusal"),
    ("refusal", {"output": "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।"}, "refusal"),
    ("as_an_ai", {"output": "As an AI language model, I have no house."}, "as_an_ai"),
    ("as_an_ai", {"output": "作为一个人工智能语言模型，我没有房子。"}, "as_an_ai"),
    ("short_apology", {"output": "Sorry, that one is beyond me."}, "short_apology"),
    ("asks_back", {"output": "Could you please provide the text you mean?"}, "asks_back"),
    ("asks_back", {"output": "Sure, I'd be happy to help! Please provide the line you mean."}, "asks_back"),
    ("acknowledges", {"output": "Understood! I will do so."}, "acknowledges"),
    ("no_content", {"output": "..."}, "no_content"),
    ("no_content", {"output": "It is what it is and that is that."}, "no_content"),
    ("prompt_leak", {"output": "Yes.\n### Instruction:\nNow do the next."}, "prompt_leak"),
    ("prompt_leak", {"output": "Yes.<|im_end|>"}, "prompt_leak"),
    ("prompt_leak", {"output": "Yes.\n8. Instruction: Name a bird."}, "merged_tasks"),
    ("truncated", {"output": "The king was old. He ruled for many years and he"}, "truncated"),
    ("truncated", {"output": "It was over in the end because of the"}, "truncated"),
    ("repeats_instruction", {"instruction": "Name a bird", "output": "name a bird!"}, "repeats_instruction"),
    ("repeats_instruction", {"input": "x y z", "output": "x y z"}, "echoes_input"),
    ("repetition", {"output": "and so it goes on " * 20}, "repetition"),
    ("placeholder", {"input": "[insert your text here]"}, "placeholder"),
    ("placeholder", {"input": "Your paragraph"}, "placeholder"),
    ("no_input_spelling", {"input": "<noinput>"}, "no_input_spelling"),
    *(
        ("stand_in", {"instruction": "Describe the harbour.", "output": output}, "stand_in")
        for output in ("N/A", "None", "<nooutput>", "No output", "<web page with a form>", "[image of a harbour]", "Null.")
    ),
    ("stand_in", {"instruction": "Which row is largest?", "input": "a,1\nb,2\nc,3", "output": "a,1\nb,2\nc,3"}, "echoes_table"),
    ("prompt_leak", {"instruction": "Sort these.", "output": "1 2<|im_end|>"}, "prompt_leak"),
    ("broken_fence", {"output": "Run:\n```python\nprint(1)\n"}, "broken_fence"),
    ("broken_json", {"instruction": "Answer as JSON.", "output": "{'a': 1,}"}, "broken_json"),
    ("broken_json", {"instruction": "Answer as JSON.", "output": "So:\n```json\n{\"a\": 1\n```"}, "broken_json"),
    ("url_input", {"instruction": "Summarise it.", "input": "https://a.example/b"}, "url_input"),
    ("invented_source", {"output": "According to https://a.example/b, it is so."}, "invented_source"),
    ("control_characters", {"output": "a\x1b[2Jb"}, "control_characters"),
    ("control_characters", {"output": "a\u202eb"}, "control_characters"),
    ("mojibake", {"output": "Itâ€™s cafÃ© time"}, "mojibake"),
    ("mojibake", {"output": "РџСЂРёРІРµС‚"}, "mojibake"),
    ("self_identity", {"output": "I was trained by OpenAI to help."}, "vendor_identity"),
    ("self_identity", {"output": "As of my last update in 2021, yes."}, "knowledge_cutoff"),
    ("language", {"instruction": "请把下面的句子翻译成法语。"}, "wrong_language"),
    ("language", {"instruction": "Escribe un poema sobre el mar y la luna."}, "wrong_language"),
    (
        "answer_language",
        {
            "instruction": "Tell me what a lighthouse is for.",
            "output": FRENCH,
        },
        "wrong_answer_language",
    ),
]  # fmt: skip

PASSED = [
    ("instruction_length", {"instruction": "写一首诗吧"}),
    ("instruction_length", {"instruction": "word " * 150}),
    ("banned_words", {"instruction": "Compare graphics cards"}),
    ("toxic_words", {"instruction": "Where is Scunthorpe, and what is a Shitake?"}),
    ("starts_with_punctuation", {"instruction": "Hello"}),
    ("non_ascii_start", {"instruction": "¿Qué es la luz y por qué es tan rápida?"}),
    ("odd_start", {"instruction": '"To be or not to be": who said it?'}),
    ("odd_start", {"instruction": "¿Quién lo dijo?"}),
    ("odd_start", {"instruction": "(a) or (b)?"}),
    ("needs_media", {"instruction": "Describe the image of the city in Dickens."}),
    ("needs_media", {"instruction": "Draw up a contract in three sentences."}),
    ("needs_person", {"instruction": "Imagine you are a baker and describe a typical day in your life."}),
    ("needs_web", {"instruction": "Which part of https://a.example/b?x=1 is the query string?"}),
    ("refusal", {"output": "I can't help you to poison an animal: it would suffer, and it is against the law."}),
    ("refusal", {"instruction": "Write an excuse for work.", "output": "I'm sorry, but I'm unable to come today."}),
    ("as_an_ai", {"output": "She worked as an AI researcher for ten years."}),
    ("short_apology", {"instruction": "Write an apology to Ann.", "output": "Dear Ann, I am so sorry."}),
    ("no_content", {"output": "No"}),
    ("no_content", {"instruction": "Which symbol means greater?", "output": ">"}),
    ("no_content", {"output": "它是红色的。"}),
    ("prompt_leak", {"output": "### Instructions for use\nShake well."}),
    ("truncated", {"output": "Roses are red\nViolets are blue\nSugar is sweet\nAnd so are you"}),
    ("truncated", {"output": "Paris"}),
    ("truncated", {"output": "- apples, pears and plums\n- a loaf of white bread"}),
    ("truncated", {"output": "We add the two.\n\nAnswer: 40"}),
    ("repeats_instruction", {"instruction": "Name a bird", "output": "A bird is a robin"}),
    ("repeats_instruction", {"input": "go to school", "output": "Go to school."}),
    ("repetition", {"output": STORY}),
    ("repetition", {"instruction": "Repeat the word go 40 times.", "output": "go " * 40}),
    ("placeholder", {"input": "Dear [Name], thank you for your letter of the third of May."}),
    ("no_input_spelling", {"input": "None of the above fits."}),
    ("stand_in", {"instruction": "Which of these are primes? Say none if there are none.", "output": "None"}),
    ("stand_in", {"instruction": "What does a Python function without a return give?", "output": "None"}),
    ("stand_in", {"instruction": "Sort the rows.", "input": "a,1\nb,2", "output": "a,1\nb,2"}),
    ("stand_in", {"instruction": "Keep the rows above 1.", "input": "a,1\nb,2\nc,3", "output": "b,2\nc,3"}),
    ("stand_in", {"instruction": "Write an image tag.", "output": "<image>"}),
    ("prompt_leak", {"instruction": "What does the token <|im_end|> mean?", "output": "<|im_end|> ends a turn."}),
    ("prompt_leak", {"instruction": "Explain ChatML.", "output": "It wraps turns in <|im_start|> and <|im_end|>."}),
    ("broken_fence", {"output": "```python\nprint(1)\n```"}),
    ("broken_json", {"instruction": "Answer as JSON.", "output": '{"a": [1]}'}),
    ("broken_json", {"instruction": "Repair this invalid JSON.", "output": "{'a': 1,}"}),
    ("url_input", {"instruction": "Which protocol does this URL use?", "input": "https://a.example/b"}),
    ("control_characters", {"output": "tab\tline\r\nfamily 👨‍👩‍👧 é ไทย"}),
    ("mojibake", {"output": "Ångström, naïve, Ärger, São Paulo, Привет, 你好, …“”"}),
    ("self_identity", {"output": "ChatGPT was developed by OpenAI in 2022."}),
    ("self_identity", {"output": "The last update of the law came into force in 2021."}),
    ("asks_back", {"input": "a b c", "output": "Could you please provide the text you mean?"}),
    ("empty_output", {"output": "0"}),
    ("invented_source", {"instruction": "Sum up https://a.example/b.", "output": "According to https://a.example/b, yes."}),
    ("ends_with_colon", {"output": "The steps are: one, two."}),
    ("language", {"instruction": "Explain why the sky is blue."}),
    ("language", {"instruction": "Convert 50 mph to m/s."}),
    ("language", {"instruction": 'Translate "Où sont les toilettes ?" to English'}),
    ("answer_language", {"instruction": "Say it in French.", "output": FRENCH}),
]  # fmt: skip


@pytest.mark.parametrize(("check", "record", "reason"), REFUSED)
def test_is_refused(check: str, record: dict[str, str], reason: str) -> None:
    found = verdict(check, **record)
    assert found is not None and found.split(": ")[0] == reason


@pytest.mark.parametrize(("check", "record"), PASSED)
def test_is_let_pass(check: str, record: dict[str, str]) -> None:
    assert verdict(check, **record) is None


def test_every_check_is_tried_here_or_in_a_file_of_its_own() -> None:
    tried = {check for check, *_ in REFUSED} | {"novelty", "contamination", "privacy", "repeated_task", "agreement"}
    tried |= {
        "not_a_task",
        "missing_input",
        "double_input",
        "answering_input",
        "mixed_language",
        "gibberish",
        "improbable",
    }  # test_task_checks.py
    assert tried == set(CHECKS)


def test_the_toxic_words_are_off_by_default() -> None:
    from synth.stages.select import DEFAULT_CHECKS

    assert "toxic_words" in CHECKS and "toxic_words" not in DEFAULT_CHECKS


texts = st.text(max_size=120)


@settings(deadline=None)
@given(texts, texts, texts)
def test_no_text_makes_a_check_fail(instruction: str, input: str, output: str) -> None:
    record = Record(instruction, input, output)
    for _, check in STATELESS:
        assert check(record) is None or isinstance(check(record), str)
    for _, pair_check in build_pair_checks():
        pair_check(record, Record(output, input, instruction))


STATELESS = build_checks([name for name in CHECKS if name not in ("contamination", "repeated_task", "novelty")])


def test_the_second_of_two_equal_tasks_is_refused() -> None:
    ((_, check),) = build_checks(["repeated_task"])
    first = Record("Add the numbers.", "1 2", "3")
    assert check(first) is None
    check.admitted(first)  # type: ignore[attr-defined]
    assert str(check(first)).startswith("duplicate")
    assert str(check(Record("Add the numbers.", "1 2", "4"))).startswith("conflict")
    assert check(Record("Add the numbers.", "1 3", "4")) is None


def test_a_task_that_was_turned_round_may_have_several_answers_but_none_of_them_twice() -> None:
    ((_, check),) = build_checks(["repeated_task"])
    answers = [Record("Write a kind remark.", "", text, meta={"is_turned": True}) for text in ("Lovely.", "Well done.")]
    for record in answers:
        assert check(record) is None
        check.admitted(record)  # type: ignore[attr-defined]
    assert [str(check(record)).partition(":")[0] for record in answers] == ["duplicate", "duplicate"]
    assert str(check(Record("Write a kind remark.", "", "Thanks."))).startswith("conflict")


def test_answers_on_which_too_few_draws_agree_are_refused() -> None:
    ((_, check),) = build_checks([{"agreement": {"min_share": 0.6}}])
    assert check(Record("Add 1 and 1.", "", "2", meta={"agreement": 0.8})) is None
    assert check(Record("Add 1 and 1.", "", "2")) is None
    assert check(Record("Add 1 and 1.", "", "3", meta={"agreement": 0.4})) == "draws_disagree: 40% agree"


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["refusals"], ["'refusals'", "'refusal'?"]),
        ([{"instruction_length": {"max_word": 3}}], ['"max_word"', "'max_words'?"]),
        ([{"instruction_length": {"min_words": 9, "max_words": 3}}], ["ascend"]),
        ([{"novelty": {"threshold": 7}}], ["threshold 7"]),
        ([{"a": {}, "b": {}}], ["neither"]),
    ],
)
def test_mistakes_in_a_recipe_are_named(specs: list[object], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        build_checks(specs)  # type: ignore[arg-type]
    assert all(word in f"{error.value.message} {error.value.hint}" for word in words)


PARENT = Record(
    "List the causes of the French revolution in order of weight.", "Notes: bread prices rose in 1788.", "x y z w"
)
CHILDREN = [
    (PARENT.instruction, PARENT.input, "unchanged", "unchanged"),
    (PARENT.instruction.replace("List", "Name"), PARENT.input, "unchanged", "near_copy"),
    ("#Rewritten Prompt#: " + PARENT.instruction + " Say why for each.", PARENT.input, "prompt_words", "prompt_words"),
    ("The answer is bread, since it rose most of all causes.", PARENT.input, "answered", "answered"),
    ("Could you please provide more information about the French revolution?", PARENT.input, "asks_back", "asks_back"),
    ("List and weigh the causes of the French revolution for a child.", "", "lost_input", "lost_input"),
    ("Task 1: List the causes of the revolution.\nTask 2: Do it for Russia.", PARENT.input, "merged", "merged"),
    (PARENT.instruction + " Give reasons for all of it." * 20, PARENT.input, "grew", "grew"),
    ("Explain how tides come about and why they differ by place.", PARENT.input.replace("1788", ""), "drift", "drift"),
]  # fmt: skip


@pytest.mark.parametrize(("instruction", "input", "check", "reason"), CHILDREN)
def test_a_bad_child_is_refused(instruction: str, input: str, check: str, reason: str) -> None:
    found = dict(build_pair_checks())[check](PARENT, Record(instruction, input))
    assert found is not None and found.split(": ")[0] == reason


@pytest.mark.parametrize(
    "child",
    [
        Record(
            "List the causes of the French revolution in order of weight, and give one date for each.", PARENT.input
        ),
        Record("Weigh the political against the economic causes of the French revolution, in one table.", PARENT.input),
        Record("Say why whales sing.", "", lineage=Lineage("evolve", operator="breadth")),
    ],
)
def test_a_good_child_passes_all_checks_of_evolution(child: Record) -> None:
    assert [name for name, check in build_pair_checks() if check(PARENT, child)] == []


def test_material_quoted_in_the_instruction_must_survive() -> None:
    parent = Record('Turn "The little dog ran over the old bridge" into a question.')
    check = build_pair_checks(["lost_input"])[0][1]
    assert str(check(parent, Record("Turn the sentence into a question and explain the grammar."))).startswith(
        "lost_material"
    )
    assert check(parent, Record('Turn "The little dog ran over the old bridge" into two polite questions.')) is None


TABLE = "name,hours\nAda,4\nBo,7\nCem,2\nDea,9"


@pytest.mark.parametrize(
    "given",
    ["(unchanged)", "Same as above", "[Table as given]", "The input remains unchanged.", "the original table",
     "Input: as before", "Same table", "No changes", "See the table above"],
)  # fmt: skip
def test_an_input_that_only_names_the_parents_is_the_parents(given: str) -> None:
    assert evolved_input(TABLE, given, may_change=True) == TABLE and evolved_input("", given, may_change=False) == ""


@pytest.mark.parametrize("given", ["Given numbers: 3, 4", "The same day, two ships left port.", "as follows: 3 4"])
def test_an_input_that_begins_like_a_reference_is_an_input(given: str) -> None:
    assert evolved_input(TABLE, given, may_change=True) == given


def test_an_operator_that_may_not_change_the_input_keeps_the_parents() -> None:
    assert evolved_input(TABLE, "name,hours\nAda,4\n...", may_change=False) == TABLE
    assert evolved_input("", "3 1 2", may_change=False) == "3 1 2"


def test_a_table_cut_with_dots_or_exchanged_is_refused_and_a_richer_one_is_not() -> None:
    check, parent = build_pair_checks(["lost_input"])[0][1], Record("Sum the hours.", TABLE)
    for cut in (
        TABLE.replace("Dea,9", "..."),
        TABLE.replace("Dea,9", "[remaining rows]"),
        "name,hours\nAda,4\nBo,7\nCem,2\n…",
    ):
        assert str(check(parent, Record("Sum the hours by name.", cut))).startswith("cut_input")
    assert str(check(parent, Record("Sum the hours by day.", "day,trips\nMon,3"))).startswith("lost_input")
    assert check(parent, Record("Sum the hours by name.", TABLE + "\nEli,5\n...")) is None


def test_all_evolution_checks_have_a_case() -> None:
    by_note = {"improbable"}  # tests/stages/test_evolve.py
    assert {check for _, _, check, _ in CHILDREN} | by_note == set(EVOLUTION_CHECKS)
