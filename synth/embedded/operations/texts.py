"""Running text: leaning and topic by a lexicon, extraction, counting, case, small changes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation, Phrase, say
from synth.embedded.values import MONTHS, NUMBER_WORDS, Label, Name, Quantity, Text, Unfit, Words
from synth.embedded.words.lexicon import BAD, GOOD, OBJECTS, THINGS, TOPICS

_GOOD, _BAD = frozenset(GOOD), frozenset(BAD)
_TOPIC_OF = {word: topic for topic, words in TOPICS.items() for word in words}


def tokens(text: str) -> list[str]:
    """The words of a text, without punctuation, as written."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)


def _with(text: Text, changed: str) -> Text:
    if changed == text.text:
        raise Unfit("a change without effect")
    return Text(text.genre, changed)


# --- labels ----------------------------------------------------------------------------------------------------------

LABELS = (
    ("positive", "negative"),
    ("good", "bad"),
    ("favourable", "unfavourable"),
    ("satisfied", "dissatisfied"),
    ("happy", "unhappy"),
)
SENTIMENT = (
    *say("ask", "is {it} [positive or negative|negative or positive]", "would you call {it} positive or negative", good="positive", bad="negative"),
    *say("ask", "is the [writer|customer|author] of {it} [happy or unhappy|unhappy or happy]",
         "does {it} come from a happy or an unhappy [person|customer|guest]", good="happy", bad="unhappy"),
    *say("ask", "is the [writer|customer|author] of {it} [satisfied or dissatisfied|dissatisfied or satisfied]", good="satisfied", bad="dissatisfied"),
    *say("do", "[classify|label|mark|rate] {it} as {good} or {bad}", "[decide|say|tell me|judge] whether {it} is {good} or {bad}",
         "choose the label that fits {it} (either {good} or {bad})", "sort {it} into {good} or {bad}"),
)  # fmt: skip
LEANING = frozenset(pair for pair in LABELS)


def _draw_sentiment(text: Text, draw: Draw) -> Args | None:
    good, bad = draw.pick(LABELS)
    return {"good": good, "bad": bad}


def _sentiment(text: Text, args: Args) -> Label:
    if (args["good"], args["bad"]) not in LEANING:
        raise Unfit("unknown labels")
    balance = 0
    for word in tokens(text.text.lower()):
        balance += (word in _GOOD) - (word in _BAD)
    if not balance:
        raise Unfit("it leans neither way")
    return Label(args["good"] if balance > 0 else args["bad"])


def _sentiment_again(text: Text, args: Args) -> Label:
    """By what is missing after each lexicon's words are struck out."""
    lower = text.text.lower()
    left = [len(re.findall("|".join(rf"\b{word}\b" for word in lexicon), lower)) for lexicon in (GOOD, BAD)]
    return Label(args["good"] if left[0] > left[1] else args["bad"])


TOPIC = (
    *say("ask", "is {it} about {labels}", "does {it} deal with {labels}", "which of these is {it} about: {labels}",
         "what is {it} about: {labels}"),
    *say("do", "[classify|label|file] {it} [by topic|by subject] as {labels}", "[assign|give] {it} one of the topics {labels}",
         "[say|decide] whether {it} is about {labels}", "choose the topic of {it} from {labels}"),
)  # fmt: skip


def options(labels: str) -> list[str]:
    """The topics that a task names: "sport, food or travel"."""
    return re.split(r", | or ", labels)


def _draw_topic(text: Text, draw: Draw) -> Args | None:
    found = Counter(_TOPIC_OF[word] for word in tokens(text.text.lower()) if word in _TOPIC_OF)
    if not found:
        return None
    right = found.most_common(1)[0][0]
    others = [topic for topic in TOPICS if topic != right]
    named = draw.shuffled([right, *draw.some(others, draw.between(1, 3))])
    return {"labels": f"{', '.join(named[:-1])} or {named[-1]}"}


