"""The settings of bootstrap, each default with its source.

Published: Self-Instruct (Wang et al., arXiv 2212.10560, and its code) and Alpaca (Taori et al. 2023, its code). Where a
default departs from them, the note beside it says so and why.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from synth.given import StrictSettings
from synth.models.base import Sampling
from synth.sources.languages import check_code

SELF_INSTRUCT_SAMPLING = Sampling(temperature=0.7, top_p=0.5, presence_penalty=2.0, max_tokens=1024)
"""bootstrap_instructions.py. Its stop "16." also cut prices and years; see `completing.LIST` for ours."""
CLASSIFICATION_SAMPLING = Sampling(temperature=0.0, max_tokens=8)
"""identify_clf_or_not.py, with 8 tokens for 3, as chat models spend some on markup. Its top_p 0 says the same as
temperature 0, and some servers refuse it."""
INSTANCE_SAMPLING = Sampling(temperature=0.0, presence_penalty=1.5, max_tokens=2048)
"""generate_instances.py, with room for the longer answers of today's models (300 or 350 there, by the batch)."""
ALPACA_SAMPLING = Sampling(temperature=0.7, top_p=0.95, max_tokens=1536)
"""generate_instruction.py of Alpaca has temperature 1, top_p 1 and 3072 tokens for 20 tasks. At temperature 1 a small
model slips into other languages, and one that does not end holds up all others. Its ban on the end-of-text token is
left out, chat models end by themselves."""
DIVERSE_SAMPLING = Sampling(temperature=0.7, top_p=0.95, max_tokens=768)
MAGPIE_SAMPLING = Sampling(temperature=1.0, top_p=0.99, max_tokens=512)
"""As Magpie drew its instructions (arXiv 2406.08464, appendix), with a shorter cap."""
SECOND_CLASSIFICATION_SAMPLING = Sampling(temperature=0.7, max_tokens=1024)
"""For an answer that could not be read: at temperature 0 it would come again, and a model that thinks needs room."""

TASKS_PER_REQUEST = {"self_instruct": 8, "alpaca": 3, "diverse": 1, "magpie": 1}
"""Self-Instruct stops its list of 8 + 8 at number 16. Alpaca asked for 20; small models answer that with four or five
tasks, each worse than the one before."""
NUM_EXAMPLES = {"self_instruct": 8, "alpaca": 3, "diverse": 5, "magpie": 0}
NUM_MACHINE_EXAMPLES = {"self_instruct": 2, "alpaca": 0, "diverse": 0, "magpie": 0}
WITH_OUTPUTS = {"self_instruct": False, "alpaca": True, "diverse": False, "magpie": False}
INSTANCES_PER_TASK = {"self_instruct": 1, "alpaca": 1, "diverse": 1, "magpie": 1}
INPUT_FIRST_EXAMPLES = 11
OUTPUT_FIRST_EXAMPLES = 16
"""Solved tasks in the two instance prompts of Self-Instruct."""
PROMPT_NAMES = ("diverse", "alpaca", "self_instruct", "is_classification", "instances", "instances_output_first")


