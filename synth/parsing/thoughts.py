"""The thoughts of a reasoning model, cut out of its answer, in every notation models write them in.

Tags (`<think>`, `<thinking>`, `<thought>`, `[THINK]`) and Harmony's channels. Chat templates often put the opening tag
into the prompt, so an answer may hold the closing tag alone. Text that only talks about the tags is left as it is.
"""

from __future__ import annotations

import re
from collections import deque

_TAG = re.compile(
    r"(?:<(?P<close>/?)(?:think(?:ing)?|thoughts?|reasoning|seed:think)>|\[(?P<close_2>/?)THINK\]"
    r"|<\|(?P<edge>begin|end)_of_thought\|>)",
    re.IGNORECASE,
)
_NAMED_AFTER = re.compile(
    r"[ \t]*(?:(?:and|or|…|\.\.\.)[ \t]*</?\w|(?:tags?|tokens?|blocks?|markers?|elements?)\b)", re.I
)
_NAMED_BEFORE = re.compile(
    r"(?:\b(?:the|an?|these|this|opening|closing|tags?|tokens?|called|named|between|inside|within|and|or|with|by|like"
    r"|as|writes?|emits?|use[sd]?|using|after|before)[ \t]+|(?:…|\.\.\.)[ \t]*)$",
    re.IGNORECASE,
)
_QUOTES = "`\"'“”‘’«»"
_FENCE = re.compile(r"^[ \t]{0,3}```", re.MULTILINE)

_CHANNEL = re.compile(r"<\|channel\|>\s{0,3}(?P<name>\w{1,20})[^\n]{0,100}?<\|message\|>")
_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_BARE_CHANNELS = re.compile(r"\s*analysis(?=[A-Z\W]|we\b|user\b)")
_BARE_FINAL = "assistantfinal"
"""How Harmony's channels look where the server dropped the special tokens between them."""


def split_thoughts(text: str) -> tuple[str, str]:
    """`(answer, thoughts)`; the very same text and "" where there are no thoughts.

    A block never closed is thoughts to the end; a closing tag without an opening ends thoughts that began at the start.
    Of Harmony's channels `final` is the answer, and without it there is none.
    """
    if _CHANNEL.search(text):
        return _channels(text)
    if _BARE_FINAL in text and _BARE_CHANNELS.match(text):
        thoughts, _, answer = text.rpartition(_BARE_FINAL)
        return answer.strip(), thoughts.strip()
    return _blocks(text) if _TAG.search(text) else (text, "")


def _blocks(text: str) -> tuple[str, str]:
    kept: list[str] = []
    thoughts: list[str] = []
    is_open, begin = False, 0
    fenced = deque(_fenced_spans(text))
    for tag in _TAG.finditer(text):
        while fenced and fenced[0][1] <= tag.start():
            fenced.popleft()
        in_code = bool(fenced) and fenced[0][0] < tag.start() and not is_open
        if in_code or _is_named(text, tag, is_open):
            continue
        closes = bool(tag["close"] or tag["close_2"] or (tag["edge"] or "").lower() == "end")
        before = text[begin : tag.start()]
        if is_open and not closes:
            continue
        if not closes:
            kept.append(before)
        elif is_open:
            thoughts.append(before)
        else:
            thoughts += [*kept, before]
            kept = []
        is_open, begin = not closes, tag.end()
    if not begin:
        return text, ""
    (thoughts if is_open else kept).append(text[begin:])
    return "\n".join(filter(None, map(str.strip, kept))), "\n".join(filter(None, map(str.strip, thoughts)))


def _is_named(text: str, tag: re.Match[str], is_open: bool) -> bool:
    """Is the tag spoken of rather than used? Inside a block only quotation marks and a word after it tell."""
    before, after = text[max(0, tag.start() - 30) : tag.start()], text[tag.end() : tag.end() + 30]
    if before[-1:] in _QUOTES and after[:1] in _QUOTES and before and after:
        return True
    if _NAMED_AFTER.match(after):
        return True
    return not is_open and bool(_NAMED_BEFORE.search(before.rpartition("\n")[2]))


def _fenced_spans(text: str) -> list[tuple[int, int]]:
    """Where closed code fences begin and end."""
    marks = [match.start() for match in _FENCE.finditer(text)]
    return list(zip(marks[::2], marks[1::2], strict=False))


def _channels(text: str) -> tuple[str, str]:
    answer: list[str] = []
    thoughts: list[str] = []
    found = list(_CHANNEL.finditer(text))
    for channel, limit in zip(found, [*(after.start() for after in found[1:]), len(text)], strict=True):
        end = _END.search(text, channel.end(), limit)
        body = text[channel.end() : end.start() if end else limit].strip()
        (answer if channel["name"] == "final" else thoughts).append(body)
    return "\n".join(answer), "\n".join(thoughts)