def _topic(text: Text, args: Args) -> Label:
    named = options(args["labels"])
    if not set(named) <= set(TOPICS) or len(set(named)) < 2:
        raise Unfit("unknown topics")
    hits = dict.fromkeys(named, 0)
    for word in tokens(text.text.lower()):
        topic = _TOPIC_OF.get(word)
        if topic in hits:
            hits[topic] += 1
    best = max(hits.values())
    if not best or list(hits.values()).count(best) > 1:
        raise Unfit("no clear topic")
    return Label(max(hits, key=lambda topic: hits[topic]))


def _topic_again(text: Text, args: Args) -> Label:
    words = set(tokens(text.text.lower()))
    many = Counter(tokens(text.text.lower()))
    scores = {topic: sum(many[word] for word in words.intersection(TOPICS[topic])) for topic in options(args["labels"])}
    return Label(sorted(scores.items(), key=lambda pair: -pair[1])[0][0])


MENTIONS = (
    *say("ask", "does {it} mention {quoted}", "does the word {quoted} occur in {it}", "is the word {quoted} used in {it}"),
    *say("do", "[say|check|tell me|decide] whether {it} [mentions|contains the word] {quoted} (yes or no)",
         "answer yes or no to whether the word {quoted} occurs in {it}"),
)  # fmt: skip


def _draw_mentions(text: Text, draw: Draw) -> Args | None:
    words = [word.lower() for word in tokens(text.text) if len(word) > 4]
    absent = [word for topic in TOPICS.values() for word in topic if word not in words]
    return {"quoted": f'"{draw.pick(words) if draw.chance(0.5) else draw.pick(absent)}"'} if words else None


def _mentions(text: Text, args: Args) -> Label:
    return Label("yes" if args["quoted"][1:-1].lower() in tokens(text.text.lower()) else "no")


def _mentions_again(text: Text, args: Args) -> Label:
    word = re.escape(args["quoted"][1:-1])
    return Label("yes" if re.search(rf"(?<![\w'’-]){word}(?![\w'’-])", text.text, re.IGNORECASE) else "no")


# --- extraction ------------------------------------------------------------------------------------------------------

MARKS: dict[str, tuple[str, str]] = {
    "e-mail addresses": (r"[\w.]+@[\w.]+\.\w+", "e-mail address"),
    "dates": (rf"\b\d{{1,2}} (?:{'|'.join(MONTHS)})\b", "date"),
    "times": (r"\b\d{1,2}:\d\d\b", "time"),
    "prices": (r"\b\d+(?:\.\d\d)? euros?\b", "price"),
    "phone numbers": (r"\b0\d{3} \d{5}\b", "phone number"),
}
EXTRACT = (
    *say("do", "[extract|pull out|list|copy out|write down] [all|all the|the] {marks} [in|from|given in] {it}",
         "[find|collect] [every one of the|all|all the] {marks} in {it}"),
    *say("nps", "[all the|the] {marks} [in|from|given in|mentioned in] {it}"),
    *say("ask", "which {marks} [does {it} give|does {it} mention|are in {it}]"),
)  # fmt: skip


def _draw_extract(text: Text, draw: Draw) -> Args | None:
    fitting = [name for name, (pattern, _) in MARKS.items() if re.search(pattern, text.text)]
    return {"marks": draw.pick(fitting)} if fitting else None


def _extract(text: Text, args: Args) -> Words:
    if args["marks"] not in MARKS:
        raise Unfit("no such kind of mark")
    found = re.findall(MARKS[args["marks"]][0], text.text)
    if not found or len(set(found)) < len(found):
        raise Unfit("nothing found, or one of them twice")
    return Words(args["marks"], tuple(found))


def _extract_again(text: Text, args: Args) -> Words:
    """By walking over the words."""
    words = [word.strip(".,!?;:") for word in text.text.split()]
    found = []
    for place, word in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else ""
        if (args["marks"] == "e-mail addresses" and "@" in word) or (
            args["marks"] == "times" and word.replace(":", "", 1).isdigit() and ":" in word
        ):
            found.append(word)
        elif (
            (args["marks"] == "dates" and word.isdigit() and after in MONTHS)
            or (args["marks"] == "prices" and word.replace(".", "", 1).isdigit() and after in ("euro", "euros"))
            or (
                args["marks"] == "phone numbers"
                and word.isdigit()
                and len(word) == 4
                and word[0] == "0"
                and len(after) == 5
            )
        ):
            found.append(f"{word} {after}")
    return Words(args["marks"], tuple(found))


