"""What all commands share: one way to fail, one way to print. Knows nothing of any stage.

With `--json` stdout holds one JSON value and nothing else; all other words go to stderr. Text from models or files is
printed as plain text with its control characters made visible, never as markup.
"""

from __future__ import annotations

import errno
import io
import json as json_module
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from synth.errors import StorageError, SynthError

if TYPE_CHECKING:
    from synth.sources import Source

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout and nothing else.")]

Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse a file with rows that cannot be used; they are skipped else."),
]


FILE_ENDINGS = (".json", ".jsonl", ".yaml", ".yml", ".csv", ".parquet", ".html", ".txt", ".sqlite")
"""What names a file beyond doubt, where a folder is wanted."""


def folder_path(text: str) -> Path:
    """The value of a flag that names a folder."""
    if not text.strip():
        raise typer.BadParameter("it is empty; name a folder")
    path = Path(text)
    if not path.is_dir() and (path.exists() or path.suffix in FILE_ENDINGS):
        raise typer.BadParameter(f"{text} is a file; name a folder, for example {path.with_suffix('')}-run")
    return path


_RUN = typer.Option("--run", metavar="DIR", help="The run folder.", parser=folder_path, show_default=False)
RunDir = Annotated[Path, _RUN]
MaybeRunDir = Annotated[Path | None, _RUN]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL = re.compile(r"no space left|disk quota|file too large|disk is full|StreamWriter failed writing", re.I)

# Control characters (but tab and line feed), and the marks that turn text around or hide in it.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def safe(text: str) -> str:
    """`text` with every character that could steer a terminal or reorder a line written as an escape."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


@contextmanager
def guard(*, json: bool = False, debug: bool = False) -> Iterator[None]:
    """Runs a command's body: a SynthError becomes a message, a hint and its exit code, anything unforeseen exit code 1.

    With `json` the error is also a JSON object on stdout: error, hint, exit_code, and mistakes where there are several.
    With `debug` errors pass through.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode shows escapes and goes on
    try:
        yield
        sys.stdout.flush()
    except SynthError as error:
        if debug:
            raise
        code = StorageError.exit_code if _is_disk_full(error) else error.exit_code
        _fail(error.message, error.hint, code, json, getattr(error, "mistakes", None))
    except KeyboardInterrupt:
        _fail("interrupted", "Run the same command again to continue.", 130, json)
    except BrokenPipeError:
        _leave_stdout()
        raise typer.Exit(1) from None
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:
        if debug:
            raise
        if _is_disk_full(error):
            where = getattr(error, "filename", None) or "a file"
            _fail(f"{where} cannot be written: {error}", "Free some disk space, then run it again.", 5, json)
        _fail(f"unexpected {type(error).__name__}: {error}", "Run it again with --debug to see where.", 1, json)


def _is_disk_full(error: BaseException) -> bool:
    """Also where a library (safetensors, torch, sqlite) wraps the system's error, or only repeats its words.

    The words of a SynthError may be those of a server or a file, and tell nothing; what it was raised from does.
    """
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    if not isinstance(error, SynthError) and _FULL.search(str(error)):
        return True
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return before is not None and _is_disk_full(before)


def _fail(message: str, hint: str, exit_code: int, json: bool, mistakes: Sequence[str] | None = None) -> NoReturn:
    log(f"error: {message}" + (f"\nhint: {hint}" if hint else ""))
    try:
        if json:
            listed = {"mistakes": list(mistakes)} if mistakes else {}
            print_json({"error": message, "hint": hint, "exit_code": exit_code} | listed)
        sys.stdout.flush()
    except OSError:
        _leave_stdout()
    raise typer.Exit(exit_code) from None


def _leave_stdout() -> None:
    """Nobody takes what is printed (a closed pipe, a full disk): what is left of it goes nowhere, without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def log(text: str) -> None:
    """Words for the person at the terminal, on stderr; dropped where nobody reads it any more."""
    with suppress(OSError):
        print(safe(text), file=sys.stderr, flush=True)


def read_told(path: Path, *, strict: bool, require_output: bool = True) -> Source:
    """The records of a file; which rows were skipped, and what was changed, goes to stderr. Raises InputError."""
    from synth.sources import read_source

    source = read_source(path, require_output=require_output, strict=strict)
    for line in source.told(path):
        log(line)
    return source


def say(text: str) -> None:
    """The result of a command without `--json`, on stdout."""
    print(safe(text))


def show(json: bool, text: str, /, **value: Any) -> None:
    """The result of a command on stdout: `value` where JSON is wanted, else `text`."""
    print_json(value) if json else say(text)


def print_json(value: Any) -> None:
    """One JSON value on stdout, ASCII only, so that no terminal or pipe can trip over it."""
    print(json_module.dumps(value, indent=2, allow_nan=False), flush=True)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; every cell is plain text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
    say(title)
    Console(highlight=False).print(table)
    say("")
