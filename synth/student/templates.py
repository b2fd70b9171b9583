"""How a conversation becomes the text a student sees: one Template for training, evaluation, serving and export.

A template cuts a conversation into segments, so that the loss mask, the end of each answer and the generation prompt
all come from one place. Tokenising is done in `encode.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from synth.errors import UsageError
from synth.plugins import find
from synth.records import Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the student's text.

    `kind`: "frame" is the template's own (control tokens count as such), "content" is data (control tokens in it are
    plain text), "end" is the tokenizer's end-of-sequence token. `is_learned`: the loss is taken here.
    """

    text: str
    kind: Literal["frame", "content", "end"] = "frame"
    is_learned: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange. `output` is empty in the last turn of a generation prompt."""

    instruction: str
    input: str = ""
    output: str = ""

    @property
    def user_text(self) -> str:
        """Instruction and input as a user would type them into a chat (the form of the prompt `answer`)."""
        return Record(self.instruction, self.input).question


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in order, with the system text in front (empty where there is none)."""

    turns: tuple[Turn, ...]
    system: str = ""


def conversation_of(record: Record) -> Conversation:
    """A record as turns."""
    turns = tuple(Turn(one.instruction, one.input, one.output) for one in record.exchanges())
    return Conversation(turns, record.system)


class Template(Protocol):
    """One way to write a conversation.

    `end_token`: what the tokenizer's end of sequence must be; "" leaves the tokenizer's own. `writes_start`: it writes
    the beginning-of-sequence token itself. `folds_system`: it puts a system text into the first user turn.
    """

    @property
    def name(self) -> str: ...
    @property
    def end_token(self) -> str: ...
    @property
    def writes_start(self) -> bool: ...
    @property
    def folds_system(self) -> bool: ...

    def segments(self, conversation: Conversation) -> list[Segment]:
        """The whole conversation: every answer learned, each with its end token."""
        ...

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """The same up to where the last answer begins."""
        ...

    def jinja(self, start: str) -> str:
        """The same form as a chat template that begins with `start`; saved with the student, for servers."""
        ...


# What stands before an answer: (turn, system text, is it the first turn) -> segments.
Opening = Callable[[Turn, str, bool], list[Segment]]


@dataclass(frozen=True, slots=True)
class TurnTemplate:
    """A form of ours or of a published model, as a function of one turn.

    `closing`: the frame after an end token. `answer_lead`: learned as the beginning of every answer.
    """

    name: str
    opening: Opening
    closing: str = ""
    end_token: str = ""
    answer_lead: str = ""
    writes_start: ClassVar[bool] = False
    folds_system: ClassVar[bool] = False

    def segments(self, conversation: Conversation) -> list[Segment]:
        """See Template."""
        parts: list[Segment] = []
        for number, turn in enumerate(conversation.turns):
            parts += self.opening(turn, conversation.system, number == 0)
            parts.append(Segment(self.answer_lead + turn.output, "content", is_learned=True))
            parts.append(Segment("", "end", is_learned=True))
            parts += [Segment(self.closing)] if self.closing else []
        return parts

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """See Template."""
        return self.segments(conversation)[: -3 if self.closing else -2]

    def jinja(self, start: str) -> str:
        """See Template. A user's message is taken whole, so a form with a place for the input leaves that place out."""

        def written(system: str, is_first: bool) -> str:
            return "".join(f"{{{{ {expression(part)} }}}}" for part in self.opening(Turn("U"), system, is_first))

        def expression(part: Segment) -> str:
            names = {"S": "messages[0]['content']", "U": "message['content']"}
            lead = f"{part.text[:-1]!r} ~ " if part.text[:-1] else ""
            return lead + names[part.text[-1]] if part.kind == "content" else repr(part.text)

        closing = f"{{{{ {self.closing!r} }}}}" if self.closing else ""
        return (
            (f"{{{{ {start!r} }}}}" if start else "")
            + "{%- for message in messages -%}{%- if message['role'] == 'user' -%}"
            + "{%- if loop.first -%}" + written("", True)
            + "{%- elif loop.index0 == 1 and messages[0]['role'] == 'system' -%}" + written("S", True)
            + "{%- else -%}" + written("", False) + "{%- endif -%}"
            + "{%- elif message['role'] == 'assistant' -%}{{ "
            + f"{self.answer_lead!r} ~ message['content']"
            + " }}{{ eos_token }}" + closing
            + "{%- endif -%}{%- endfor -%}"
        )  # fmt: skip


