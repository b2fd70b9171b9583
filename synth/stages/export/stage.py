"""The export itself: records in, a folder of files out, with a card, a Croissant description and a manifest.

Streaming: the memory it needs does not grow with the records (but for a few hundred bytes each where splits are asked
for). The same records, settings and facts give the same bytes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from synth.engine.funnel import family_links
from synth.engine.ledger import LedgerReader
from synth.errors import StorageError
from synth.fileio import atomic_write
from synth.records import Record
from synth.stages.export.card import card
from synth.stages.export.columns import Row
from synth.stages.export.croissant import croissant
from synth.stages.export.facts import run_facts
from synth.stages.export.formats import find_format
from synth.stages.export.manifest import FILE_NAME, FileEntry, Manifest, describe_file, read_manifest, remove_stale
from synth.stages.export.provenance import COLUMNS as PROVENANCE_COLUMNS
from synth.stages.export.provenance import provenance
from synth.stages.export.settings import ExportSettings
from synth.stages.export.splits import TEST, TRAIN, VALIDATION, Families
from synth.stages.export.spoiled import spoiled_facts
from synth.stages.export.totals import Totals
from synth.stages.export.writers import CSV_NOTE, Write, cleaned, open_writer
from synth.stages.stage import RunFolder, Stage

Placed = Iterator[tuple[Record, str | None]]
HELD_OUT = "held_out.jsonl"
"""In the run folder: the records kept out of the export and of training."""


def export(
    records: Iterable[Record],
    out_dir: Path,
    settings: ExportSettings,
    facts: dict[str, Any],
    links: Iterable[tuple[str, str]] = (),
) -> Manifest:
    """Write `records` to `out_dir` in every format of the settings and say what was written.

    `facts` is what the card tells beyond the records, each key optional: see `card.FACTS`. `links`: pairs of record ids
    that must not be split (see `synth.engine.funnel.family_links`). Records without an answer are left out and counted.
    Raises StorageError where the folder cannot be written; an unfinished export has no manifest.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out_dir} cannot be made: {error.strerror}", "name a folder you may write to") from error
    before = _start_anew(out_dir)
    job = _Job(out_dir, settings, str(facts.get("date", "")))
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=out_dir) as spool:
        job.write(job.spool(job.kept(records), links, spool))
    data = job.describe()
    extra = job.write_about(data, facts)
    manifest = Manifest([*data, *extra], job.totals.records, job.left_out, str(facts.get("recipe_hash", "")), job.notes)
    manifest.write(out_dir)
    remove_stale(out_dir, before, {entry.path for entry in manifest.files})
    return manifest


def run(folder: RunFolder, settings: ExportSettings) -> bool:
    """The stage: the finished records of a run as files, what is held out beside them."""
    out_dir = folder.path / folder.name
    folder.paths.append(out_dir)
    records, held_out = folder.records()
    facts = run_facts(folder.path) | {"recipe_hash": folder.recipe.hash, "name": folder.recipe.name}
    facts |= spoiled_facts(folder.recipe, records)
    with LedgerReader(folder.path) as reader:
        export(records, out_dir, settings, facts, family_links(reader))
    if held_out:
        lines = "".join(json.dumps(record.to_dict()) + "\n" for record in held_out)
        atomic_write(folder.path / HELD_OUT, lines)
    return True


EXPORT = Stage("export", ExportSettings, run, "folder", is_default=True, files=("export", HELD_OUT))


def _start_anew(out_dir: Path) -> dict[str, Any] | None:
    """The manifest of an earlier export, which no longer counts from here on."""
    try:
        before = read_manifest(out_dir)
    except StorageError:
        before = None
    (out_dir / FILE_NAME).unlink(missing_ok=True)
    return before


