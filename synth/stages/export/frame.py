"""Records as an Arrow table in memory, for pandas and `datasets`: the columns of the Parquet export and provenance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synth.records import Record
from synth.stages.export import provenance
from synth.stages.export.formats import FORMATS
from synth.stages.export.writers import arrow_schema

_OF_FILES = ("date", "licence")


def arrow_table(records: Iterable[Record]) -> Any:
    """A `pyarrow.Table` with one row for each record; `scores` is JSON text, as in the exported files."""
    import pyarrow as pa

    table = FORMATS["parquet"]
    columns = {name: kind for name, kind in (table.columns | provenance.COLUMNS).items() if name not in _OF_FILES}
    rows = [(table.row(record) or {}) | provenance.provenance(record, "", "") for record in records]
    return pa.Table.from_pylist(rows, schema=arrow_schema(columns))
