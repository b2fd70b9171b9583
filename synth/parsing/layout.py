"""What stands around a text and is none of it: code fences, bold marks, a teacher's own closing words."""

from __future__ import annotations

import re

_WHOLE_FENCE = re.compile(
    r"(?:\s*|[^\n#`]*\n\s*)(`{3,})(?:markdown|md|text|json)?[ \t]*\n(.*\S)\s*\n[ \t]*\1\s*", re.DOTALL | re.IGNORECASE
)
TALK_AFTER = re.compile(
    r"\s*(?:(?:please )?let me know|i hope|feel free|would you like|these (?:tasks|examples)|note\b"
    r"|if you (?:need|want|would))"
    r"[^\n]*\b(?:tasks?|examples?|instructions?|more|these|list|else|changes|adjust\w*)\b[^\n]*",
    re.IGNORECASE,
)
"""A teacher's own words after its work, on one line."""


def strip_fence(text: str) -> str:
    """`text` with plain line ends and without a code fence around all of it but a line of talk."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    match = _WHOLE_FENCE.fullmatch(text)
    inner = re.findall(rf"^[ \t]*{match[1]}", match[2], re.MULTILINE) if match else []
    return match[2] if match and len(inner) % 2 == 0 else text


def unwrap(text: str) -> str:
    """A field's text without a bare fence or bold marks around all of it. A fence that names a language stays."""
    text = text.strip()
    fence = re.fullmatch(r"(`{3,})(?:text|plaintext|markdown)?[ \t]*\n(.*?)\n?[ \t]*\1", text, re.DOTALL)
    if fence and fence[1] not in fence[2]:
        return fence[2].strip("\n")
    bold = re.fullmatch(r"\*\*([^*]+)\*\*", text, re.DOTALL)
    return bold[1].strip() if bold else text


def without_postamble(text: str) -> str:
    """`text` without a last paragraph in which the teacher talks about its work."""
    body, gap, last = text.rstrip().rpartition("\n\n")
    return body.rstrip() if gap and TALK_AFTER.fullmatch(last) else text
