"""Running text: leaning and topic by a lexicon, what it mentions, counting."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from synth.embedded.domains import BAD, GOOD, TOPICS
from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Label, Quantity, Text, Unfit

_GOOD, _BAD = frozenset(GOOD), frozenset(BAD)
_TOPIC_OF = {word: topic for topic, words in TOPICS.items() for word in words}


def tokens(text: str) -> list[str]:
    """The words of a text, without punctuation, as written."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)


LEANING = {
    "positive": "negative", "good": "bad", "favourable": "unfavourable", "satisfied": "dissatisfied", "happy": "unhappy",
}  # fmt: skip


def _draw_sentiment(text: Text, draw: Draw) -> Args | None:
    good = draw.pick(list(LEANING))
    return {"good": good, "bad": LEANING[good]}


def _sentiment(text: Text, args: Args) -> Label:
    if LEANING.get(args["good"]) != args["bad"]:
        raise Unfit("unknown labels")
    balance = sum((word in _GOOD) - (word in _BAD) for word in tokens(text.text.lower()))
    if not balance:
        raise Unfit("it leans neither way")
    return Label(args["good"] if balance > 0 else args["bad"])


def _sentiment_again(text: Text, args: Args) -> Label:
    """By searching the text for each word of both lexicons."""
    found = [len(re.findall("|".join(rf"\b{word}\b" for word in some), text.text.lower())) for some in (GOOD, BAD)]
    return Label(args["good"] if found[0] > found[1] else args["bad"])


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
    hits = Counter(_TOPIC_OF.get(word) for word in tokens(text.text.lower()))
    ranked = sorted(named, key=lambda topic: -hits[topic])
    if hits[ranked[0]] == hits[ranked[1]]:
        raise Unfit("no clear topic")
    return Label(ranked[0])


def _topic_again(text: Text, args: Args) -> Label:
    many = Counter(tokens(text.text.lower()))
    return Label(max(options(args["labels"]), key=lambda topic: sum(many[word] for word in TOPICS[topic])))


def _draw_mentions(text: Text, draw: Draw) -> Args | None:
    words = [word.lower() for word in tokens(text.text) if len(word) > 4]
    absent = [word for word in _TOPIC_OF if word not in words]
    return {"quoted": f'"{draw.pick(words) if draw.chance(0.5) else draw.pick(absent)}"'} if words else None


# fmt: off
OPERATIONS = (
    Operation("sentiment", "text", "label", "label", """
        ask(good=positive, bad=negative): is {it} [positive or negative|negative or positive]
        ask(good=positive, bad=negative): would you call {it} positive or negative
        ask(good=happy, bad=unhappy): is the [writer|customer|author] of {it} [happy or unhappy|unhappy or happy]
        ask(good=happy, bad=unhappy): does {it} come from a happy or an unhappy [person|customer|guest]
        ask(good=satisfied, bad=dissatisfied): is the [writer|customer|author] of {it} [satisfied or dissatisfied|dissatisfied or satisfied]
        do: [classify|label|mark|rate] {it} as {good} or {bad}
        do: [decide|say|tell me|judge] whether {it} is {good} or {bad}
        do: choose the label that fits {it} (either {good} or {bad})
        do: sort {it} into {good} or {bad}
    """, _draw_sentiment, _sentiment, _sentiment_again, "leaning", ("good", "bad")),
    Operation("topic", "text", "label", "label", """
        ask: is {it} about {labels}
        ask: does {it} deal with {labels}
        ask: which of these is {it} about: {labels}
        ask: what is {it} about: {labels}
        do: [classify|label|file] {it} [by topic|by subject] as {labels}
        do: [assign|give] {it} one of the topics {labels}
        do: [say|decide] whether {it} is about {labels}
        do: choose the topic of {it} from {labels}
    """, _draw_topic, _topic, _topic_again, "topic", ("labels",)),
    Operation("mentions", "text", "label", "label", """
        ask: does {it} mention {quoted}
        ask: does the word {quoted} occur in {it}
        ask: is the word {quoted} used in {it}
        do: [say|check|tell me|decide] whether {it} [mentions|contains the word] {quoted} (yes or no)
        do: answer yes or no to whether the word {quoted} occurs in {it}
    """, _draw_mentions,
        lambda text, args: Label("yes" if args["quoted"][1:-1].lower() in tokens(text.text.lower()) else "no"),
        lambda text, args: Label("yes" if re.search(rf"(?<![\w'’-]){re.escape(args['quoted'][1:-1])}(?![\w'’-])", text.text, re.IGNORECASE) else "no"), "mentioned", ("yes", "no")),
    Operation("count_words", "text", "quantity", "reduce", """
        np: the number of words in {it}
        np: the [word count|length] of {it} in words
        do: count the words [in|of] {it}
        do: [count|say] how many words {it} has
        ask: how many words [does {it} have|are in {it}|are there in {it}]
        ask: how long is {it} in words
    """, lambda text, draw: {} if len(text.text.split()) > 2 else None,
        lambda text, args: Quantity(Decimal(len(text.text.split())), "words"),
        lambda text, args: Quantity(Decimal(len(re.findall(r"\S+", text.text))), "words"), "words"),
)
