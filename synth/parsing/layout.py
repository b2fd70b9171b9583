"""What stands around a text and is none of it: code fences, bold marks, a teacher's own closing words."""

from __future__ import annotations

import re

_FENCE = re.compile(r"(`{3,})([a-z]{0,16})", re.IGNORECASE)
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
BARE = ("", "text", "plaintext", "markdown")
"""Names of fences that say nothing of the text inside."""
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
    lines = text.strip().split("\n")
    talk = 1 if not lines[0].startswith(("#", "`")) else 0
    while talk and talk < len(lines) and not lines[talk].strip():
        talk += 1
    return _inside_fence(lines[talk:], (*BARE, "md", "json")) or text


def unwrap(text: str) -> str:
    """A field's text without a bare fence or bold marks around all of it. A fence that names a language stays."""
    text = text.strip()
    if text.startswith("```"):
        text = _inside_fence(text.split("\n"), BARE) or text
    bold = _BOLD.fullmatch(text)
    return bold[1].strip() if bold else text


def _inside_fence(lines: list[str], names: tuple[str, ...]) -> str:
    """What the first and the last line enclose as a fence; "" where they do not. Fences inside must come in pairs."""
    match = _FENCE.fullmatch(lines[0].strip()) if len(lines) > 2 else None
    if match is None or match[2].lower() not in names or lines[-1].strip() != match[1]:
        return ""
    inner = lines[1:-1]
    return "\n".join(inner).strip("\n") if sum(line.lstrip().startswith(match[1]) for line in inner) % 2 == 0 else ""


def without_postamble(text: str) -> str:
    """`text` without a last paragraph in which the teacher talks about its work."""
    body, gap, last = text.rstrip().rpartition("\n\n")
    return body.rstrip() if gap and TALK_AFTER.fullmatch(last) else text