class BootstrapSettings(StrictSettings):
    """How new tasks are made. null takes the default of the method."""

    method: Literal["diverse", "alpaca", "self_instruct", "magpie"] = Field(
        "diverse",
        description=(
            "diverse (drawn attributes), alpaca (many tasks in one reply), self_instruct (lists, then instances) or "
            "magpie (no examples: a chat model goes on from the header of a user's turn)."
        ),
    )
    header: str = Field(
        "<|im_start|>user\n",
        min_length=1,
        description="For magpie: what stands before a user's turn in the model's chat template; ChatML by default.",
    )
    header_end: str = Field("<|im_end|>", min_length=1, description="For magpie: what ends a turn there.")
    num_tasks: int = Field(100, ge=1, description="Accepted tasks wanted, exactly.")
    window: int = Field(
        256,
        ge=1,
        description=(
            "Requests that may be under way without seeing each other's tasks. It shapes the result; keep it at"
            " 4 times the slots or more."
        ),
    )
    tasks_per_request: int | None = Field(
        None, ge=1, le=50, description="Tasks asked for at once; null: 1 (alpaca 3, self_instruct 8)."
    )
    num_examples: int | None = Field(
        None, ge=1, le=30, description="Tasks shown in a prompt; null: 5 (alpaca 3, self_instruct 8)."
    )
    examples_from: Literal["plain", "seeds"] = Field(
        "plain",
        description=(
            "Tasks shown: plain ones of our own, as small models cannot follow expert tasks, or the seeds, whose manner"
            " a strong teacher takes over. Seeds in other languages, or not of the kinds of our own, are always shown;"
            " those without a category by alpaca and self_instruct only."
        ),
    )
    num_machine_examples: int | None = Field(
        None, ge=0, le=10, description="Of these, machine-made ones at most; null: 0 (self_instruct 2)."
    )
    with_outputs: bool | None = Field(
        None,
        description=(
            "Let the reply with the tasks answer them too, which saves tokens; null: alpaca does, diverse does not."
        ),
    )
    classification_only: bool = Field(
        False, description="Ask for classification tasks only (a variant of Self-Instruct)."
    )
    instances_per_task: int | None = Field(
        None, ge=1, le=20, description="Inputs with answers for each task, at most; null: 1."
    )
    classification_examples: tuple[int, int] = Field(
        (12, 19),
        description=(
            "Tasks shown when asking whether a task is classification: how many that are, how many that are not."
        ),
    )
    num_instance_examples: int | None = Field(
        None, ge=0, le=40, description="Solved tasks shown when asking for instances; null: 11, for classification 16."
    )
    categories: list[str] | None = Field(
        None,
        min_length=1,
        description=(
            "Kinds of task that `diverse` draws from, such as closed_qa, summarization or other categories of Dolly; "
            "null: those of the seeds."
        ),
    )
    topic: str | None = Field(None, description="One sentence about the domain wanted.")
    language: Literal["shown", "any"] | list[str] = Field(
        "shown",
        description=(
            "ISO 639-1 codes to draw from. shown: tasks are to be in a language of the examples shown, others are "
            "rejected; small models drift into what is none. any: nothing is asked for or rejected."
        ),
    )
    novelty_threshold: float = Field(
        0.7,
        gt=0,
        le=1,
        description="A task is rejected when its highest ROUGE-L to seeds and accepted tasks is above this.",
    )
    novelty_strict: bool = Field(
        False, description="Reject at the threshold as well, as the paper words it; the published code keeps a tie."
    )
    novelty_tokenizer: Literal["unicode", "rouge"] = Field(
        "unicode",
        description="How words are cut for ROUGE-L: unicode (any script) or rouge (as published, Latin letters).",
    )
    num_most_similar: int = Field(
        1,
        ge=1,
        le=100,
        description="Nearest tasks noted with each task; more than 1 costs a pass over the pool for each.",
    )
    checks: list[str | dict[str, dict[str, Any]]] | None = Field(
        None, description="Checks of the instruction; null: those the method was published with."
    )
    structured: Literal["auto", "json", "sections"] = Field(
        "auto",
        description="Ask by JSON schema or for headed sections; auto takes the schema where the teacher prefers it.",
    )
    sampling: Sampling | None = Field(None, description="How tasks are drawn; null: as the method was published.")
    classification_sampling: Sampling = Field(
        CLASSIFICATION_SAMPLING, description="How it is asked whether a task is classification."
    )
    instance_sampling: Sampling = Field(INSTANCE_SAMPLING, description="How instances are drawn.")
    prompt_paths: dict[str, str] = Field(
        default_factory=dict, description="Prompt name to a .jinja file of your own; keep the headings."
    )
    max_requests: int | None = Field(
        None, ge=1, description="Requests for tasks after which to give up; null: 5 times the ideal number, and 20."
    )

    @field_validator("language")
    @classmethod
    def _has_a_language(cls, value: str | list[str]) -> str | list[str]:
        if not value or not all(value):
            raise ValueError('name at least one language, or write "shown" or "any"')
        return value if isinstance(value, str) else [check_code(code) for code in value]

    @property
    def named_languages(self) -> list[str]:
        """The languages to draw from; empty where none is named."""
        return [] if isinstance(self.language, str) else self.language

    @model_validator(mode="after")
    def _fits_the_method(self) -> BootstrapSettings:
        if self.categories and self.method != "diverse":
            raise ValueError("categories are drawn by the method diverse alone")
        if self.method == "self_instruct" and self.with_outputs:
            raise ValueError("with_outputs is for alpaca and diverse; self_instruct asks for instances by themselves")
        if self.method == "magpie" and (self.topic or self.with_outputs or self.per_request > 1):
            raise ValueError("magpie asks without a word: it takes no topic, outputs or tasks_per_request")
        return self

    @field_validator("prompt_paths")
    @classmethod
    def _prompts_exist(cls, value: dict[str, str]) -> dict[str, str]:
        for name, path in value.items():
            if name not in PROMPT_NAMES:
                close = difflib.get_close_matches(name, PROMPT_NAMES, 1) or [", ".join(PROMPT_NAMES)]
                raise ValueError(f"there is no prompt {name!r} here; did you mean {close[0]}?")
            if not path.endswith(".jinja"):
                raise ValueError(f"{path} must be a .jinja file")
        return value

    @property
    def per_request(self) -> int:
        """Tasks asked for at once."""
        return self.tasks_per_request or TASKS_PER_REQUEST[self.method]

    @property
    def examples(self) -> int:
        """Tasks shown in a prompt."""
        return self.num_examples or NUM_EXAMPLES[self.method]

    @property
    def machine_examples(self) -> int:
        """Of these, machine-made ones at most."""
        return NUM_MACHINE_EXAMPLES[self.method] if self.num_machine_examples is None else self.num_machine_examples

    @property
    def outputs(self) -> bool:
        """Does the reply with the tasks bring their answers?"""
        return WITH_OUTPUTS[self.method] if self.with_outputs is None else self.with_outputs

    @property
    def instances(self) -> int:
        """Instances of a task, at most."""
        return self.instances_per_task or INSTANCES_PER_TASK[self.method]

    @property
    def request_limit(self) -> int:
        """Proposals after which the stage gives up."""
        return self.max_requests or 20 + 5 * -(-self.num_tasks // self.per_request)

    def solved_examples(self, is_classification: bool) -> int:
        """Solved tasks shown when asking for instances."""
        default = OUTPUT_FIRST_EXAMPLES if is_classification else INPUT_FIRST_EXAMPLES
        return default if self.num_instance_examples is None else self.num_instance_examples

    def prompt(self, name: str) -> str:
        """The prompt to render for `name`: the user's file where one is given."""
        return self.prompt_paths.get(name, name)
