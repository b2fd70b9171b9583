"""The 25 verifiable constraints of IFEval ("Instruction-Following Evaluation", arXiv 2311.07911), as plain functions.

Ids, argument names and verdicts follow the benchmark, so its data can be used as it is (arguments that are null count
as not given). Written anew, with three differences: keywords are literal text and not regular expressions, sentences
are split by `sentences.py` (the original loads an NLTK model), and the language is told by `language.py`. An empty
answer follows nothing. The constraint's arguments must have passed `constraint_mistakes` first.

`benchmarks/ifeval_agreement.py` compares the verdicts with those of lm-evaluation-harness.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from synth.verify.language import detect_language, is_language
from synth.verify.sentences import split_sentences

RELATIONS = ("at least", "less than")
CLOSED_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

_CLITIC = re.compile(r"(?i)(n['’]t|['’](?:s|m|d|re|ve|ll))$")


def count_words(text: str) -> int:
    r"""Words as IFEval counts them: runs of letters (with their vowel signs), digits and underscores; "it's" is two."""
    if not text.isascii():
        text = "".join("_" if unicodedata.category(letter)[0] == "M" else letter for letter in text)
    return len(re.findall(r"\w+", text))


def _holds(number: int, relation: str, bound: int) -> bool:
    return number >= bound if relation == "at least" else number < bound


def keywords_existence(text: str, keywords: Sequence[str]) -> bool:
    """Every keyword occurs, in any case, also inside a longer word."""
    return all(re.search(re.escape(keyword), text, re.IGNORECASE) for keyword in keywords)


def keywords_frequency(text: str, keyword: str, frequency: int, relation: str) -> bool:
    """The keyword occurs at least (or less than) so often."""
    return _holds(len(re.findall(re.escape(keyword.strip()), text, re.IGNORECASE)), relation, frequency)


def forbidden_words(text: str, forbidden_words: Sequence[str]) -> bool:
    """None of the words occurs as a whole word."""
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: str) -> bool:
    """The letter occurs at least (or less than) so often, capital or small."""
    return _holds(text.lower().count(letter.lower()), let_relation, let_frequency)


def response_language(text: str, language: str) -> bool:
    """The whole answer is in the language (ISO 639-1)."""
    return is_language(text, language)


def number_sentences(text: str, num_sentences: int, relation: str) -> bool:
    """At least (or less than) so many sentences."""
    return _holds(len(split_sentences(text)), relation, num_sentences)


def number_paragraphs(text: str, num_paragraphs: int) -> bool:
    """Exactly so many paragraphs, divided by `***`; none but the first and last piece may be empty."""
    pieces = [piece.strip() for piece in re.split(r"\s?\*\*\*\s?", text)]
    if not all(pieces[1:-1]):
        return False
    empty_ends = (not pieces[0]) + (len(pieces) > 1 and not pieces[-1])
    return len(pieces) - empty_ends == num_paragraphs


def number_words(text: str, num_words: int, relation: str) -> bool:
    """At least (or less than) so many words."""
    return _holds(count_words(text), relation, num_words)


def nth_paragraph_first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """So many paragraphs, divided by an empty line, and the nth begins with the word."""
    pieces = text.split("\n\n")
    filled = sum(1 for piece in pieces if piece.strip())
    if filled != num_paragraphs or nth_paragraph > filled:
        return False
    words = pieces[nth_paragraph - 1].split()
    if not words:
        return False
    first = re.split(r"""[.,?!'"]""", words[0].lstrip("'").lstrip('"'))[0]
    return first.lower() == first_word.lower()


def number_placeholders(text: str, num_placeholders: int) -> bool:
    """At least so many placeholders in square brackets, such as [address]."""
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def postscript(text: str, postscript_marker: str) -> bool:
    """A postscript with the marker; P.S. and P.P.S may have a space after each full stop."""
    spaced = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    marker = postscript_marker.strip()
    return bool(re.search(spaced.get(marker, re.escape(marker.lower())), text.lower()))


def number_bullet_lists(text: str, num_bullets: int) -> bool:
    """Exactly so many lines that begin with `* ` or `-`."""
    stars = re.findall(r"^[^\S\n]*\*[^*].*$", text, re.MULTILINE)
    return len(stars) + len(re.findall(r"^[^\S\n]*-.*$", text, re.MULTILINE)) == num_bullets


def constrained_response(text: str) -> bool:
    """One of the three closed answers occurs."""
    return any(answer in text for answer in CLOSED_ANSWERS)


def number_highlighted_sections(text: str, num_highlights: int) -> bool:
    """At least so many passages in *one* or **two** asterisks."""
    single = [match.strip("*") for match in re.findall(r"\*[^\n*]*\*", text)]
    double = [match[2:-2] for match in re.findall(r"\*\*[^\n*]*\*\*", text)]
    return sum(1 for inside in single + double if inside.strip()) >= num_highlights


def multiple_sections(text: str, section_spliter: str, num_sections: int) -> bool:
    """At least so many sections, each opened by the word and a number, such as "Section 1"."""
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", text)) >= num_sections


def json_format(text: str) -> bool:
    """The whole answer is JSON; a code fence around it is allowed."""
    bare = re.sub(r"^```(?:json|Json|JSON)?|```$", "", text.strip()).strip()
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str) -> bool:
    """A title in double angular brackets, such as <<The harbour>>."""
    titles = (line.partition("<<")[2].rpartition(">>")[0] for line in text.split("\n"))
    return any(found.lstrip("<").rstrip(">").strip() for found in titles)


