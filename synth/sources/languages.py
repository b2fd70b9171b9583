"""Names of languages and their codes of ISO 639-1."""

from __future__ import annotations

LANGUAGE_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "pl": "Polish", "ru": "Russian", "uk": "Ukrainian", "tr": "Turkish", "ar": "Arabic", "hi": "Hindi",
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "vi": "Vietnamese",
}  # fmt: skip
ISO_639_1 = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo"
    " es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka"
    " kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng"
    " nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su"
    " sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split()
)
_CODES = {name.casefold(): code for code, name in LANGUAGE_NAMES.items()}


def check_code(code: str) -> str:
    """`code`, which may have a region (pt-BR). Raises ValueError for what is no code of ISO 639-1."""
    if code.partition("-")[0] not in ISO_639_1:
        hint = f"it is {_CODES[code.casefold()]}" if code.casefold() in _CODES else "write it as en or pt-BR"
        raise ValueError(f"{code!r} is no code of ISO 639-1; {hint}")
    return code


def language_name(code: str | None) -> str | None:
    """The English name of a language, or its code where that is not in the list."""
    return None if code is None else LANGUAGE_NAMES.get(code, code)


def language_code(name: str) -> str:
    """The code of a language, or its name where that is not in the list."""
    return _CODES.get(name.strip().casefold(), name)