# --- the forms -------------------------------------------------------------------------------------------------------

_ALPACA = (
    "Below is an instruction that describes a task{with_input}. "
    "Write a response that appropriately completes the request.\n\n"
)
_ALPACA_INPUT = ", paired with an input that provides further context"
_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def _alpaca(after_response: str) -> Opening:
    def opening(turn: Turn, system: str, is_first: bool) -> list[Segment]:
        preamble = _ALPACA.format(with_input=_ALPACA_INPUT if turn.input else "")
        head = [Segment(system, "content"), Segment("\n\n")] if system else [Segment(preamble)]
        parts = [*(head if is_first else [Segment("\n\n")])]
        parts += [Segment("### Instruction:\n"), Segment(turn.instruction, "content")]
        if turn.input:
            parts += [Segment("\n\n### Input:\n"), Segment(turn.input, "content")]
        return [*parts, Segment(f"\n\n### Response:{after_response}")]

    return opening


def _wizardlm(turn: Turn, system: str, is_first: bool) -> list[Segment]:
    head = [Segment(system, "content"), Segment("\n\n")] if system and is_first else []
    return [*head, Segment(turn.user_text, "content"), Segment("\n\n### Response:")]


def _vicuna(turn: Turn, system: str, is_first: bool) -> list[Segment]:
    head = [Segment(system, "content") if system else Segment(_VICUNA), Segment(" ")] if is_first else []
    return [*head, Segment("USER: "), Segment(turn.user_text, "content"), Segment(" ASSISTANT:")]


def _chatml(turn: Turn, system: str, is_first: bool) -> list[Segment]:
    head: list[Segment] = []
    if system and is_first:
        head = [Segment("<|im_start|>system\n"), Segment(system, "content"), Segment("<|im_end|>\n")]
    user = [Segment("<|im_start|>user\n"), Segment(turn.user_text, "content"), Segment("<|im_end|>\n")]
    return [*head, *user, Segment("<|im_start|>assistant\n")]


def _short(turn: Turn, system: str, is_first: bool) -> list[Segment]:
    """Every text begins with a space, so that a word is one and the same token wherever it stands."""
    head = [Segment("System:"), Segment(f" {system}", "content"), Segment("\n")] if system and is_first else []
    head += [Segment("Task:"), Segment(f" {turn.instruction}", "content")]
    if turn.input:
        head += [Segment("\n"), Segment(f" {turn.input}", "content")]
    return [*head, Segment("\nAnswer:")]


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The tokens that are no text, longest first."""
    tokens = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted(tokens, key=lambda token: (-len(token), token))


def template_named(name: str, tokenizer: PreTrainedTokenizerBase) -> Template:
    """The template `name` of TEMPLATES, or one's own as `module:name`; "chat" for the one that came with the model.

    "auto": the model's own if it has one, else alpaca. Raises UsageError for any other name.
    """
    if name == "auto":
        name = "chat" if tokenizer.chat_template else "alpaca"
    if name == "chat":
        from synth.student.chat_template import ChatTemplate

        return ChatTemplate(tokenizer)
    return find_template(name)


def find_template(name: str) -> Template:
    """A template that is known without a model. Raises UsageError where there is none of that name."""
    found: Template = find({**TEMPLATES}, name, "template")
    if not all(hasattr(found, part) for part in ("name", "end_token", "segments", "prompt", "jinja")):
        raise UsageError(f"template {name}: it is no synth.Template", "see examples/plugins/template.py")
    return found


# alpaca: Stanford Alpaca's train.py, which ends in "### Response:"; alpaca-newline: most re-implementations.
# wizardlm: WizardLM-7B V1.0. vicuna: FastChat's v1.1, also of WizardLM-13B. chatml: OpenAI's markup, as in Qwen.
# short: our own, few tokens, for students made from scratch.
TEMPLATES: dict[str, TurnTemplate] = {
    "alpaca": TurnTemplate("alpaca", _alpaca("")),
    "alpaca-newline": TurnTemplate("alpaca-newline", _alpaca("\n")),
    "wizardlm": TurnTemplate("wizardlm", _wizardlm),
    "vicuna": TurnTemplate("vicuna", _vicuna, answer_lead=" "),
    "chatml": TurnTemplate("chatml", _chatml, closing="\n", end_token="<|im_end|>"),
    "short": TurnTemplate("short", _short, answer_lead=" "),
}
