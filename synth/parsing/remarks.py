"""What a teacher says beside the task: that it has no input, what it changed, what the answer is."""

from __future__ import annotations

import re

NO_INPUT = re.compile(
    r"^[\s\"'`*_<(\[#]{0,9}(?:no[\s_-]?(?:(?:additional|further)[\s_-])?inputs?(?:\s+(?:is\s+)?(?:needed|required"
    r"|necessary|provided|given))?|n\s?[./]?\s?a|none(?:\s+(?:is\s+)?(?:needed|required|necessary|provided|given))?"
    r"|null|nil|empty|not\s+(?:applicable|needed|required|provided)|[-\u2013\u2014]{1,9}|无(?:需)?(?:输入)?"
    r"|不需要(?:输入)?|無|なし|入力なし|нет(?:\s+(?:ввода|входных\s+данных))?|не\s+требуется|ningun[ao]|nessuno|nenhum"
    r"|keine?(?:\s+eingabe)?|aucune?(?:\s+entrée)?|لا\s+(?:يوجد|شيء)(?:\s+\w{1,12})?|कोई\s+इनपुट\s+नहीं)"
    r"[\s\"'`*_>)\].。]{0,9}$",
    re.IGNORECASE,
)
"""What models write where an input would stand and there is none."""
_NO_INPUT_AND_WHY = re.compile(
    r"^[\s\"'`*_<(\[#]{0,9}(?:no[\s_-]?inputs?|n/a|none|not\s+applicable)"
    r"(?:\s+(?:is\s+)?(?:needed|required|necessary|provided|given))?[\s\"'`*_>)\].]{0,9}"
    r"(?:[.,;:(\n\u2013\u2014-]|\b(?=as|since|because|for))"
    r"(?=.{0,200}\b(?:inputs?|needed|required|necessary|instructions?|tasks?|general|self[- ]contained|stands?|alone"
    r"|given|provided|questions?|prompt|open[- ]ended|standalone|knowledge)\b)(?!.*[\d|{}])",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_WHY = 300

REWRITTEN = re.compile(
    r"^([\s>#*_\[]{0,12}+)(?:(?:the|my|your)\s)?(?:rewritten|evolved|harder|new|updated|modified|revised|improved|final)"
    r"\s(?:task|instruction|prompt|version|problem|question)(?=[\]*_]{0,4}\s{0,3}(?::|\Z|\n))",
    re.IGNORECASE | re.MULTILINE,
)
"""A heading of an evolved task. What stands before the words is its first group."""
_TALK_BEFORE = re.compile(
    r"\s{0,9}(?:(?:sure|certainly|of course|okay|ok)\b[^\n:]{0,40}[!,.]?\s{0,9})?"
    r"(?:here(?:'s|\u2019s| is)|this is|below is)\b[^\n]{0,120}\b(?:task|instruction|prompt|version|rewrite)\b"
    r"[^\n]{0,80}:[ \t]*\n+",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"(?:\n|(?=\())[*_]{0,3}\(?(?:(?:note|explanation|remark|changes?(?: made)?)\s{0,3}:\s{0,3})?"
    r"(?:I(?:\s?['\u2019]ve| have)?|(?:this|the) (?:rewritten|revised|new|modified|harder|added) \w{1,20}|added"
    r"|changes? made) ?(?:added|made|changed|rewrote|rewritten|replaced|included|increased|introduced|modified|kept"
    r"|asked|requires?|adds?|makes?|now|an?|one|more|the|:)\b[^\n]{0,300}\Z",
    re.IGNORECASE,
)
_ANSWERED = re.compile(
    r"\n[*_#\s]{0,6}(?:(?:correct|expected|final|sample|model)\s)?(?:answer|solution|output)[*_]{0,3}\s{0,3}:[*_\s]{0,5}"
    r"(?![\[<({_.…]|your\b|yes or\b|true or\b|x\b)[^\s:]",
    re.IGNORECASE,
)
_ANSWER_FORM = re.compile(
    r"(?:form(?:at)?|template|pattern|as follows|line|exactly)\b[^\n]{0,40}:?\s*\Z|:\s*\Z", re.IGNORECASE
)


def clean_input(text: str) -> str:
    """`text`, or "" where it only says in some spelling that there is no input, and perhaps why."""
    says_none = NO_INPUT.match(text) or (len(text) < _LONGEST_WHY and _NO_INPUT_AND_WHY.match(text))
    return "" if says_none else text.strip()


def holds_answer(instruction: str) -> bool:
    """Does an instruction go on with its answer on a line of its own? Worked examples and stated forms are none."""
    found = [match.start() for match in _ANSWERED.finditer(instruction)]
    return len(found) == 1 and not _ANSWER_FORM.search(instruction[max(0, found[0] - 80) : found[0]])


def without_talk(text: str) -> str:
    """`text` without a first line such as "Here is the rewritten task:"."""
    talk = _TALK_BEFORE.match(text)
    return text[talk.end() :] if talk else text


def without_remark(text: str) -> str:
    """`text` without a last line, or a last bracket, in which the teacher says what it changed."""
    last = max(text.rfind("\n"), text.rfind("("))
    return text[:last].rstrip() if last > 0 and _REMARK.match(text, last) else text
