"""Which instructions of a file are near duplicates of earlier ones?  python examples/filter_duplicates.py [FILE]"""

from __future__ import annotations

import sys
from pathlib import Path

from synth import NoveltyIndex, read_records

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "tasks.jsonl"
records = read_records(path, require_output=False)
index = NoveltyIndex(threshold=0.7)
kept = []
for record in records:
    verdict = index.add_if_novel(record.instruction)
    if verdict.novel:
        kept.append(record)
    elif verdict.nearest is not None:
        print(f"{verdict.score:.2f}  {record.instruction}\n      like  {kept[verdict.nearest].instruction}")
print(f"{len(kept)} of {len(records)} instructions are novel")
