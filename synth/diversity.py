"""What instructions ask for: the verb and its object noun, as in the charts of Self-Instruct (arXiv 2212.10560).

The published charts come from a dependency parser. This is the engine `lite` instead: an own list of verbs and a few
rules on word order, no model and no download. It reads English; other languages give no verb, which the coverage shows.
A question such as "What is ...?" has the verb `be` and no object. It does not parse: nested clauses may mislead it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

ENGINE = "lite"
MAX_CHARS = 600
"""Only the start of an instruction is read: that is where the request stands."""


def _list(words: str) -> list[str]:
    return words.split()


_VERBS = _list(
    "abbreviate accept access achieve act adapt add address adjust advance advise agree align allow alphabetise "
    "alphabetize alter analyse analyze animate annotate announce answer anticipate append apply appraise approximate "
    "argue arrange articulate ask assemble assess assign assist assume attach attempt attend audit author "
    "auto-complete avoid award balance base begin believe bold brainstorm break bring build buy calculate call "
    "capitalise capitalize caption care carry cast catch categorise categorize cause celebrate change characterise "
    "characterize chart check choose circle cite claim clarify classify clean clear close cluster code collect color "
    "colour combine come comment compare compile complain complete compose compress compute concatenate conclude "
    "condense conduct configure connect consider construct consult contain continue contrast contribute convert "
    "convey convince cook copy correct count cover craft create critique crop customise customize cut date deal "
    "debate debug decide decipher declare decode decompose decrypt deduce deduplicate define delete deliver "
    "demonstrate depict derive describe design detail detect determine develop devise diagnose diagram differentiate "
    "discover discuss display distinguish divide do document draft draw drive drop earn eat edit elaborate eliminate "
    "embed emphasise emphasize enact encode encourage encrypt end enhance enjoy ensure enter enumerate establish "
    "estimate evaluate examine execute exemplify expand expect explain explore express extend extract factor fetch "
    "figure fill filter finalise finalize find finish fit fix flag flip focus follow forecast form format formulate "
    "gather generalise generalize generate get give go grade graph greet group grow guess guide handle happen have "
    "help highlight hold hypothesise hypothesize identify illustrate imagine imitate implement improve include "
    "incorporate increase indicate infer inform insert inspect install integrate interpret interview introduce invent "
    "inverse invert investigate invite isolate italicise italicize join judge justify keep know label lead learn "
    "leave lengthen let lighten link list live load locate look lose love make manage map mark match mean measure "
    "meet melt mention merge mimic minimise minimize mix model modernise modernize modify monitor move multiply name "
    "narrate need negate negotiate normalise normalize note notice number observe obtain offer omit open optimise "
    "optimize order organise organize outline output overwrite paint pair paraphrase parse partition pass perform "
    "persuade phrase pick pinpoint pivot place plan plant play plot point portray pose practice practise predict "
    "prefer prepare present pretend prevent print prioritise prioritize process produce program promote prompt "
    "proofread propose protect prove provide pull punctuate purchase push put quantify query question quote raise "
    "randomise randomize rank rate reach react read rearrange reason recall recast receive recite recognise recognize "
    "recommend recompose reconstruct record recount redact redesign redraft reduce reduplicate refactor refer refine "
    "reflect reformat reformulate reframe refuse refute rehearse reimagine relate remember remind remove rename "
    "render reorder reorganise reorganize repair repeat rephrase replace reply report represent research reserve "
    "reshape resolve respond restate restore restructure retell retrieve return reverse review revise reword rewrite "
    "rhyme role-play roleplay rotate round run save say scan schedule score scrape search see segment select sell "
    "send separate sequence serve set share shift shorten show shuffle sign simplify simulate sing sketch sleep slice "
    "solve sort speak specify speculate spell split spot stage standardise standardize start state stop structure "
    "study submit substitute subtract suggest sum summarise summarize supply support suppose surprise survive swap "
    "synthesise synthesize tabulate tag take talk teach tell test thank think tidy time title tokenise tokenize trace "
    "track train transcribe transform translate transpose treat trim try turn type uncover underline understand "
    "unscramble update use utilise utilize validate verbalise verbalize verify view visualise visualize vote wait "
    "walk warn wash watch wear weigh welcome win wish wonder word work write"
)

_IRREGULAR = {
    "break": "broke broken", "bring": "brought", "build": "built", "buy": "bought", "catch": "caught",
    "choose": "chose chosen", "come": "came", "cut": "cutting", "do": "did done does", "draw": "drew drawn",
    "drive": "drove driven", "eat": "ate eaten", "find": "found", "get": "got gotten getting", "give": "gave given",
    "go": "went gone goes", "grow": "grew grown", "have": "had has", "hold": "held", "keep": "kept",
    "know": "knew known", "lead": "led", "learn": "learnt", "leave": "left", "lose": "lost", "make": "made",
    "mean": "meant", "meet": "met", "pay": "paid", "put": "putting", "read": "reading", "run": "ran running",
    "say": "said", "see": "saw seen", "sell": "sold", "send": "sent", "set": "setting", "show": "shown",
    "sing": "sang sung", "speak": "spoke spoken", "take": "took taken", "teach": "taught", "tell": "told",
    "think": "thought", "understand": "understood", "wear": "wore worn", "win": "won winning",
    "write": "wrote written",
}  # fmt: skip
_NOUNS = {
    "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot", "teeth": "tooth",
    "lives": "life", "knives": "knife", "wives": "wife", "leaves": "leaf", "halves": "half", "shelves": "shelf",
    "wolves": "wolf", "criteria": "criterion", "phenomena": "phenomenon", "analyses": "analysis",
    "hypotheses": "hypothesis", "theses": "thesis", "syntheses": "synthesis", "indices": "index",
    "vertices": "vertex", "matrices": "matrix", "movies": "movie", "cookies": "cookie", "calories": "calorie",
    "axes": "axis", "shoes": "shoe", "quizzes": "quiz",
}  # fmt: skip
_UNCHANGED = set(_list("series species news mathematics physics economics politics ethics lens gas canvas"))

_WEAK = {"suppose", "assume", "imagine", "consider", "let"}
_FILLERS = set(
    _list("please kindly now then next first firstly second finally also just simply and or so lastly briefly")
)
_FILLERS |= set(_list("carefully okay ok hi hello instead again quickly only"))
_BE = {"is", "are", "was", "were", "am", "'s", "be"}
_DO = {"do", "does", "did", "don't", "doesn't"}
_MODALS = {"can", "could", "would", "will", "should", "shall", "may", "might", "must"}
_QUESTION = {"what", "which", "who", "whom", "whose", "when", "where", "why", "how"}
_SUBJECTS = {"i", "you", "we", "he", "she", "it", "they", "there", "one"}
_OBJECT_PRONOUNS = {"me", "us", "him", "them", "you", "myself", "yourself"}
_DETERMINERS = set(_list("a an the this that these those my your our their his her its some any no every another"))
_NUMBERS = set(_list("two three four five six seven eight nine ten eleven twelve twenty hundred both several many few"))
_PARTICLES = {"up", "out", "down", "off", "away", "together"}
_PREPOSITIONS = set(
    _list(
        "about above according across after against along among around as at before behind below between by concerning "
        "despite due during except for from in including inside into like near of on onto over per regarding since "
        "than through to toward towards under until upon via with within without"
    )
)
_STOPS = _PREPOSITIONS | _QUESTION | _MODALS | _BE | _DO | _SUBJECTS | _PARTICLES
_STOPS |= set(_list("and or but nor if whether while because so such that given using if then here there"))
_POSTMODIFIERS = set(
    _list(
        "given provided described mentioned written made based found shown listed used called named attached "
        "containing having following accordingly please twice again briefly correctly now well most more shorter "
        "longer better easier simpler clearer stronger cheaper faster ascendingly alphabetically"
    )
)
_GIVERS = {"give", "tell", "show", "teach", "send", "write", "offer", "ask", "make"}

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(r"[,;:()\u2013\u2014]|\s-+\s|[.!?]+(?:\s|$)")
_WORD = re.compile(r"\"|[\u201c\u201d]|[a-z]+(?:[-'][a-z]+)*|\d[\w.,/]*", re.IGNORECASE)


@cache
def _forms() -> dict[str, str]:
    """Every form of every verb of the list -> its base form; a base form wins over another verb's past."""
    table: dict[str, str] = {}
    for base in _VERBS:
        for form in (*_regular_forms(base), *_IRREGULAR.get(base, "").split()):
            table.setdefault(form, base)
    return table | {base: base for base in _VERBS} | dict.fromkeys(_BE, "be")


