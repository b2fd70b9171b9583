"""Pairs of answers: TRL's preference forms, Anthropic's HH, OpenAI's comparisons, UltraFeedback and KTO's labels.

A record's own answer is the better one, its `others` are the worse ones (grade 0) and those as good (grade 0.5), the
worst last. A row in which no answer is better than another is a mistake of that row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from synth.metrics import is_number, mean
from synth.records import AS_GOOD, WORSE, OtherAnswer, Record
from synth.sources.alpaca import prompt_completion
from synth.sources.chat import conversation, human_turns, message, transcript_turns
from synth.sources.rows import Fields

_PROMPTS = ("prompt", "question", "instruction")
_CHOSEN, _REJECTED = "chosen", "rejected"


def preference(fields: Fields, _require_output: bool) -> list[Record]:
    """TRL's `chosen` and `rejected`, as texts, transcripts or turns, with a `prompt` or the prompt in both of them."""
    prompt = next((found for key in _PROMPTS if (found := fields.get(key)) is not None), None)
    if prompt is not None and not isinstance(prompt, str | list):
        fields.bad("the prompt must be a text or a list of turns; remove the row")
        return []
    answers = [fields.get(_CHOSEN), fields.get(_REJECTED)]
    if prompt is None and all(isinstance(answer, str) for answer in answers):
        talks = _from_texts(fields, answers)
    else:
        talks = [_whole(fields, prompt, answer, key) for answer, key in zip(answers, (_CHOSEN, _REJECTED), strict=True)]
    scores = fields.get("score_chosen"), fields.get("score_rejected")
    if all(isinstance(score, int | float) for score in scores) and scores[0] <= scores[1]:
        fields.bad("score_chosen is not above score_rejected, so no answer is better; remove the row")
    margin = fields.get("margin")
    note = {"prefer": {"by": "given", "margins": [float(margin)]}} if is_number(margin) else {}
    return [replace(one, meta=note) for one in _paired(fields, talks, fields.text("system", may_be_empty=True))]


def _from_texts(fields: Fields, texts: Sequence[str]) -> list[Any]:
    """Two whole conversations of texts that hold their prompt: transcripts, or texts with a common beginning."""
    turns = [human_turns(text) for text in texts]
    if any(turns):
        if None in turns:
            fields.bad("only one of `chosen` and `rejected` is a transcript; correct or remove the row")
        return turns
    one, other = texts
    shared = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    begin = one[:shared]
    at = 1 + max(begin.rfind(" "), begin.rfind("\n"))
    if not begin[:at].strip():
        fields.bad("`chosen` and `rejected` have no common beginning that could be their prompt; add a `prompt`")
        return [None, None]
    fields.changed("the beginning that `chosen` and `rejected` share was taken for the prompt")
    return [[message("user", begin[:at].strip()), message("assistant", text[at:])] for text in texts]


def _whole(fields: Fields, prompt: str | list[Any] | None, answer: Any, key: str) -> list[Any] | None:
    """The conversation that ends with an answer, given as a text or as turns with or without those before it."""
    if isinstance(answer, str):
        answer = [message("assistant", answer)]
    if not isinstance(answer, list) or not answer:
        fields.bad(f"`{key}` must be a text or a list of turns, not empty")
        return None
    if prompt is None:
        return answer
    if isinstance(prompt, list):
        return [*prompt, *answer]
    said = [turn.get("content") for turn in answer if isinstance(turn, dict)]
    if len(answer) > 1:
        if prompt not in said[:-1]:
            fields.bad(f"`prompt` is not what `{key}` answers; correct or remove the row")
        return answer
    return [*(transcript_turns(prompt) or [message("user", prompt.removesuffix("\n\n"))]), *answer]


def _paired(fields: Fields, talks: Sequence[Any], system: str = "") -> list[Record]:
    """One record of two conversations that differ in their last answer, the better one first."""
    if any(not talk for talk in talks):
        return []
    if any(not isinstance(turn, dict) for talk in talks for turn in talk):
        fields.bad("each turn must be an object with a role and a content; correct or remove the row")
        return []
    if [dict(turn) for turn in talks[0][:-1]] != [dict(turn) for turn in talks[1][:-1]]:
        fields.bad("the prompts of the better and the worse answer differ; correct or remove the row")
        return []
    read = [record for talk in talks for record in conversation(fields, talk, True, key="chosen and rejected")]
    if fields.num_bad or len(read) < 2:
        return []
    better, worse = read
    if better.output.strip() == worse.output.strip():
        fields.bad("the better and the worse answer are the same text; remove the row")
    others = (OtherAnswer(worse.output, None, WORSE),)
    return [replace(better, others=others, system=better.system or system)]


def openai_preference(fields: Fields, _require_output: bool) -> list[Record]:
    """OpenAI's form for preference tuning: `input.messages`, `preferred_output` and `non_preferred_output`."""
    given = fields.get("input")
    asked = given.get("messages") if isinstance(given, dict) else None
    outputs = [fields.get("preferred_output"), fields.get("non_preferred_output")]
    if not all(isinstance(turns, list) and turns for turns in (asked, *outputs)):
        fields.bad("`input.messages`, `preferred_output` and `non_preferred_output` must be lists of turns, not empty")
        return []
    return _paired(fields, [[*(asked or []), *turns] for turns in outputs])


