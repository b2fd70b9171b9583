"""Names of languages and their codes of ISO 639-1."""

from __future__ import annotations

LANGUAGE_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "pl": "Polish", "ru": "Russian", "uk": "Ukrainian", "tr": "Turkish", "ar": "Arabic", "hi": "Hindi",
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "vi": "Vietnamese",
}  # fmt: skip
_CODES = {name.casefold(): code for code, name in LANGUAGE_NAMES.items()}


def language_name(code: str | None) -> str | None:
    """The English name of a language, or its code where that is not in the list."""
    return None if code is None else LANGUAGE_NAMES.get(code, code)


def language_code(name: str) -> str:
    """The code of a language, or its name where that is not in the list."""
    return _CODES.get(name.strip().casefold(), name)