def _regular_forms(base: str) -> tuple[str, ...]:
    """Third person, past and -ing of a regular verb, with the doubled consonant where it might be written so."""
    if base.endswith("e"):
        return base + "s", base + "d", base[:-1] + "ing"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies", base[:-1] + "ied", base + "ing"
    third = base + ("es" if base.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return third, base + "ed", base + "ing", base + base[-1] + "ed", base + base[-1] + "ing"


def singular(noun: str) -> str:
    """The dictionary form of an English noun, by its ending."""
    if noun in _NOUNS or noun in _UNCHANGED:
        return _NOUNS.get(noun, noun)
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "shes", "ches", "xes", "zes")):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "'s")) and len(noun) > 3:
        return noun[:-1]
    return noun


def verb_noun(instruction: str) -> tuple[str | None, str | None]:
    """(verb, object noun) of what is asked, in dictionary form and lower case; None for what was not found."""
    weak: tuple[str | None, str | None] | None = None
    sentences = [text for text in _SENTENCE.split(instruction[:MAX_CHARS].strip()) if text.strip()]
    for sentence in sentences[:6]:
        for part in _CLAUSE.split(sentence):
            found = _request(_words(part))
            if found and found[0] in _WEAK:
                weak = weak or found
            elif found:
                return found
    return weak or _any_verb(sentences)


