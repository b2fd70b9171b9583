"""All errors that synth raises on purpose, as one tree. Each says what happened and carries a hint what to do.

SynthError                      exit 1
├── UsageError                  exit 2   wrong flags, recipes, files
│   └── InputError              exit 2   every mistake of an input file, listed
├── BudgetReached               exit 4   the cap on money or tokens
├── StorageError                exit 5   disk full, locked or damaged run folder
├── CredentialsError            exit 6   key, permission, quota: nothing can succeed
├── StageStopped                exit 3   a stage refuses to go on because almost all it makes is rejected
├── RequestFailed               (caught by the engine: one item is quarantined)
│   ├── RetryableError          try again: 408, 409, 429, 5xx, timeouts, broken bodies
│   └── RequestRefused          never try again: 400, 422, content filter, unsupported task
└── TrainingError               exit 1   the student could not be trained
"""

from __future__ import annotations

from collections.abc import Sequence


class SynthError(Exception):
    """The root. `hint` is one sentence that says what to do next; `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SynthError):
    """What was asked for cannot be done as asked: flags, recipe, paths."""

    exit_code = 2


class InputError(UsageError):
    """An input file has mistakes. `mistakes` has one line for each, with file, line and what to do."""

    shown = 50

    def __init__(self, message: str, mistakes: Sequence[str], hint: str = "") -> None:
        rest = len(mistakes) - self.shown
        lines = list(mistakes[: self.shown]) + ([f"... and {rest} more"] if rest > 0 else [])
        super().__init__("\n  ".join([message, *lines]), hint)
        self.mistakes = tuple(mistakes)


class BudgetReached(SynthError):
    """The next request could pass the cap on money or tokens. Everything paid for is kept."""

    exit_code = 4


class StorageError(SynthError):
    """The run folder cannot be written, is locked by another process, or is damaged."""

    exit_code = 5


class CredentialsError(SynthError):
    """The endpoint refuses every request: wrong key, no permission, no such model, no quota.

    `is_address`: it says that there is nothing at this address, or no such model: a wrong flag, exit code 2. From an
    endpoint that has answered that is one failure.
    """

    exit_code = 6
    is_address: bool = False


class StageStopped(SynthError):
    """A stage stopped because going on would only waste money, such as a judge that refuses everything."""

    exit_code = 3


class RequestFailed(SynthError):
    """One request failed. `reason` is a short code that ends up in the quarantine of its item.

    `billed`: tokens of prompt and answer that it was charged for all the same, None for a number that is not known; as
    a whole None where nothing was charged.
    """

    def __init__(
        self, message: str, reason: str, hint: str = "", *, billed: tuple[int | None, int | None] | None = None
    ) -> None:
        super().__init__(message, hint)
        self.reason = reason
        self.billed = billed


class RetryableError(RequestFailed):
    """Worth another try. `retry_after` is the server's wish in seconds; `is_throttle` marks 429 and 503 with a wish.

    `is_outage`: the server is away as a whole, so that waiting is all that helps.
    """

    def __init__(
        self,
        message: str,
        reason: str,
        *,
        retry_after: float | None = None,
        is_throttle: bool = False,
        is_outage: bool = False,
        billed: tuple[int | None, int | None] | None = None,
    ) -> None:
        super().__init__(message, reason, billed=billed)
        self.retry_after = retry_after
        self.is_throttle = is_throttle
        self.is_outage = is_outage


class RequestRefused(RequestFailed):
    """Will never succeed as it is: a bad request, a content filter, a task the teacher declines.

    `field`: the field of the request that the server names as the reason.
    """

    field: str | None = None


class TrainingError(SynthError):
    """The student could not be trained or saved; the last good checkpoint is kept."""