LONG_WORDS = (
    *say("nps", "the words of [at least {k}|{k} or more] letters in {it}", "[all words|the words] in {it} that have at least {k} letters"),
    *say("do", "list [the|all] words of [at least {k}|{k} or more] letters [in|from] {it}", "[pick out|copy out] every word in {it} that has at least {k} letters"),
    *say("ask", "which words in {it} have [at least {k}|{k} or more] letters"),
)  # fmt: skip


def _draw_long(text: Text, draw: Draw) -> Args | None:
    sizes = sorted({len(word) for word in tokens(text.text) if word.isalpha()})[-3:]
    fitting = [size for size in sizes if size in NUMBER_WORDS.values()]
    return {"k": str(draw.pick(fitting))} if fitting else None


def _long(text: Text, args: Args) -> Words:
    found = [word for word in tokens(text.text) if sum(map(str.isalpha, word)) >= int(args["k"])]
    if len(found) < 2 or len({word.lower() for word in found}) < len(found):
        raise Unfit("fewer than two words, or one twice")
    return Words("words", tuple(found))


def _long_again(text: Text, args: Args) -> Words:
    found, word = [], ""
    for character in text.text + " ":
        if character.isalnum() or (character in "'’-" and word):
            word += character
        else:
            word = word.rstrip("'’-")
            if len([c for c in word if c.isalpha()]) >= int(args["k"]):
                found.append(word)
            word = ""
    return Words("words", tuple(found))


# --- counting --------------------------------------------------------------------------------------------------------

COUNT = (
    *say("np", "the number of words in {it}", "the word count of {it}", "the length of {it} in words"),
    *say(
        "do", "count the words [in|of] {it}", "count how many words {it} has", "say how many words {it} [has|is long]"
    ),
    *say("ask", "how many words [does {it} have|are in {it}|are there in {it}]", "how long is {it} in words"),
)
SENTENCES = (
    *say("np", "the number of sentences in {it}", "the length of {it} in sentences"),
    *say(
        "do", "count the sentences [in|of] {it}", "count how many sentences {it} has", "say how many sentences {it} has"
    ),
    *say("ask", "how many sentences [does {it} have|are in {it}|are there in {it}]", "how long is {it} in sentences"),
)
LETTER = (
    *say("np", "the number of times the letter {letter} occurs in {it}", "the number of letters {letter} in {it}"),
    *say("do", "count the letter {letter} in {it}", "count how [often|many times] the letter {letter} occurs in {it}"),
    *say("ask", "how [often|many times] does the letter {letter} [occur|appear|stand] in {it}"),
)


def _draw_plain(text: Text, draw: Draw) -> Args | None:
    return {} if len(text.text.split()) > 2 else None


def _count(text: Text, args: Args) -> Quantity:
    return Quantity(Decimal(len(text.text.split())), "words")


def _count_again(text: Text, args: Args) -> Quantity:
    return Quantity(Decimal(len(re.findall(r"\S+", text.text))), "words")


def _sentences(text: Text, args: Args) -> Quantity:
    found = re.findall(r"[.!?](?=\s|$)", text.text)
    if not found:
        raise Unfit("no sentence")
    return Quantity(Decimal(len(found)), "sentences")


def _sentences_again(text: Text, args: Args) -> Quantity:
    return Quantity(Decimal(sum(1 for word in text.text.split() if word[-1] in ".!?")), "sentences")


def _draw_letter(text: Text, draw: Draw) -> Args | None:
    found = sorted({c for c in text.text.lower() if "a" <= c <= "z"})
    return {"letter": f'"{draw.pick(found)}"'} if found else None


def _letter(text: Text, args: Args) -> Quantity:
    return Quantity(Decimal(text.text.lower().count(args["letter"][1])))


def _letter_again(text: Text, args: Args) -> Quantity:
    return Quantity(Decimal(Counter(text.text.casefold())[args["letter"][1]]))


LONGEST = (
    *say("np", "the longest word [in|of] {it}", "the word with the most letters in {it}"),
    *say("do", "[pick out|name|find] the longest word [in|of] {it}"),
    *say("ask", "which word in {it} [is the longest|has the most letters]", "which is the longest word [in|of] {it}"),
)