_ASKING = re.compile(
    r"\?|\b(?:please|kindly|how to|need|needs|want|wants|wish|would like|looking for|help|should|must|let's|wanted)\b"
    r"|_{3,}|\.\.\.\s*$",
    re.IGNORECASE,
)


def asks(instruction: str) -> bool:
    """Does an English text ask for anything: by an order, a question, a wish, a gap to fill?"""
    if _ASKING.search(instruction):
        return True
    clauses = [_words(part) for sentence in _SENTENCE.split(instruction) for part in _CLAUSE.split(sentence)]
    return any(_orders(words) for words in clauses)


def orders(text: str) -> bool:
    """Does a clause of an English text begin with a known verb and what it is done to: "sort these lines"?"""
    clauses = [_words(part) for sentence in _SENTENCE.split(text) for part in _CLAUSE.split(sentence)]
    objects = _DETERMINERS | _OBJECT_PRONOUNS | _NUMBERS | _PREPOSITIONS | _QUESTION | {"it"}
    return any(
        len(words) > 1 and _forms().get(words[0]) == words[0] and (words[1] in objects or not words[1][0].isalpha())
        for words in clauses
    )


def _orders(words: list[str]) -> bool:
    """Does a clause begin like an order or a question, also with a verb that is not in the list: "file the marks"?"""
    while len(words) > 1 and words[0].endswith("ly") and words[0] not in _forms():
        words = words[1:]
    if words[:2] in (["tell", "of"], ["think", "of"], ["speak", "of"]) or _request(words) is not None:
        return True
    if len(words) < 2 or words[0] in _DETERMINERS | _PREPOSITIONS | _SUBJECTS | _NUMBERS:
        return bool(words) and words[0] in _QUESTION
    return words[0] in _QUESTION or words[1] in _DETERMINERS | _OBJECT_PRONOUNS | _QUESTION or words[1][0].isdigit()


