"""Text to words, in two ways: as rouge-score does it, and in a way that works for every script.

No stemming and no language detection. `TOKENIZERS` names both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

Tokenizer = Callable[[str], list[str]]

ASCII_WORD = re.compile(r"[a-z0-9]+")

# Written without spaces between words: one token per character (Thai, Lao, Burmese, Khmer, kana, Han).
NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
NO_SPACES += "\uf900-\ufaff\U00020000-\U000323af"


def rouge_tokens(text: str) -> list[str]:
    """The tokens of rouge-score 0.1.2 without a stemmer: runs of a-z and 0-9 of the lower-cased text.

    Other scripts vanish: a Chinese sentence has no tokens, or only the digits in it.
    """
    return ASCII_WORD.findall(text.lower())


def unicode_tokens(text: str) -> list[str]:
    """Case-folded words of any script after NFKC; one token per character where a script writes no spaces.

    Combining marks stay with their letter. For plain English the tokens are those of `rouge_tokens`.
    """
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    return _unicode_word().findall(unicodedata.normalize("NFKC", text).casefold())


@cache
def _unicode_word() -> re.Pattern[str]:
    """Letters and digits with their marks; built once, from the marks (category M) of the first two planes."""
    points = [c for c in range(0x300, 0x1F000) if unicodedata.category(chr(c))[0] == "M"]
    spans = [(c, c) for c in points[:1]]
    for point in points[1:]:
        spans = [*spans[:-1], (spans[-1][0], point)] if point == spans[-1][1] + 1 else [*spans, (point, point)]
    marks = "".join(f"{chr(low)}-{chr(high)}" for low, high in spans) + "\u200c\u200d"
    letter = r"[^\W_]"
    return re.compile(f"(?:(?=[{NO_SPACES}]){letter}[{marks}]*|(?:(?![{NO_SPACES}]){letter}[{marks}]*)+)")


TOKENIZERS: dict[str, Tokenizer] = {"unicode": unicode_tokens, "rouge": rouge_tokens}
