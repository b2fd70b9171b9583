"""400 tasks of our own making for small real students: half with one right answer, half with constraints to keep.

Five levels of 40 tasks each, from what an untrained base often manages to what a good small model still misses, so
that neither stands at the floor or the ceiling. The tasks come from templates and a seed, need no knowledge beyond
everyday words, and resemble no seed task.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from synth.records import digest
from synth.student.items import EvalItem
from synth.student.templates import Conversation, Turn

LEVELS = ("very easy", "easy", "middling", "hard", "very hard")
PER_KIND = 10  # tasks of one kind on one level

Task = tuple[str, str, str, dict[str, Any]]  # instruction, input, right answer, check
Maker = Callable[[random.Random, int], Task]  # (draws, level from 0) -> one task

_NAMES = "Anouk Bastian Chidi Dorte Emeka Farah Goran Hiroko Ines Jonas Kwame Leila Mirek Nuria Oleg Priya".split()
_THINGS = "apples stamps buttons pencils shells marbles tickets candles cups nails beads coins".split()
_COLOURS = "red blue green yellow purple orange white black brown grey".split()
_ANIMALS = "horse goose badger trout lizard camel otter raven beetle donkey walrus heron".split()
_TOOLS = "hammer kettle ladder needle bucket shovel lamp drawer pillow bottle basket ruler".split()
_TOWNS = "Arvidsby Brennau Corleto Dunmoyle Estrela Fjordheim Gavrilovo Halmstead".split()
_TOPICS = (
    "a walk along a canal in winter", "how to keep a bicycle chain clean", "the first day in a new flat",
    "why bread goes stale", "a market on a rainy morning", "packing for a night in a mountain hut",
    "a cat that sleeps in a shop window", "how to thank a neighbour", "a train that stops between two stations",
    "what to do with leftover rice", "a lost umbrella", "the sound of a school yard", "how to choose a melon",
    "a letter found behind a wardrobe", "the smell of a library", "learning to swim as an adult",
    "an evening without electricity", "how a stapler works", "a bench in a park", "waiting at a dentist's",
)  # fmt: skip


def exam(seed: int = 0) -> list[EvalItem]:
    """The 400 tasks; equal seeds give equal tasks."""
    return [*_items(CHECKABLE, seed, PER_KIND), *_items({"constraints": _constraints}, seed, 4 * PER_KIND)]


def _items(kinds: dict[str, Maker], seed: int, per_kind: int) -> Iterator[EvalItem]:
    seen: set[tuple[str, str]] = set()
    for level, name in enumerate(LEVELS):
        for kind, make in kinds.items():
            number = attempt = 0
            while number < per_kind:
                draws = random.Random(int(digest("exam", seed, kind, level, attempt)[:16], 16))
                attempt += 1
                instruction, given, answer, check = make(draws, level)
                if (instruction, given) in seen:
                    continue
                seen.add((instruction, given))
                number += 1
                asked = Conversation((Turn(instruction, given),))
                yield EvalItem(f"exam_{kind}_{level + 1}_{number:02d}", asked, answer, check, f"{kind}, {name}")


def _number(value: int) -> tuple[str, dict[str, Any]]:
    return str(value), {"kind": "numeric", "answer": value}


def _arithmetic(draws: random.Random, level: int) -> Task:
    one, other = draws.sample(_NAMES, 2)
    thing = draws.choice(_THINGS)
    if level == 0:
        a, b = draws.randint(1, 5), draws.randint(1, 5)
        return f"What is {a} + {b}?", "", *_number(a + b)
    if level == 1:
        a, b = draws.randint(20, 60), draws.randint(3, 19)
        return (f"Work out {a} + {b}.", "", *_number(a + b)) if b % 2 else (f"Work out {a} - {b}.", "", *_number(a - b))
    if level == 2:
        a, b = draws.randint(6, 12), draws.randint(6, 12)
        return f"{one} fills {a} boxes with {b} {thing} each. How many {thing} is that?", "", *_number(a * b)
    a, b, c = draws.randint(30, 60), draws.randint(5, 15), draws.randint(2, 5)
    start = f"{one} has {a} {thing} and gives {b} of them to {other}."
    if level == 3:
        return f"{start} Then {one} buys {c} more. How many {thing} does {one} have now?", "", *_number(a - b + c)
    end = (
        f"{other} had none before and now shares the {thing} equally with {c} friends who have none, "
        "keeping what is left over."
    )
    kept = b // (c + 1) + b % (c + 1)
    return f"{start} {end} How many {thing} does {other} have in the end?", "", *_number(kept)


def _extraction(draws: random.Random, level: int) -> Task:
    name, other = draws.sample(_NAMES, 2)
    town, elsewhere = draws.sample(_TOWNS, 2)
    colour, thing = draws.choice(_COLOURS), draws.choice(_TOOLS)
    age = draws.randint(19, 80)
    if level == 0:
        return "Repeat this word and nothing else.", thing, thing, {"kind": "exact", "answer": thing}
    if level == 1:
        text = f"{name} bought a {colour} {thing}."
        return "Which colour is named in the sentence? One word.", text, colour, _label(colour, _COLOURS)
    if level == 2:
        lines = f"Name: {name}\nAge: {age}\nTown: {town}\nHobby: chess"
        return "Copy the town from this card, without anything else.", lines, town, _label(town, _TOWNS)
    text = (
        f"{name}, who is {age}, moved from {elsewhere} to {town} in spring. "
        f"{other} stayed behind with the {colour} {thing} and turns {age + draws.randint(2, 9)} this year."
    )
    if level == 3:
        return f"Where does {name} live now? Give the town only.", text, town, _label(town, _TOWNS)
    answer = {"name": name, "age": age, "town": town}
    return (
        'Give the name, the present age and the present town of the person who moved, as JSON with the keys "name", '
        '"age" (a number) and "town".',
        text, str(answer).replace("'", '"'), {"kind": "json", "answer": answer},
    )  # fmt: skip


def _label(answer: str, labels: list[str]) -> dict[str, Any]:
    return {"kind": "label", "answer": answer, "labels": labels}


def _ordered(items: list[str]) -> tuple[str, dict[str, Any]]:
    return ", ".join(items), {"kind": "set", "answer": items, "ordered": True}


def _sorting(draws: random.Random, level: int) -> Task:
    if level == 0:
        a, b = draws.sample(range(1, 10), 2)
        return (
            f"Which number is larger, {a} or {b}? Answer with the number only.",
            "",
            str(max(a, b)),
            _label(str(max(a, b)), [str(a), str(b)]),
        )
    if level == 1:
        numbers = draws.sample(range(1, 30), 3)
        return (
            "Put the numbers in order, smallest first.",
            ", ".join(map(str, numbers)),
            *_ordered([str(n) for n in sorted(numbers)]),
        )
    if level == 2:
        words = draws.sample(_ANIMALS, 3)
        return "Put the words in alphabetical order, separated by commas.", ", ".join(words), *_ordered(sorted(words))
    if level == 3:
        numbers = draws.sample(range(100, 999), 6)
        return (
            "Sort these numbers from the largest to the smallest, separated by commas.",
            ", ".join(map(str, numbers)),
            *_ordered([str(n) for n in sorted(numbers, reverse=True)]),
        )
    names = draws.sample(_NAMES, 5)
    points = dict(zip(names, draws.sample(range(10, 99), 5), strict=True))
    text = "\n".join(f"{name} ({points[name]} points)" for name in names)
    return (
        "Write the names only, most points first, separated by commas.",
        text,
        *_ordered(sorted(names, key=lambda name: -points[name])),
    )


_PRAISE = [
    "The soup was hot and very good.",
    "What a friendly waiter.",
    "I slept like a baby in that bed.",
    "The view made our day.",
    "Everything worked at once, lovely.",
    "The cake was the best in years.",
]
_BLAME = [
    "The soup was cold and tasted of soap.",
    "The waiter shouted at us.",
    "The bed was hard and dirty.",
    "It broke after an hour.",
    "Nobody answered my calls.",
    "The cake was dry as dust.",
]
_MAILS = {
    "order": [
        "Please send me two more of the large crates.",
        "I would like to have ten folders, the green ones.",
        "Put me down for a third box of filters.",
    ],
    "question": [
        "Until when can I bring the drill back?",
        "Does the lid fit the old pot as well?",
        "Which of the two lamps is brighter?",
    ],
    "complaint": [
        "The parcel came with a hole in it and half of the nuts are gone.",
        "You charged me twice for the same mat.",
        "The handle came off on the first day.",
    ],
    "thanks": [
        "The new hinge fits, that was quick and kind of you.",
        "My mother loved the flowers, I owe you one.",
        "Great advice about the paint, it held all winter.",
    ],
}


def _labels(draws: random.Random, level: int) -> Task:
    if level == 0:
        word, answer = draws.choice([(draws.choice(_ANIMALS), "animal"), (draws.choice(_COLOURS), "colour")])
        return (
            "Is this word an animal or a colour? Answer with one word: animal or colour.",
            word,
            answer,
            _label(answer, ["animal", "colour"]),
        )
    if level == 1:
        answer = draws.choice(["positive", "negative"])
        text = draws.choice(_PRAISE if answer == "positive" else _BLAME)
        return (
            "Is this remark positive or negative? Answer with one word.",
            text,
            answer,
            _label(answer, ["positive", "negative"]),
        )
    if level == 2:
        kinds = {"animal": _ANIMALS, "colour": _COLOURS, "tool": _TOOLS}
        answer = draws.choice(list(kinds))
        words = ", ".join(draws.sample(kinds[answer], 3))
        return (
            "What are these: animal, colour or tool? Answer with one of the three words.",
            words,
            answer,
            _label(answer, list(kinds)),
        )
    if level == 3:
        answer = draws.choice(list(_MAILS))
        return (
            "Sort this message into one of: order, question, complaint, thanks. Answer with the word only.",
            draws.choice(_MAILS[answer]),
            answer,
            _label(answer, list(_MAILS)),
        )
    weight, is_paid = draws.randint(1, 40), draws.random() < 0.6
    answer = "hold" if not is_paid else "truck" if weight > 20 else "post"
    rule = (
        "A parcel that is not paid for gets the label hold. Of the others, those over 20 kg get truck and the rest "
        "post. Which label does this parcel get? Answer with the label only."
    )
    thing, name = draws.choice(_THINGS).capitalize(), draws.choice(_NAMES)
    text = f"{thing} for {name}, {weight} kg, {'paid' if is_paid else 'payment open'}"
    return rule, text, answer, _label(answer, ["hold", "truck", "post"])


CHECKABLE: dict[str, Maker] = {
    "arithmetic": _arithmetic,
    "extraction": _extraction,
    "sorting": _sorting,
    "labels": _labels,
}


# --- constraints -----------------------------------------------------------------------------------------------------

Demand = tuple[str, dict[str, Any]]  # the sentence that asks for it, the constraint


def _short(draws: random.Random, level: int) -> Demand:
    limit = (120, 80, 60, 50, 40)[level]
    return f"Use less than {limit} words.", {
        "type": "length_constraints:number_words",
        "num_words": limit,
        "relation": "less than",
    }


def _word(draws: random.Random, level: int) -> Demand:
    words = draws.sample(_TOOLS, 1 + (level > 2))
    return f"Use the word{'s' if len(words) > 1 else ''} {' and '.join(words)}.", {
        "type": "keywords:existence",
        "keywords": words,
    }


def _without(draws: random.Random, level: int) -> Demand:
    words = draws.sample(_COLOURS, 2 + level // 2)
    return f"Do not use the words {', '.join(words[:-1])} or {words[-1]}.", {
        "type": "keywords:forbidden_words",
        "forbidden_words": words,
    }


def _comma(draws: random.Random, level: int) -> Demand:
    return "Do not use any commas.", {"type": "punctuation:no_comma"}


def _small(draws: random.Random, level: int) -> Demand:
    return "Write in English and in small letters only, no capitals.", {"type": "change_case:english_lowercase"}


def _ending(draws: random.Random, level: int) -> Demand:
    phrase = draws.choice(["That is all.", "See you soon.", "More tomorrow.", "And so it goes."])
    return f'End with exactly this sentence: "{phrase}"', {"type": "startend:end_checker", "end_phrase": phrase}


def _bullets(draws: random.Random, level: int) -> Demand:
    number = draws.randint(2, 3 + level // 2)
    return f'Write exactly {number} bullet points, each on a line that begins with "* ".', {
        "type": "detectable_format:number_bullet_lists",
        "num_bullets": number,
    }


def _titled(draws: random.Random, level: int) -> Demand:
    return "Give it a title in double angular brackets, such as <<a title>>.", {"type": "detectable_format:title"}


def _often(draws: random.Random, level: int) -> Demand:
    word, number = draws.choice(_TOOLS), draws.randint(2, 3)
    return f"Use the word {word} at least {number} times.", {
        "type": "keywords:frequency",
        "keyword": word,
        "frequency": number,
        "relation": "at least",
    }


def _sentences(draws: random.Random, level: int) -> Demand:
    number = draws.randint(3, 5)
    return f"Write at least {number} sentences.", {
        "type": "length_constraints:number_sentences",
        "num_sentences": number,
        "relation": "at least",
    }


def _quoted(draws: random.Random, level: int) -> Demand:
    return "Put your whole answer in double quotation marks.", {"type": "startend:quotation"}


def _note(draws: random.Random, level: int) -> Demand:
    return "Add a postscript that begins with P.S.", {
        "type": "detectable_content:postscript",
        "postscript_marker": "P.S.",
    }


# Level -> the demands drawn from, and how many are made at once. No two of a level contradict each other.
DEMANDS: tuple[tuple[tuple[Callable[[random.Random, int], Demand], ...], int], ...] = (
    ((_short, _without, _comma), 1),
    ((_short, _word, _sentences, _comma), 1),
    ((_small, _ending, _bullets, _titled, _often, _quoted), 1),
    ((_word, _comma, _ending, _titled, _sentences, _short), 2),
    ((_often, _without, _bullets, _titled, _ending, _comma, _short), 3),
)
_ASKS = ("Write a few lines about {}.", "Tell me something about {}.", "Describe {}.", "Write about {}.")


def _constraints(draws: random.Random, level: int) -> Task:
    makers, number = DEMANDS[level]
    demands = [make(draws, level) for make in draws.sample(makers, number)]
    ask = draws.choice(_ASKS).format(draws.choice(_TOPICS))
    text = " ".join([ask, *(sentence for sentence, _ in demands)])
    return text, "", "", {"kind": "constraints", "constraints": [constraint for _, constraint in demands]}
