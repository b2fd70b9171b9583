"""Conversations: OpenAI messages, ShareGPT, TRL's lists of turns, and transcripts in one text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from synth.records import Message, Record, split_messages
from synth.sources.rows import Fields

ROLES = {
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip
_CALLS = ("tool_calls", "function_call", "audio")
_SPEAKER = re.compile(r"(?:\A|\n\n)(System|User|Human|Assistant): ")
_CHATML = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", re.S)
_ASKS = re.compile(r"\n\nAssistant:\s*\Z")


def messages(fields: Fields, require_output: bool) -> list[Record]:
    """OpenAI's form: `messages`, a list of turns with a role and a content; `system` beside it or as the first turn."""
    turns = with_system(fields.get("messages"), fields.text("system", may_be_empty=True))
    return conversation(fields, turns, require_output)


def with_system(turns: Any, system: str) -> Any:
    """The turns with a system text in front, unless they have one."""
    if not system or not isinstance(turns, list):
        return turns
    has_own = bool(turns) and isinstance(turns[0], dict) and ROLES.get(str(turns[0].get("role")).lower()) == "system"
    return turns if has_own else [message("system", system), *turns]


def sharegpt(fields: Fields, require_output: bool) -> list[Record]:
    """ShareGPT's form: `conversations`, turns with `from` and `value`; `system` beside it or as the first turn."""
    turns = fields.get("conversations")
    if isinstance(turns, list):
        named = {"from": "role", "value": "content"}
        turns = [{named.get(k, k): v for k, v in turn.items()} if isinstance(turn, dict) else turn for turn in turns]
        turns = with_system(turns, fields.text("system", may_be_empty=True))
    return conversation(fields, turns, require_output, key="conversations")


def chatml(fields: Fields, require_output: bool) -> list[Record]:
    """A `text` in ChatML: turns between marks, each opened by the name of its role."""
    text = fields.text("text")
    found = _CHATML.findall(text)
    if not found or "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in found) != f"{text.rstrip()}\n":
        fields.bad("`text` is no conversation in ChatML (<|im_start|>user ...); name the column, or the format")
        return []
    return conversation(fields, [message(role, said) for role, said in found], require_output, key="text")


def conversation(fields: Fields, turns: Any, require_output: bool, key: str = "messages") -> list[Record]:
    """One record: its instruction is the last question, its output the answer to it, if there is one."""
    if not isinstance(turns, list) or not turns:
        fields.bad(f"`{key}` must be a list of turns, not empty")
        return []
    read = [found for number, turn in enumerate(turns, 1) if (found := turn_of(fields, number, turn))]
    if len(read) < len(turns):
        return []
    talk = _without_greeting(fields, read)
    output = talk.pop()["content"] if talk and talk[-1]["role"] == "assistant" else None
    try:
        system, history = split_messages(talk[:-1])
    except ValueError:
        talk = []
    if not talk or talk[-1]["role"] != "user":
        fields.bad(
            f"the turns of `{key}` must go [system,] user, assistant, user, assistant; reorder or remove the row"
        )
        return []
    if any(not answer.strip() for _, answer in history):
        fields.bad(f"an answer within `{key}` is empty; fill it or remove its turns")
    if require_output and output is None:
        fields.bad(f"`{key}` ends with the user; add the answer or remove the last turn")
    elif require_output and not (output or "").strip():
        fields.bad("the last answer is empty; fill it or remove the row")
    return [Record(talk[-1]["content"], "", output or "", system, tuple(history))]


def _without_greeting(fields: Fields, talk: list[Message]) -> list[Message]:
    """The turns without one of the assistant that no question came before."""
    first = next((at for at, turn in enumerate(talk) if turn["role"] != "system"), 0)
    if [turn["role"] for turn in talk[first : first + 2]] != ["assistant", "user"]:
        return talk
    fields.changed("a greeting of the assistant before the first question was left out")
    return talk[:first] + talk[first + 1 :]


def message(role: str, content: str) -> Message:
    """One turn in OpenAI's form."""
    return {"role": role, "content": content}


def turn_of(fields: Fields, number: int, turn: Any) -> Message | None:
    """One turn in OpenAI's form, None with a mistake noted; content given in parts is joined when all are text."""
    role = ROLES.get(str(turn.get("role")).lower()) if isinstance(turn, dict) else None
    if role is None:
        fields.bad(f"turn {number} must be an object with a role of user, assistant or system; tools are not read")
        return None
    content = turn.get("content")
    if isinstance(content, list):
        content = text_of_parts(content)
    has_calls = any(turn.get(key) for key in _CALLS)
    if has_calls or not isinstance(content, str) or (role == "user" and not content.strip()):
        fields.bad(f"turn {number} ({role}) must have a text in `content`; images and calls are not read")
        return None
    return message(role, content)


def text_of_parts(parts: Sequence[Any]) -> str | None:
    """The text of a content in parts, None where one of them is no text."""
    kinds = ("text", "input_text", "output_text")
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") in kinds]
    joined = [text for text in texts if isinstance(text, str)]
    return "\n".join(joined) if len(joined) == len(parts) else None


# --- transcripts -----------------------------------------------------------------------------------------------------


def transcript(turns: Sequence[Message]) -> str:
    """The turns as one text that asks for the assistant's next turn; `transcript_turns` reads it back."""
    return "\n\n".join([*(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns), "Assistant:"])


def prompt_text(record: Record) -> str | None:
    """What comes before a record's answer as one text; None where its lines look like those of other speakers.

    The prompt of a single exchange ends with an empty line, since trainers join it to the answer as it is; that of a
    conversation is a transcript.
    """
    turns = [*record.earlier(), message("user", record.question)]
    has_more = bool(record.system or record.history)
    prompt = transcript(turns) if has_more else f"{record.question}\n\n"
    return prompt if transcript_turns(prompt) == (turns if has_more else None) else None


def transcript_turns(text: str) -> list[Message] | None:
    """The turns of a transcript that asks for the assistant's next turn; None where `text` is no transcript."""
    end = _ASKS.search(text)
    marks = list(_SPEAKER.finditer(text, 0, end.start())) if end else []
    if end is None or not marks or marks[0].start() != 0:
        return None
    ends = [*(mark.start() for mark in marks[1:]), end.start()]
    roles = [ROLES[mark[1].lower()] for mark in marks]
    talk = [role for role in roles if role != "system"]
    if talk != ["user", "assistant"] * (len(talk) // 2) + ["user"]:
        return None
    return [message(role, text[mark.end() : at]) for role, mark, at in zip(roles, marks, ends, strict=True)]


_HUMAN = re.compile(r"(?:\A|\n\n)(Human|Assistant):(?: |(?=\n)|\Z)")


def human_transcript(turns: Sequence[Message]) -> str | None:
    """A whole conversation in the form of Anthropic's HH data; None where it would be read as another one."""
    names = {"user": "Human", "assistant": "Assistant"}
    text = "".join(f"\n\n{names.get(turn['role'], 'System')}: {turn['content']}" for turn in turns)
    return text if human_turns(text) == list(turns) else None


def human_turns(text: str) -> list[Message] | None:
    """The turns of such a text; None where it is none."""
    marks = list(_HUMAN.finditer(text))
    if not marks or marks[0].start() != 0:
        return None
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return [message(ROLES[mark[1].lower()], text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)]
