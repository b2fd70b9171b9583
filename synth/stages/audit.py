"""A quality audit by a person: a sheet of records drawn at random with three questions, and the rates it gives.

The questions are Self-Instruct's (arXiv 2212.10560, section 4.2), where one expert's answers on 200 instructions gave
92, 79, 58 and 54 % yes. The sheet is a CSV to fill in and a page to print; reading it back judges nothing by itself.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.engine.funnel import final_records
from synth.engine.ledger import LedgerReader
from synth.errors import InputError, UsageError
from synth.fileio import atomic_write
from synth.metrics import wilson_interval
from synth.records import Record, digest

SHEET, PAGE, RATES = "audit.csv", "audit.html", "audit.json"

# column of the sheet -> (question, published share of yes)
QUESTIONS: dict[str, tuple[str, float]] = {
    "valid_task": ("Does the instruction describe a valid task?", 0.92),
    "input_fits": ("Is the input appropriate for the instruction?", 0.79),
    "output_right": ("Is the output a correct and acceptable answer to both?", 0.58),
}
ALL_THREE = ("All three fields are valid", 0.54)
TEXTS = ("id", "instruction", "input", "output")
ANSWERS = {"y": True, "yes": True, "1": True, "true": True, "n": False, "no": False, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Rate:
    """The answers to one question: `yes` of `answered`, and the share of yes that was published."""

    question: str
    yes: int
    answered: int
    published: float

    def to_dict(self) -> dict[str, Any]:
        """A JSON object with the rate and its interval."""
        low, high = wilson_interval(self.yes, self.answered)
        rate = self.yes / self.answered if self.answered else None
        counts = {"question": self.question, "yes": self.yes, "answered": self.answered}
        return counts | {"rate": rate, "low": low, "high": high, "published": self.published}


def draw_sample(records: Iterable[Record], num: int, seed: int = 0) -> list[Record]:
    """`num` records drawn evenly, in their order, always the same ones of the same records; all if there are fewer."""
    rng = random.Random(int(digest("audit", seed)[:16], 16))
    drawn: list[tuple[int, Record]] = []
    for number, record in enumerate(records):
        if len(drawn) < num:
            drawn.append((number, record))
        elif (place := rng.randrange(number + 1)) < num:
            drawn[place] = (number, record)
    return [record for _, record in sorted(drawn, key=lambda pair: pair[0])]


def write_sheet(run_dir: Path, num: int = 200, seed: int = 0, *, overwrite: bool = False) -> list[Path]:
    """Draw `num` final records of a run and write the sheet and the page to print into its folder.

    Raises UsageError where there is nothing to draw, or where a sheet with answers is there already.
    """
    if not overwrite and _has_answers(run_dir / SHEET):
        raise UsageError(f"{run_dir / SHEET} holds answers already", "read it with --read, or start over with --fresh")
    ledger = LedgerReader(run_dir)
    try:
        sample = draw_sample(final_records(ledger), num, seed)
    finally:
        ledger.close()
    if not sample:
        raise UsageError(f"{run_dir} has no final records to draw from", "let the run make some first")
    atomic_write(run_dir / SHEET, sheet_text(sample))
    atomic_write(run_dir / PAGE, page_text(run_dir.resolve().name, sample))
    return [run_dir / SHEET, run_dir / PAGE]


def sheet_text(records: Iterable[Record]) -> str:
    """The CSV sheet, with a byte order mark so that spreadsheets read it as UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([*TEXTS, *QUESTIONS, "notes"])
    for record in records:
        writer.writerow([*(_cell(text) for text in _texts(record)), *("" for _ in QUESTIONS), ""])
    return "\ufeff" + out.getvalue()


def _texts(record: Record) -> tuple[str, str, str, str]:
    """The columns of TEXTS; a talk stands above the instruction that goes on with it."""
    instruction = "\n\n".join(filter(None, (record.talk, record.instruction)))
    return record.id, instruction, record.input, record.output


def _clean(text: str) -> str:
    """`text` without the characters that no file of text may hold."""
    return "".join("\ufffd" if c == "\x00" or "\ud800" <= c <= "\udfff" else c for c in text)


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    clean = _clean(text)
    return f"'{clean}" if clean and clean[0] in "=+-@\t\r\n＝＋－＠" else clean


def page_text(name: str, records: Iterable[Record]) -> str:
    """The printable page, one record after the other with boxes to tick."""
    import base64
    import hashlib

    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    made = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    css = (folder / "audit.css").read_text("utf-8").strip()
    sha256 = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{sha256}'; base-uri 'none'; form-action 'none'"
    rows = [[_clean(text) for text in _texts(record)] for record in records]
    asked = [question for question, _ in QUESTIONS.values()]
    return str(made.get_template("audit.html.jinja").render(name=name, css=css, policy=policy, rows=rows, asked=asked))


def read_sheet(path: Path) -> list[Rate]:
    """The rates of a sheet that was filled in; empty cells are not counted.

    Raises InputError with every cell that is neither yes nor no, UsageError where the file is no such sheet.
    """
    rows = _rows(path)
    mistakes: list[str] = []
    answers = [_answers(row, number, mistakes) for number, row in enumerate(rows, 2)]
    if mistakes:
        raise InputError(
            f"{path} has answers that are neither yes nor no:", mistakes, "Write y or n, or leave it empty."
        )
    rates = []
    for column, (question, published) in QUESTIONS.items():
        given = [row[column] for row in answers if column in row]
        rates.append(Rate(question, sum(given), len(given), published))
    whole = [row for row in answers if len(row) == len(QUESTIONS)]
    return [*rates, Rate(ALL_THREE[0], sum(all(row.values()) for row in whole), len(whole), ALL_THREE[1])]


def save_rates(run_dir: Path, rates: Iterable[Rate]) -> Path:
    """Store the rates in the run folder, where the report finds them."""
    body = {"questions": [rate.to_dict() for rate in rates]}
    atomic_write(run_dir / RATES, json.dumps(body, indent=1) + "\n")
    return run_dir / RATES


def _answers(row: Mapping[str, Any], number: int, mistakes: list[str]) -> dict[str, bool]:
    given = {}
    for column in QUESTIONS:
        cell = str(row.get(column) or "").strip()
        if cell.casefold() in ANSWERS:
            given[column] = ANSWERS[cell.casefold()]
        elif cell:
            mistakes.append(f"record {number - 1}, {column}: {cell[:40]!r}")
    return given


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(4096)
            file.seek(0)
            delimiter = ";" if sample.split("\n")[0].count(";") > sample.split("\n")[0].count(",") else ","
            rows = list(csv.DictReader(file, delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}", "name the CSV sheet that `synth audit` wrote") from error
    missing = [column for column in ("id", *QUESTIONS) if not rows or column not in rows[0]]
    if missing:
        raise UsageError(
            f"{path} lacks the columns {', '.join(missing)}", "name the CSV sheet that `synth audit` wrote"
        )
    return rows


def _has_answers(path: Path) -> bool:
    if not path.is_file():
        return False
    return any(str(row.get(column) or "").strip() for row in _rows(path) for column in (*QUESTIONS, "notes"))