def _words(clause: str) -> list[str]:
    words = [_unhyphenated(word.lower()) for word in _WORD.findall(clause)]
    start = 0
    while start < len(words) and words[start] in _FILLERS:
        start += 1
    return words[start:]


def _unhyphenated(word: str) -> str:
    """ "re-write" as "rewrite", where that is a verb of the list."""
    joined = word.replace("-", "", 1)
    return joined if word.startswith("re-") and joined in _forms() else word


def _request(words: list[str]) -> tuple[str, str | None] | None:
    """The request of one clause: an order, a question, or "you need to ..."; None where it only tells something."""
    if not words:
        return None
    at = _imperative(words)
    if at is None:
        at = _question(words) if words[0] in _QUESTION | _BE | _DO | _MODALS or words[0] in _PREPOSITIONS else None
    if at is None:
        at = _wanted(words)
    if at is None:
        return None
    verb = _forms()[words[at]]
    return verb, None if verb == "be" else _object(verb, words[at + 1 :])


def _imperative(words: list[str]) -> int | None:
    """The place of a verb that opens the clause as an order."""
    if words[0] == "let's" and len(words) > 1 and words[1] in _forms():
        return 1
    if words[0] in _DO or _forms().get(words[0]) != words[0] or words[0] in _BE:
        return (
            0 if words[0] == "do" and len(words) > 1 and words[1] in _DETERMINERS and not _has_base(words[2:]) else None
        )
    if len(words) > 1 and words[1] in {"of", "is", "are", "was"} and words[0] != "think":
        return None
    return 0


def _has_base(words: list[str]) -> bool:
    return any(_forms().get(word) == word for word in words)


def _question(words: list[str]) -> int | None:
    """The place of the main verb of a question."""
    starts = [i for i, word in enumerate(words) if word in _QUESTION]
    start = starts[0] if starts else 0
    if (starts and start > 2) or (not starts and words[0] in _PREPOSITIONS):
        return None
    forms = _forms()
    for at in range(start, len(words)):
        word = words[at]
        if word in _DO | _MODALS:
            return _after_subject(words, at + 1)
        if word in _BE:
            doing = [
                i for i in range(at + 1, min(at + 4, len(words))) if words[i].endswith("ing") and words[i] in forms
            ]
            return doing[0] if doing and words[at + 1] in _SUBJECTS else at
        if at > start and word in forms and words[at - 1] not in _DETERMINERS:
            return at
    return None


def _after_subject(words: list[str], start: int) -> int | None:
    """The base verb after "do you", "should a beginner", ...: the first that does not follow a determiner."""
    for at in range(start, len(words)):
        if words[at] == "be" or (_forms().get(words[at]) == words[at] and words[at - 1] not in _DETERMINERS):
            return at
    return None


def _wanted(words: list[str]) -> int | None:
    """The verb of "I would like you to ...", "your task is to ...", "you need to ...", "can you ..."."""
    forms = _forms()
    for at in range(1, len(words)):
        if forms.get(words[at]) != words[at]:
            continue
        before = words[max(0, at - 4) : at]
        if before[-1] == "to" and {"you", "need", "want", "task", "goal", "job", "like", "able"} & set(before):
            return at
        if before[-1] == "you" and len(before) > 1 and before[-2] in _MODALS:
            return at
        if before[-1] in {"must", "should"} and len(before) > 1 and before[-2] == "you":
            return at
    return None


def _object(verb: str, rest: list[str]) -> str | None:
    """The head of the noun group that follows the verb."""
    at = 0
    if verb == "help" and len(rest) > 1 and rest[0] in _OBJECT_PRONOUNS:
        return None
    while at < len(rest) and (
        rest[at] in _PARTICLES or rest[at] in _OBJECT_PRONOUNS or rest[at] in _FILLERS - {"and", "or"}
    ):
        at += 1
    if at == 0 and len(rest) > 1 and rest[0] in {"and", "or"} and _forms().get(rest[1]) == rest[1]:
        at = 2  # "compare and contrast the two plans"
    if at < len(rest) and verb in {"come", "fill"} and rest[at] in {"with", "in"}:
        at += 1
    head, next_at = _group(rest, at)
    if head and verb in _GIVERS and next_at < len(rest) and rest[next_at] in _DETERMINERS:
        head = _group(rest, next_at)[0] or head
    return singular(head) if head else None


