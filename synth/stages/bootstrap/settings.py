"""The settings of bootstrap, each default with its source.

Published: Self-Instruct (Wang et al., arXiv 2212.10560, and its code) and Alpaca (Taori et al. 2023, its code). Where a
default departs from them, the note beside it says so and why.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.models.base import Sampling

SELF_INSTRUCT_SAMPLING = Sampling(temperature=0.7, top_p=0.5, presence_penalty=2.0, max_tokens=1024)
"""bootstrap_instructions.py. Its stop "16." also cut prices and years; see `completing.LIST` for ours."""
CLASSIFICATION_SAMPLING = Sampling(temperature=0.0, max_tokens=8)
"""identify_clf_or_not.py, with 8 tokens for 3, as chat models spend some on markup. Its top_p 0 says the same as
temperature 0, and some servers refuse it."""
INSTANCE_SAMPLING = Sampling(temperature=0.0, presence_penalty=1.5, max_tokens=2048)
"""generate_instances.py, with room for the longer answers of today's models (300 or 350 there, by the batch)."""
ALPACA_SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=3072)
"""generate_instruction.py of Alpaca; its ban on the end-of-text token is left out, chat models end by themselves."""
DIVERSE_SAMPLING = Sampling(temperature=0.7, top_p=0.95, max_tokens=768)
SECOND_CLASSIFICATION_SAMPLING = Sampling(temperature=0.7, max_tokens=1024)
"""For an answer that could not be read: at temperature 0 it would come again, and a model that thinks needs room."""

TASKS_PER_REQUEST = {"self_instruct": 8, "alpaca": 3, "diverse": 1}
"""Self-Instruct stops its list of 8 + 8 at number 16. Alpaca asked for 20; small models answer that with four or five
tasks, each worse than the one before."""
NUM_EXAMPLES = {"self_instruct": 8, "alpaca": 3, "diverse": 5}
NUM_MACHINE_EXAMPLES = {"self_instruct": 2, "alpaca": 0, "diverse": 0}
WITH_OUTPUTS = {"self_instruct": False, "alpaca": True, "diverse": False}
INSTANCES_PER_TASK = {"self_instruct": 1, "alpaca": 1, "diverse": 1}
INPUT_FIRST_EXAMPLES = 11
OUTPUT_FIRST_EXAMPLES = 16
"""Solved tasks in the two instance prompts of Self-Instruct."""
PROMPT_NAMES = ("diverse", "alpaca", "self_instruct", "is_classification", "instances", "instances_output_first")


class BootstrapSettings(BaseModel):
    """How new tasks are made. None takes the default of the method, given here for self_instruct, alpaca, diverse.

    `num_tasks`: accepted tasks wanted, exactly. `window`: requests that may be under way without seeing each other's
    tasks, after a start with few; it shapes the result (concurrency never does): keep it at 4 times the slots or more.
    `tasks_per_request`: tasks asked for at once (8, 20, 20). `num_examples`: tasks shown (8, 3, 3), of which
    `num_machine_examples` at most are machine-made once there are any (2, 0, 1). `classification_only`: the variant of
    Self-Instruct that asks for classification tasks. `instances_per_task`: inputs with answers for each task, at most
    (5, 1, 1); where it is 1, alpaca and diverse spare the request. `classification_examples`: tasks of both kinds shown
    when asking whether a task is classification (12 yes, 19 no). `num_instance_examples`: solved tasks shown when
    asking for instances (11, for classification 16). `with_outputs`: let alpaca or diverse write the answers in the
    same reply (alpaca does, diverse does not): it saves tokens, an answer of its own has the teacher's whole attention.
    `topic`: one sentence about the domain wanted. `language`: "any", or ISO 639-1 codes to draw from.
    `novelty_threshold`, `novelty_strict`: a task goes when its highest ROUGE-L to seeds and accepted tasks is above the
    threshold (strict: at or above, as the paper words it; the published code keeps a tie). `num_most_similar`: nearest
    tasks noted with each task (Self-Instruct notes 10; more than 1 costs a pass over the pool for each).
    `checks`: checks of the instruction, None for those the method was published with. `structured`: ask by JSON schema
    or for headed sections; "auto" takes the schema where the teacher prefers it. `sampling`,
    `classification_sampling`, `instance_sampling`: of the three kinds of request. `prompt_paths`: own .jinja files by
    prompt name; keep the headings. `max_requests`: proposals after which to give up (None: 5 times the ideal + 20).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["diverse", "alpaca", "self_instruct"] = "diverse"
    num_tasks: int = Field(100, ge=1)
    window: int = Field(256, ge=1)
    tasks_per_request: int | None = Field(None, ge=1, le=50)
    num_examples: int | None = Field(None, ge=1, le=30)
    num_machine_examples: int | None = Field(None, ge=0, le=10)
    with_outputs: bool | None = None
    classification_only: bool = False
    instances_per_task: int | None = Field(None, ge=1, le=20)
    classification_examples: tuple[int, int] = (12, 19)
    num_instance_examples: int | None = Field(None, ge=0, le=40)
    topic: str | None = None
    language: Literal["any"] | list[str] = "any"
    novelty_threshold: float = Field(0.7, gt=0, le=1)
    novelty_strict: bool = False
    novelty_tokenizer: Literal["unicode", "rouge"] = "unicode"
    num_most_similar: int = Field(1, ge=1, le=100)
    checks: list[str | dict[str, dict[str, Any]]] | None = None
    structured: Literal["auto", "json", "sections"] = "auto"
    sampling: Sampling | None = None
    classification_sampling: Sampling = CLASSIFICATION_SAMPLING
    instance_sampling: Sampling = INSTANCE_SAMPLING
    prompt_paths: dict[str, str] = Field(default_factory=dict)
    max_requests: int | None = Field(None, ge=1)

    @field_validator("language")
    @classmethod
    def _has_a_language(cls, value: str | list[str]) -> str | list[str]:
        if not value or not all(value):
            raise ValueError('name at least one language, or write "any"')
        return value

    @model_validator(mode="after")
    def _a_list_has_no_outputs(self) -> BootstrapSettings:
        if self.method == "self_instruct" and self.with_outputs:
            raise ValueError("with_outputs is for alpaca and diverse; self_instruct asks for instances by themselves")
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