def _longest(text: Text, args: Args) -> Name:
    words = tokens(text.text)
    sizes = [sum(map(str.isalpha, word)) for word in words]
    if not sizes or sizes.count(max(sizes)) > 1:
        raise Unfit("a tie")
    return Name(words[sizes.index(max(sizes))])


def _longest_again(text: Text, args: Args) -> Name:
    return Name(sorted(tokens(text.text), key=lambda word: len([c for c in word if c.isalpha()]))[-1])


# --- changes ---------------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "capital": (str.upper, lambda t: "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c.upper() for c in t)),
    "small": (str.lower, lambda t: "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c.lower() for c in t)),
}
_CASE = "[{case} letters|{case} letters throughout|{case} letters only]"
CASE = (
    *say("do", f"[write|put|rewrite|type] {{it}} in {_CASE}", "[turn|change|convert] {it} [to|into] {case} letters"),
    *say("post", "in {case} letters", "written in {case} letters"),
    *say("do", "[convert|change] {it} to upper case", "make {it} all upper case", case="capital"),
    *say("do", "[convert|change] {it} to lower case", "make {it} all lower case", case="small"),
)


def _draw_case(text: Text, draw: Draw) -> Args | None:
    case = draw.pick(("capital", "capital", "small"))
    return {"case": case} if CASES[case][0](text.text) != text.text else None


def _case(text: Text, args: Args) -> Text:
    return _with(text, CASES[args["case"]][0](text.text))


def _case_again(text: Text, args: Args) -> Text:
    return Text(text.genre, CASES[args["case"]][1](text.text))


SWAP = (
    *say("do", "replace [the word|every|each] {quoted1} [by|with] {quoted2} in {it}", "[change|turn] the word {quoted1} into {quoted2} in {it}",
         "write {it} again with {quoted2} in place of {quoted1}", "put {quoted2} wherever {it} says {quoted1}",
         "in {it} replace {quoted1} [by|with] {quoted2}", "swap the word {quoted1} for {quoted2} in {it}"),
)  # fmt: skip
NOUNS = tuple(
    dict.fromkeys(
        (
            *THINGS,
            *(name for name in OBJECTS if " " not in name),
            *(word for words in TOPICS.values() for word in words),
        )
    )
)
_NOUNS = frozenset((*NOUNS, "ticket", "deposit", "hall", "bus", "list", "guests", "helpers", "cake", "answer"))


def _draw_swap(text: Text, draw: Draw) -> Args | None:
    words = [word for word in tokens(text.text) if word in _NOUNS]
    return {"quoted1": f'"{draw.pick(words)}"', "quoted2": f'"{draw.pick(NOUNS)}"'} if words else None


def _swap(text: Text, args: Args) -> Text:
    old, new = args["quoted1"][1:-1], args["quoted2"][1:-1]
    return _with(text, re.sub(rf"(?<![\w'’-]){re.escape(old)}(?![\w'’-])", lambda _: new, text.text))


def _swap_again(text: Text, args: Args) -> Text:
    """Word by word, with what stands between the words kept."""
    old, new = args["quoted1"][1:-1], args["quoted2"][1:-1]
    parts = re.split(r"([\w'’-]+)", text.text)
    return Text(text.genre, "".join(new if part == old else part for part in parts))


def _edge_phrases(edge: str) -> tuple[Phrase, ...]:
    return (
        *say("do", f"[keep|give|quote|copy] only the {edge} sentence of {{it}}", f"[drop|delete|leave out] everything but the {edge} sentence of {{it}}",
             f"shorten {{it}} to its {edge} sentence", edge=edge),
        *say("np", f"the {edge} sentence of {{it}}", f"only the {edge} sentence of {{it}}", edge=edge),
    )  # fmt: skip


EDGE = (*_edge_phrases("first"), *_edge_phrases("last"))


def _draw_edge(text: Text, draw: Draw) -> Args | None:
    return {"edge": draw.pick(("first", "last"))} if len(re.findall(r"[.!?](?=\s)", text.text)) else None


