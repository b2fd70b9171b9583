"""Forms of English words: the verbs that instructions begin with, and the singular of nouns."""

from __future__ import annotations

from functools import cache

BE = {"is", "are", "was", "were", "am", "'s", "be"}
_VERBS = (
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
).split()

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
_UNCHANGED = set("series species news mathematics physics economics politics ethics lens gas canvas".split())


@cache
def verb_forms() -> dict[str, str]:
    """Every form of every verb of the list -> its base form; a base form wins over another verb's past."""
    table: dict[str, str] = {}
    for base in _VERBS:
        for form in (*_regular_forms(base), *_IRREGULAR.get(base, "").split()):
            table.setdefault(form, base)
    return table | {base: base for base in _VERBS} | dict.fromkeys(BE, "be")


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