def _group(words: list[str], start: int) -> tuple[str | None, int]:
    """The last word of the noun group that begins at `start`, and the place of the word after the group."""
    head: str | None = None
    for at in range(start, len(words)):
        word = words[at]
        if word in _DETERMINERS:
            if head is not None or _opens_clause(words, at):
                return head, len(words) if word == "that" else at
            continue
        if word in {'"', "\u201c", "\u201d"}:
            if head is not None:
                return head, at
            continue
        if word in _STOPS and not (word == "one" and (at + 1 == len(words) or words[at + 1] in _PREPOSITIONS)):
            return head, at
        if word in _POSTMODIFIERS or (word.endswith("ly") and len(word) > 4 and head is not None):
            if head is not None:
                return head, at
            continue
        if word[0].isdigit() or word in _NUMBERS or word.endswith("'s"):
            continue
        head = word
    return head, len(words)


def _opens_clause(words: list[str], at: int) -> bool:
    """Is this "that" a conjunction, as in "show that the sum ..."?"""
    following = words[at + 1] if at + 1 < len(words) else ""
    return words[at] == "that" and following in _DETERMINERS | _SUBJECTS


def _any_verb(sentences: list[str]) -> tuple[str | None, str | None]:
    """The first verb in any form, for texts that neither order nor ask."""
    for sentence in sentences[:2]:
        for part in _CLAUSE.split(sentence):
            words = _words(part)
            for at, word in enumerate(words):
                verb = _forms().get(word)
                if verb and verb != "be" and (at == 0 or words[at - 1] not in _DETERMINERS | _PREPOSITIONS):
                    return verb, _object(verb, words[at + 1 :])
    return None, None


@dataclass(frozen=True, slots=True)
class VerbNouns:
    """Counts over many instructions: `pairs` of verb and noun, and `verbs` with or without a noun."""

    engine: str
    total: int
    pairs: Counter[tuple[str, str]]
    verbs: Counter[str]

    @property
    def verb_coverage(self) -> float:
        """Share of the instructions in which a verb was found, 0..1."""
        return self.verbs.total() / self.total if self.total else 0.0

    @property
    def pair_coverage(self) -> float:
        """Share of the instructions in which a verb and its object were found, 0..1."""
        return self.pairs.total() / self.total if self.total else 0.0

    def top(self, num_verbs: int = 20, num_nouns: int = 4) -> list[tuple[str, list[tuple[str, int]]]]:
        """The commonest verbs that have objects, each with its commonest objects and their counts, as published."""
        by_verb: Counter[str] = Counter()
        for (verb, _), count in self.pairs.items():
            by_verb[verb] += count
        ranked = sorted(by_verb, key=lambda verb: (-by_verb[verb], verb))[:num_verbs]
        return [(verb, self._nouns(verb)[:num_nouns]) for verb in ranked]

    def _nouns(self, verb: str) -> list[tuple[str, int]]:
        found = [(noun, count) for (one, noun), count in self.pairs.items() if one == verb]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def count_verb_nouns(instructions: Iterable[str]) -> VerbNouns:
    """The verbs and pairs of all `instructions`, each counted once."""
    pairs: Counter[tuple[str, str]] = Counter()
    verbs: Counter[str] = Counter()
    total = 0
    for instruction in instructions:
        total += 1
        verb, noun = verb_noun(instruction)
        if verb:
            verbs[verb] += 1
        if verb and noun:
            pairs[verb, noun] += 1
    return VerbNouns(ENGINE, total, pairs, verbs)