def _edge(text: Text, args: Args) -> Text:
    if text.text.rstrip()[-1:] not in ".!?":
        raise Unfit("the text does not end with a sentence")
    parts = re.split(r"(?<=[.!?])\s+", text.text.strip())
    return _with(text, parts[0 if args["edge"] == "first" else -1])


def _edge_again(text: Text, args: Args) -> Text:
    words = text.text.split()
    ends = [place for place, word in enumerate(words) if word[-1] in ".!?"]
    if args["edge"] == "first":
        return Text(text.genre, " ".join(words[: ends[0] + 1]))
    return Text(text.genre, " ".join(words[ends[-2] + 1 :]))


BACKWARDS = (
    *say("do", "[write|give|put] the words of {it} in reverse order", "reverse the order of the words in {it}",
         "[turn|flip] {it} around word by word", "write {it} from the last word to the first", "read {it} backwards word by word and write that down"),
    *say("post", "with the words in reverse order", "word by word from last to first"),
)  # fmt: skip


def _backwards(text: Text, args: Args) -> Text:
    return _with(text, " ".join(text.text.split()[::-1]))


def _backwards_again(text: Text, args: Args) -> Text:
    found = ""
    for word in text.text.split():
        found = f"{word} {found}" if found else word
    return Text(text.genre, found)


BARE = (
    *say("do", "[remove|strip|delete|take out] [all punctuation|the punctuation|every punctuation mark] from {it}",
         "write {it} without [any punctuation|punctuation marks]"),
    *say("post", "without [any punctuation|punctuation|punctuation marks]"),
)  # fmt: skip
_PUNCTUATION = ".,!?;:"


def _draw_bare(text: Text, draw: Draw) -> Args | None:
    return {} if not re.search(r"\w[@.:]\w", text.text) else None


def _bare(text: Text, args: Args) -> Text:
    return _with(text, "".join(c for c in text.text if c not in _PUNCTUATION))


def _bare_again(text: Text, args: Args) -> Text:
    return Text(text.genre, re.sub(r"[.,!?;:]", "", text.text))


OPERATIONS = (
    Operation("sentiment", "text", "label", "label", SENTIMENT, _draw_sentiment, _sentiment, _sentiment_again, lambda a: "leaning", None, ("good", "bad")),
    Operation("topic", "text", "label", "label", TOPIC, _draw_topic, _topic, _topic_again, lambda a: "topic", None, ("labels",)),
    Operation("mentions", "text", "label", "label", MENTIONS, _draw_mentions, _mentions, _mentions_again, lambda a: "mentioned", None, ("yes", "no")),
    Operation("extract", "text", "words", "reduce", EXTRACT, _draw_extract, _extract, _extract_again, lambda a: a["marks"]),
    Operation("long_words", "text", "words", "reduce", LONG_WORDS, _draw_long, _long, _long_again, lambda a: "long words"),
    Operation("count_words", "text", "quantity", "reduce", COUNT, _draw_plain, _count, _count_again, lambda a: "words"),
    Operation("count_sentences", "text", "quantity", "reduce", SENTENCES, _draw_plain, _sentences, _sentences_again, lambda a: "sentences"),
    Operation("count_letter", "text", "quantity", "reduce", LETTER, _draw_letter, _letter, _letter_again, lambda a: f"letter {a['letter'][1]}"),
    Operation("longest_word", "text", "name", "reduce", LONGEST, _draw_plain, _longest, _longest_again, lambda a: "longest word"),
    Operation("change_case", "text", "text", "order", CASE, _draw_case, _case, _case_again, lambda a: "text"),
    Operation("replace_word", "text", "text", "change", SWAP, _draw_swap, _swap, _swap_again, lambda a: "text"),
    Operation("edge_sentence", "text", "text", "change", EDGE, _draw_edge, _edge, _edge_again, lambda a: f"{a['edge']} sentence"),
    Operation("reverse_words", "text", "text", "finish", BACKWARDS, _draw_plain, _backwards, _backwards_again, lambda a: "text"),
    Operation("strip_punctuation", "text", "text", "order", BARE, _draw_bare, _bare, _bare_again, lambda a: "text"),
)  # fmt: skip
