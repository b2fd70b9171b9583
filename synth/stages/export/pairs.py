"""Export formats of pairs: a record's own answer is the better one, the last of its worse ones stands beside it.

Conversations keep their turns. A record without a worse answer has no row; see `Record.worse`.
"""

from __future__ import annotations

import math

from synth.records import AS_GOOD, Message, Record
from synth.sources.chat import human_transcript, message, prompt_text
from synth.stages.export.columns import Row

BEST, WORST = 10.0, 1.0
"""UltraFeedback's scale."""


def _asked(record: Record) -> list[Message]:
    return [*record.earlier(), message("user", record.question)]


def _pair(record: Record) -> tuple[list[Message], list[Message]] | None:
    """The better and the worse answer, each as one turn in a list."""
    worse = record.worse()
    return ([message("assistant", record.output)], [message("assistant", worse[-1].output)]) if worse else None


def margin_of(record: Record) -> float | None:
    """How much better the own answer was found than the last worse one, in the unit of its ranking; None unknown."""
    note, worse = record.meta.get("prefer"), record.worse()
    margins = note.get("margins") if isinstance(note, dict) else None
    if not worse or not isinstance(margins, list) or len(margins) != len(record.others):
        return None
    found = margins[record.others.index(worse[-1])]
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def preference_messages(record: Record) -> Row | None:
    """TRL's preference form with an explicit prompt, as lists of turns."""
    pair, margin = _pair(record), margin_of(record)
    return {"prompt": _asked(record), "chosen": pair[0], "rejected": pair[1], "margin": margin} if pair else None


def implicit(record: Record) -> Row | None:
    """TRL's preference form with an implicit prompt: two whole conversations that differ in the last turn."""
    pair, asked = _pair(record), _asked(record)
    return {"chosen": asked + pair[0], "rejected": asked + pair[1]} if pair else None


def hh(record: Record) -> Row | None:
    """Anthropic's transcripts (Bai et al., arXiv 2204.05862); None for one that would be read as another talk.

    They have no place for a system text.
    """
    pair, asked = _pair(record), _asked(record)
    texts = [human_transcript(asked + answer) for answer in pair or ()]
    return {"chosen": texts[0], "rejected": texts[1]} if pair and None not in texts else None


def openai_preference(record: Record) -> Row | None:
    """OpenAI's form for preference tuning: one conversation and two outputs."""
    pair = _pair(record)
    talk = {"messages": _asked(record)}
    return {"input": talk, "preferred_output": pair[0], "non_preferred_output": pair[1]} if pair else None


def kto(record: Record) -> Row | None:
    """The best answer with the label of a good one (KTO, arXiv 2402.01306)."""
    return _labelled(record, record.output, True) if record.worse() else None


def kto_others(record: Record) -> list[Row]:
    """The other answers that are known to be good or bad, each with its label."""
    graded = [(one.output, one.grade) for one in record.others if one.grade is not None and one.output.strip()]
    return [_labelled(record, text, grade >= AS_GOOD) for text, grade in graded] if record.worse() else []


def _labelled(record: Record, text: str, label: bool) -> Row:
    return {"prompt": _asked(record), "completion": [message("assistant", text)], "label": label}


def ultrafeedback(record: Record) -> Row | None:
    """UltraFeedback's completions. The score tells better from worse and no more: 10 for the best and its equals, 1."""
    prompt = prompt_text(record)
    if not record.worse() or not prompt:
        return None
    graded = [one for one in record.others if one.grade is not None and one.output.strip()]
    answers = [(record.output, record.lineage.model, BEST)]
    answers += [(one.output, one.model, BEST if (one.grade or 0) >= AS_GOOD else WORST) for one in graded]
    completions = [{"model": model or "", "response": text, "overall_score": score} for text, model, score in answers]
    row: Row = {"source": "synth", "instruction": prompt.removesuffix("\n\n")}
    return row | {"models": [one["model"] for one in completions], "completions": completions}