def two_responses(text: str) -> bool:
    """Exactly two different answers, divided by six asterisks."""
    pieces = [piece.strip() for piece in text.split("******")]
    answers = [piece for piece in pieces if piece]
    return all(pieces[1:-1]) and len(answers) == 2 and answers[0] != answers[1]


def repeat_prompt(text: str, prompt_to_repeat: str) -> bool:
    """The answer begins with the request, word for word."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(text: str, end_phrase: str) -> bool:
    """The answer ends with the phrase; closing quotation marks do not count."""
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(text: str) -> bool:
    """The whole answer stands in double quotation marks."""
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


def capital_word_frequency(text: str, capital_frequency: int, capital_relation: str) -> bool:
    """At least (or less than) so many words all in capitals; "AC/DC" is one, "DON'T" two, as tokenizers have it."""
    number = 0
    for word in re.findall(r"\w+(?:[-.'’/]\w+)*", text):
        clitic = _CLITIC.search(word)
        parts = [word[: clitic.start()], clitic[0]] if clitic else [word]
        number += sum(1 for part in parts if part.isupper())
    return _holds(number, capital_relation, capital_frequency)


def english_capital(text: str) -> bool:
    """English, all in capitals."""
    return text.isupper() and is_language(text, "en")


def english_lowercase(text: str) -> bool:
    """English, without any capital."""
    return text.islower() and is_language(text, "en")


def no_comma(text: str) -> bool:
    """No comma anywhere."""
    return "," not in text


# id -> (the function, its arguments and what each must be: a key of ARGUMENTS)
CONSTRAINTS: dict[str, tuple[Callable[..., bool], dict[str, str]]] = {
    "keywords:existence": (keywords_existence, {"keywords": "words"}),
    "keywords:frequency": (keywords_frequency, {"keyword": "text", "frequency": "number", "relation": "relation"}),
    "keywords:forbidden_words": (forbidden_words, {"forbidden_words": "words"}),
    "keywords:letter_frequency": (
        letter_frequency,
        {"letter": "letter", "let_frequency": "number", "let_relation": "relation"},
    ),
    "language:response_language": (response_language, {"language": "language"}),
    "length_constraints:number_sentences": (number_sentences, {"num_sentences": "number", "relation": "relation"}),
    "length_constraints:number_paragraphs": (number_paragraphs, {"num_paragraphs": "number"}),
    "length_constraints:number_words": (number_words, {"num_words": "number", "relation": "relation"}),
    "length_constraints:nth_paragraph_first_word": (
        nth_paragraph_first_word,
        {"num_paragraphs": "number", "nth_paragraph": "number", "first_word": "text"},
    ),
    "detectable_content:number_placeholders": (number_placeholders, {"num_placeholders": "number"}),
    "detectable_content:postscript": (postscript, {"postscript_marker": "text"}),
    "detectable_format:number_bullet_lists": (number_bullet_lists, {"num_bullets": "number"}),
    "detectable_format:constrained_response": (constrained_response, {}),
    "detectable_format:number_highlighted_sections": (number_highlighted_sections, {"num_highlights": "number"}),
    "detectable_format:multiple_sections": (multiple_sections, {"section_spliter": "text", "num_sections": "number"}),
    "detectable_format:json_format": (json_format, {}),
    "detectable_format:title": (title, {}),
    "combination:two_responses": (two_responses, {}),
    "combination:repeat_prompt": (repeat_prompt, {"prompt_to_repeat": "text"}),
    "startend:end_checker": (end_checker, {"end_phrase": "text"}),
    "startend:quotation": (quotation, {}),
    "change_case:capital_word_frequency": (
        capital_word_frequency,
        {"capital_frequency": "number", "capital_relation": "relation"},
    ),
    "change_case:english_capital": (english_capital, {}),
    "change_case:english_lowercase": (english_lowercase, {}),
    "punctuation:no_comma": (no_comma, {}),
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


ARGUMENTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "number": (lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0, "a whole number, 0 or more"),
    "relation": (lambda v: v in RELATIONS, '"at least" or "less than"'),
    "text": (_is_text, "a text that is not empty"),
    "letter": (lambda v: isinstance(v, str) and len(v) == 1, "one letter"),
    "words": (lambda v: isinstance(v, list) and bool(v) and all(map(_is_text, v)), "a list of words, not empty"),
    "language": (
        lambda v: isinstance(v, str) and bool(re.fullmatch(r"[a-z]{2}(-[A-Za-z]+)?", v)),
        'a language code such as "de"',
    ),
}


def constraint_mistakes(constraint: Any) -> list[str]:
    """What is wrong with one constraint `{"type": id, **arguments}`; an empty list where nothing is."""
    if not isinstance(constraint, dict) or constraint.get("type") not in CONSTRAINTS:
        known = ", ".join(CONSTRAINTS)
        return [f"a constraint must be an object whose `type` is one of: {known}"]
    name = constraint["type"]
    wanted = CONSTRAINTS[name][1]
    given = {key: value for key, value in constraint.items() if key != "type" and value is not None}
    mistakes = [f"`{name}` has no argument `{key}`; remove it" for key in given if key not in wanted]
    for key, what in wanted.items():
        is_right, description = ARGUMENTS[what]
        if key not in given or not is_right(given[key]):
            mistakes.append(f"`{name}` needs `{key}`: {description}")
    return mistakes


def follows(answer: str, constraint: dict[str, Any], *, loose: bool = False) -> bool:
    """Whether `answer` keeps to one constraint.

    `loose` also accepts it when one of the benchmark's eight variants does: without its first line, its last line,
    or both (an opening or closing remark), each with and without asterisks.
    """
    function, wanted = CONSTRAINTS[constraint["type"]]
    arguments = {key: constraint[key] for key in wanted}
    variants = loose_variants(answer) if loose else [answer]
    if constraint["type"] == "language:response_language" and detect_language(answer):
        variants = [variant for variant in variants if detect_language(variant)]  # too short a rest is in no language
    return any(variant.strip() and function(variant, **arguments) for variant in variants)


def loose_variants(answer: str) -> list[str]:
    """The answer itself first, then its seven variants."""
    lines = answer.split("\n")
    cuts = [answer, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return [*cuts, *(cut.replace("*", "") for cut in cuts)]
