"""From a model's text to tasks, instances, rewrites, verdicts and grades, losing nothing that can be read.

Models drift: numbering restarts, headings turn bold, items share a line, a preamble or a code fence surrounds the list,
the last item is cut. One malformed item never costs its neighbours. Case and spacing inside texts stay as written.
Nothing here decides whether a text is good; that is what `synth.checks` is for.
"""

from __future__ import annotations

from synth.parsing.json_items import find_json
from synth.parsing.remarks import NO_INPUT, clean_input
from synth.parsing.tasks import (
    ParsedTask,
    parse_instances,
    parse_numbered,
    parse_rewrite,
    parse_tasks,
)
from synth.parsing.thoughts import split_thoughts
from synth.parsing.verdicts import parse_choice, parse_reason, parse_score, parse_yes_no

__all__ = [
    "NO_INPUT",
    "ParsedTask",
    "clean_input",
    "find_json",
    "parse_choice",
    "parse_instances",
    "parse_numbered",
    "parse_reason",
    "parse_rewrite",
    "parse_score",
    "parse_tasks",
    "parse_yes_no",
    "split_thoughts",
]