def openai_summaries(fields: Fields, _require_output: bool) -> list[Record]:
    """OpenAI's comparisons of summaries (Stiennon et al., arXiv 2009.01325): a post, two summaries, and a choice."""
    fields.used |= {"info", "summaries", "choice", "worker", "batch", "split", "extra"}
    info, found, choice = (fields.row.value.get(key) for key in ("info", "summaries", "choice"))
    info = info if isinstance(info, dict) else {}
    post = next((text for key in ("post", "article") if isinstance(text := info.get(key), str) and text.strip()), None)
    given = [one.get("text") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    texts = [text.strip() for text in given if isinstance(text, str)]
    if post is None or len(texts) != 2 or choice not in (0, 1):
        fields.bad("the row must have info.post, two `summaries` with a text each, and a `choice` of 0 or 1")
        return []
    asked = f"Summarise the text below in one to three sentences.\n\n{post}"
    return _paired(fields, [[message("user", asked), message("assistant", texts[n])] for n in (choice, 1 - choice)])


# --- more than two answers -------------------------------------------------------------------------------------------


def ultrafeedback(fields: Fields, _require_output: bool) -> list[Record]:
    """UltraFeedback (arXiv 2310.01377): `completions` with scores. The fine-grained score counts, else the overall one.

    The published overall score of some completions is 10 where 1 was meant; the fine-grained one, a mean over four
    aspects, is sound.
    """
    fields.used |= {"source", "models", "correct_answers", "incorrect_answers"}
    prompt, given = fields.text("instruction"), fields.get("completions")
    given = given if isinstance(given, list) else []
    answers: dict[str, _Scored] = {}
    for one in given:
        if (read := _scored(one)) is not None:
            answers.setdefault(read[0].strip(), read)
    if len(answers) < 2:
        fields.bad("`completions` must hold two or more different answers with a score each; remove the row")
    elif len({score for _, score, _ in answers.values()}) == 1:
        fields.bad("all `completions` have the same score, so none is better; remove the row")
    if fields.num_bad:
        return []
    if len(answers) < len(given):
        fields.changed("completions without a text or a score, or with the text of another one, were left out")
    (best, top, model), *rest = sorted(answers.values(), key=lambda one: -one[1])
    others = tuple(OtherAnswer(text, who or None, WORSE if score < top else AS_GOOD) for text, score, who in rest)
    turns = [*(transcript_turns(prompt) or [message("user", prompt)]), message("assistant", best)]
    note = {"prefer": {"by": "given", "margins": [round(top - score, 3) for _, score, _ in rest]}}
    found = conversation(fields, turns, True, key="completions")
    return [replace(one, others=others, lineage=replace(one.lineage, model=model or None), meta=note) for one in found]


_Scored = tuple[str, float, str]


def _scored(completion: Any) -> _Scored | None:
    """(text, score, model) of a completion, None where the text or the score is missing."""
    if not isinstance(completion, dict) or not isinstance(text := completion.get("response"), str) or not text.strip():
        return None
    fine, overall = completion.get("fine-grained_score"), completion.get("overall_score")
    score = next((value for value in (fine, overall, _rating(completion.get("annotations"))) if is_number(value)), None)
    return None if score is None else (text, float(score), str(completion.get("model") or ""))


def _rating(annotations: Any) -> float | None:
    """The mean rating over the aspects of a completion."""
    rated = (
        [one.get("Rating") for one in annotations.values() if isinstance(one, dict)]
        if isinstance(annotations, dict)
        else []
    )
    numbers = [float(one) for one in rated if isinstance(one, str) and one.isdecimal()]
    return mean(numbers) if numbers else None


# --- labels of single answers ----------------------------------------------------------------------------------------


def kto(fields: Fields, _require_output: bool) -> list[Record]:
    """KTO's rows (arXiv 2402.01306): a prompt, a completion, and whether it is good; `joined` makes records of them."""
    label = {"true": True, "1": True, "false": False, "0": False}.get(str(fields.get("label")).casefold())
    if label is None:
        fields.bad("`label` must be true or false; correct or remove the row")
    found = prompt_completion(fields, True)
    return [one if label else replace(one, output="", others=(OtherAnswer(one.output, None, WORSE),)) for one in found]


def joined(records: Iterable[Record]) -> list[Record]:
    """One record for each prompt: the first good answer is its own, then come others as good and bad ones, as given."""
    merged: dict[str, Record] = {}
    for record in records:
        before = merged.setdefault(record.id, replace(record, others=(), output=""))
        others = record.others
        if record.output and before.output:
            others = (OtherAnswer(record.output, None, AS_GOOD),)
        merged[record.id] = replace(before, output=before.output or record.output, others=(*before.others, *others))
    return list(merged.values())
