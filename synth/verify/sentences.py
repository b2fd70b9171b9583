"""Sentences as IFEval counts them: the decisions of the English Punkt splitter, by rules and without its trained data.

Punkt (Kiss and Strunk 2006, "Unsupervised Multilingual Sentence Boundary Detection") is what the benchmark's harness
uses, so its habits are kept where a reader would count otherwise: the number of a list item ("2. Stir") is a sentence
of its own, and so is what follows "e.g.". Beyond it, the full stops of other scripts end sentences here too.
"""

from __future__ import annotations

import re

# What English Punkt knows as abbreviations (its newspaper's initials of persons left out). "etc", "e.g" are not among
# them, and of single letters only these.
ABBREVIATIONS = frozenset(
    """mr mrs ms dr prof st gen col lt sen rep reps maj adm messrs jr sr inc ltd co corp cos bros cie vs yr ft mg ave
    sw jan feb aug sep sept oct nov dec tues wed fri ala ariz calif colo conn ct fla ga ill kan ky mich minn nev
    okla ore pa tenn va vt wash wis w.va ok chg a.c a.d a.g a.h a.m a.s a.t b.f b.v c.v d.c d.h d.w e.h e.l e.m
    f.g f.j g.d g.f g.k h.c h.f h.m j.b j.c j.j j.k j.p j.r l.a l.f l.p m.b.a m.j n.c n.d n.h n.j n.m n.v n.y
    p.m ph.d r.a r.h r.i r.j r.k r.t s.a s.c s.g s.s t.j u.k u.n u.s u.s.a u.s.s.r w.c w.r w.w c d e f g h k l m
    n p r s t v w""".split()
)
# Words that are common in small letters: with a capital after an abbreviation they open a sentence.
OPENERS = frozenset(
    """a about above according after again all also although always among an and another any are as at away back be
    because before begin below best better both but by can check choose click close come consider could cut
    despite do does don't during each either else even every everyone everything few find finally first
    following for from get give go had has have he hence her here how however i if in indeed instead into is it
    it's its keep last later let like look made make many maybe meanwhile more moreover most much my never
    nevertheless next no nonetheless nor not now of often on once one only open or other our out over perhaps
    place please put read remember remove repeat see select separately several she should similarly since so
    some sometimes soon start still such take tell that that's the their them then there there's therefore these
    they this those though three through thus to today together too try turn two under until up use using very
    wait was we well were what when where whether which while who why will with without would write yes yet you
    your""".split()
)
_WORD = re.compile(r"\S+")
# A mark that may end a sentence: before one of these signs, or at the end of a word.
_MARK = re.compile(r"""[.?!](?=[)";}\]*:@'({\[?!]|$)""")
_SPLITS = re.compile(r"""[)"`;}\]*:@'({\[&#,]|--+""")
_CLOSING = re.compile(r"""["')\]}]+(?=\s|$)""")
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*")
_OTHER_SCRIPTS = re.compile(r"""[。！？।؟۔]+["'”’)）」』]*""")


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`. A line break alone ends none."""
    sentences, start = [], 0
    for end in sorted({*_latin_ends(text), *(match.end() for match in _OTHER_SCRIPTS.finditer(text))}):
        closing = _CLOSING.match(text, end)
        end = closing.end() if closing else end
        if end > start:
            sentences.append(text[start:end].strip())
            start = end
    return [sentence for sentence in [*sentences, text[start:].strip()] if sentence]


def _latin_ends(text: str) -> list[int]:
    """Where a sentence ends by . ? or !, at most once in a word; the last word of the text needs no decision."""
    words = list(_WORD.finditer(text))
    ends = []
    for number, word in enumerate(words):
        is_last = number + 1 == len(words)
        marks = [m.end() for m in _MARK.finditer(word[0]) if not (is_last and m.end() == len(word[0]))]
        if not marks:
            continue
        after = word[0][marks[-1] :]
        following = after[0] if after else words[number + 1][0]
        if _is_end(word[0][: marks[-1]], following):
            ends.append(word.start() + marks[-1])
    return ends


def _is_end(word: str, following: str) -> bool:
    """Whether a sentence ends with `word`, which ends in a mark; `following` is the next word or sign."""
    if re.search(r"[?!]", word):
        return True
    if word.endswith(".."):
        return _opens_sentence(following) is True
    typed = _SPLITS.split(word)[-1].lstrip("-")[:-1].lower()
    is_initial = len(typed) == 1 and typed.isalpha()
    if typed in ABBREVIATIONS or typed.split("-")[-1] in ABBREVIATIONS:
        return not is_initial and _opens_sentence(following) is True
    if is_initial or _NUMBER.fullmatch(typed):
        opens = _opens_sentence(following)
        return opens is not False and not (opens is None and is_initial and following[0].isupper())
    return True


def _opens_sentence(word: str) -> bool | None:
    """Whether the word looks like the first of a sentence; None where its spelling does not tell."""
    if word[0] in ";:,.!?" or word[0].islower():
        return False
    return True if word[0].isupper() and word.lower().rstrip(".,;:!?)\"'").replace("’", "'") in OPENERS else None
