"""The chat template that came with a model, as a Template: the same text that the model's server writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from synth.errors import UsageError
from synth.student.templates import Conversation, Segment, Turn, control_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = re.compile("\ue000([0-9]+)\ue001")  # private-use characters around a number: no template contains them
_OTHER = "choose another template, such as chatml"

Message = dict[str, str]  # role and content


class ChatTemplate:
    """The chat template of a tokenizer.

    It is rendered with a mark in place of each text and cut at the marks. So it must write every text as it is (blanks
    at the ends aside) and close an answer with a control token. Where it has no place for a system text, that goes in
    front of the first user's.
    """

    name = "chat"
    writes_start = True

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.chat_template:
            raise UsageError("the model's tokenizer has no chat template", "choose a template by name, such as chatml")
        self._tokenizer = tokenizer
        question = [{"role": "user", "content": _marked("", 0)}]
        self._generation = self._render(question, True).rpartition(_marked("", 0))[2]
        after = self._cut(_messages(Conversation((Turn("q", "", "a"),)), False), False)[-1].text
        controls = [token for token in control_tokens(tokenizer) if token in after]
        if not controls:
            raise UsageError(
                "the model's chat template does not end an answer with a control token, so a student would never stop",
                _OTHER,
            )
        self.end_token = min(controls, key=lambda token: (after.index(token), -len(token)))
        self.folds_system = not self._takes_system()

    def segments(self, conversation: Conversation) -> list[Segment]:
        """See Template."""
        return self._with_ends(self._cut(_messages(conversation, self.folds_system), False))

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """See Template."""
        return self._with_ends(self._cut(_messages(conversation, self.folds_system)[:-1], True))

    def jinja(self, start: str) -> str:
        """See Template: it stays as it was."""
        return str(self._tokenizer.get_chat_template())

    def _takes_system(self) -> bool:
        try:
            self._cut(_messages(Conversation((Turn("q", "", "a"),), "s"), False), False)
        except UsageError:
            return False
        return True

    def _render(self, messages: list[Message], is_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=is_prompt, enable_thinking=False
                )
            )
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise UsageError(f"the model's chat template fails ({told})", _OTHER) from error

    def _cut(self, messages: list[Message], is_prompt: bool) -> list[Segment]:
        """The rendered messages in segments. Raises UsageError where they are not all there as they are."""
        marked = [one | {"content": _marked(one["content"], i)} for i, one in enumerate(messages)]
        pieces = _MARK.split(self._render(marked, is_prompt))
        if [int(number) for number in pieces[1::2]] != list(range(len(messages))):
            raise UsageError("the model's chat template leaves out, repeats or moves texts", _OTHER)
        frames = pieces[0::2]
        parts: list[Segment] = []
        for number, message in enumerate(messages):
            content, is_answer = message["content"], message["role"] == "assistant"
            core = content.strip()
            before, _, after = content.partition(core) if core else ("", "", "")
            if frames[number].endswith(before) and frames[number + 1].startswith(after):  # blanks are not stripped
                frames[number] = frames[number].removesuffix(before)
                frames[number + 1] = frames[number + 1].removeprefix(after)
                core = before + core + after
            parts += self._split(frames[number]) if is_answer else [Segment(frames[number])]
            parts.append(Segment(core, "content", is_learned=is_answer))
        parts.append(Segment(frames[-1]))
        if "".join(part.text for part in parts) != self._render(messages, is_prompt):
            raise UsageError("the model's chat template rewrites a text", _OTHER)
        return [part for part in parts if part.text]

    def _split(self, frame: str) -> list[Segment]:
        """The frame before an answer: what a server writes, and what the student has to write itself."""
        if not frame.startswith(self._generation):
            return [Segment(frame)]
        return [Segment(self._generation), Segment(frame[len(self._generation) :], is_learned=True)]

    def _with_ends(self, cut: list[Segment]) -> list[Segment]:
        """The end token after each answer as a segment of its own, learned with what stands before it."""
        parts: list[Segment] = []
        for part in cut:
            if not (parts and parts[-1].is_learned and part.kind == "frame" and self.end_token in part.text):
                parts.append(part)
                continue
            before, _, rest = part.text.partition(self.end_token)
            parts += [Segment(before, is_learned=True)] if before else []
            parts.append(Segment("", "end", is_learned=True))
            parts += [Segment(rest)] if rest else []
        return parts


def _marked(text: str, number: int) -> str:
    """A mark with the blanks around `text`, so that a template that strips its texts shows it."""
    core = text.strip()
    before, _, after = text.partition(core) if core else ("", "", "")
    return f"{before}\ue000{number}\ue001{after}"


def _messages(conversation: Conversation, folds_system: bool) -> list[Message]:
    messages = []
    for number, turn in enumerate(conversation.turns):
        is_folded = folds_system and conversation.system and number == 0
        user = f"{conversation.system}\n\n{turn.user_text}" if is_folded else turn.user_text
        messages += [{"role": "user", "content": user}, {"role": "assistant", "content": turn.output}]
    if conversation.system and not folds_system:
        messages.insert(0, {"role": "system", "content": conversation.system})
    return messages