class _Job:
    """One export on its way."""

    def __init__(self, out_dir: Path, settings: ExportSettings, date: str) -> None:
        self.out_dir = out_dir
        self.settings = settings
        self.date = date
        self.totals = Totals()
        self.left_out: dict[str, int] = {}
        self.repaired = 0
        self.rows: dict[tuple[str, str | None], int] = {}

    @property
    def splits(self) -> list[str | None]:
        """The splits that get files of their own; None stands for one file of all."""
        wanted = self.settings.splits
        if not wanted or not (wanted.validation or wanted.test):
            return [None]
        shares = ((TRAIN, 1.0), (VALIDATION, wanted.validation), (TEST, wanted.test))
        return [name for name, share in shares if share]

    @property
    def notes(self) -> list[str]:
        """What a reader of the files should know."""
        multi_turn = self.totals.multi_turn if "csv" in self.settings.formats else 0
        unheld = self._unheld()
        found = {
            CSV_NOTE: "csv" in self.settings.formats,
            f"{multi_turn} conversations are in the CSV file with their last exchange only.": multi_turn,
            f"{unheld} records whose lines look like those of speakers are not in prompt_completion.": unheld,
            f"In {self.repaired} records lone surrogates, which are no text, were replaced by U+FFFD.": self.repaired,
        }
        return [note for note, wanted in found.items() if wanted]

    def _unheld(self) -> int:
        """Records that the prompt-and-completion form cannot hold."""
        written = [rows for (name, _), rows in self.rows.items() if name == "prompt_completion"]
        return self.totals.records - sum(written) if written else 0

    def kept(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records that can be written, counted and with text that any reader can read."""
        for record in records:
            if not record.output.strip():
                self.left_out["no_answer"] = self.left_out.get("no_answer", 0) + 1
                continue
            clean = cleaned(record)
            self.repaired += clean is not record
            self.totals.add(clean)
            yield clean

    def spool(self, records: Iterable[Record], links: Iterable[tuple[str, str]], spool: Any) -> Placed:
        """The records with their splits. All must be seen before the first is written, so they wait on disk."""
        wanted = self.settings.splits
        families = Families(links)
        for record in records:
            if wanted:
                families.add(record)
            spool.write(json.dumps(record.to_dict()) + "\n")
        assigned: list[str | None] = [None] * self.totals.records
        if wanted and self.splits != [None]:
            assigned = list(families.assign(wanted.validation, wanted.test))
        return _leaders_first(spool, assigned) if self.totals.multi_turn else _placed(spool, assigned)

    def write(self, placed: Placed) -> None:
        """Write every record to every format, in one pass."""
        with ExitStack() as stack:
            opened: dict[str | None, list[tuple[str, Callable[[Record], list[Row]], Write, set[str]]]] = {}
            for split in self.splits:
                for name in self.settings.formats:
                    writer = stack.enter_context(
                        open_writer(self.out_dir / self._path(name, split), self._columns(name))
                    )
                    opened.setdefault(split, []).append((name, find_format(name).rows, writer, self._unused(name)))
                    self.rows[name, split] = 0
            for record, split in placed:
                extra = provenance(record, self.date, self.settings.licence) if self.settings.provenance else {}
                for name, rows_of, write, unused in opened[split]:
                    for row in rows_of(record):
                        write({key: value for key, value in row.items() if key not in unused} | extra)
                        self.rows[name, split] += 1

    def describe(self) -> list[FileEntry]:
        """The entries of the data files."""
        return [
            describe_file(
                self.out_dir,
                self._path(name, split),
                format=name.rpartition(":")[2],
                split=split,
                rows=rows,
                columns=self._columns(name),
            )
            for (name, split), rows in self.rows.items()
        ]

    def write_about(self, data: list[FileEntry], facts: dict[str, Any]) -> list[FileEntry]:
        """Write the files about the data: for LLaMA-Factory, for people (README.md) and for machines (Croissant)."""
        texts = {
            "README.md": card(data, self.totals, self.settings, self.left_out, self.notes, facts),
            "croissant.json": json.dumps(croissant(data, self.settings, facts), indent=1) + "\n",
        }
        info = dataset_info(data, self.totals, str(facts.get("name") or "synth"))
        texts |= {"dataset_info.json": json.dumps(info, indent=1) + "\n"} if info else {}
        for name, text in texts.items():
            atomic_write(self.out_dir / name, text)
        return [describe_file(self.out_dir, name) for name in texts]

    def _path(self, name: str, split: str | None) -> str:
        return find_format(name).path(split)

    def _unused(self, name: str) -> set[str]:
        """The optional columns of a format that no record fills."""
        totals = self.totals
        filled = {"history": totals.multi_turn, "system": totals.with_system, "margin": totals.with_margin}
        return {column for column in find_format(name).optional if not filled.get(column)}

    def _columns(self, name: str) -> dict[str, str]:
        unused = self._unused(name)
        own = {column: kind for column, kind in find_format(name).columns.items() if column not in unused}
        return own | (PROVENANCE_COLUMNS if self.settings.provenance else {})


def _placed(spool: Any, splits: Sequence[str | None]) -> Placed:
    spool.seek(0)
    for line, split in zip(spool, splits, strict=True):
        yield Record.from_dict(json.loads(line)), split


def _leaders_first(spool: Any, splits: Sequence[str | None]) -> Placed:
    """The records in their order, but for the first one of each split that has a history: it comes before all others.

    Readers that infer the type of a column from the first megabytes of a file see a list that is not empty then.
    """
    leaders: dict[str | None, int] = {}
    for at, (record, split) in enumerate(_placed(spool, splits)):
        if record.history and split not in leaders:
            leaders[split] = at
            yield record, split
    for at, (record, split) in enumerate(_placed(spool, splits)):
        if leaders.get(split) != at:
            yield record, split


def dataset_info(data: list[FileEntry], totals: Totals, name: str) -> dict[str, Any]:
    """LLaMA-Factory's description of the files it can read; its `dataset` is named as the keys here."""
    history = {"history": "history"} if totals.multi_turn else {}
    system = {"system": "system"} if totals.with_system else {}
    kinds: dict[str, dict[str, Any]] = {
        "alpaca": {"columns": {"prompt": "instruction", "query": "input", "response": "output", **history, **system}},
        "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
        "preference": {"ranking": True, "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}},
    }
    base = "".join(c if c.isalnum() else "_" for c in name.lower()).strip("_") or "synth"
    return {
        "_".join(part for part in (base, entry.format, entry.split) if part): {"file_name": entry.path}
        | kinds[entry.format]
        for entry in data
        if entry.format in kinds and entry.rows
    }
