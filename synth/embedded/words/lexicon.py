"""Words with a leaning or a topic, and the sentences in which reviews, news lines and notices use them.

No word stands in two lists, so that a count over a lexicon has one meaning.
"""

from __future__ import annotations

GOOD = (
    "friendly", "excellent", "delicious", "wonderful", "reliable", "quick", "helpful", "spotless", "charming", "superb",
    "lovely", "perfect", "cosy", "generous", "brilliant", "pleasant", "tasty", "sturdy", "elegant", "fantastic",
    "comfortable", "cheerful", "punctual", "fresh", "thoughtful", "great", "crisp", "patient",
)  # fmt: skip
BAD = (
    "rude", "terrible", "bland", "awful", "unreliable", "slow", "useless", "filthy", "dreadful", "broken", "noisy",
    "disappointing", "stale", "flimsy", "horrible", "boring", "soggy", "overpriced", "careless", "clumsy", "cramped",
    "gloomy", "smelly", "faulty", "grumpy", "poor", "mouldy", "chaotic",
)  # fmt: skip
THINGS = (
    "staff", "soup", "room", "delivery", "bike", "guide", "coffee", "lamp", "waiter", "garden", "course", "repair",
    "breakfast", "terrace", "boat", "trainer", "service", "packaging", "museum", "jacket", "ferry", "oven", "campsite",
    "receptionist", "keyboard", "dessert", "workshop", "tent",
)  # fmt: skip
REVIEW = (
    "The {thing} was {word}.", "What a {word} {thing}!", "I found the {thing} {word}.", "We had a {word} {thing}.",
    "Their {thing} turned out to be {word}.", "The {thing} seemed {word} to me.", "My sister called the {thing} {word}.",
    "Once again the {thing} was {word}.", "For the price the {thing} was {word}.",
)  # fmt: skip
NEUTRAL = (
    "We came on a Tuesday.", "I ordered it in March.", "It was our second visit.", "We were four people.",
    "I live around the corner.", "We stayed for two nights.", "It arrived in a brown box.", "I read about it in the paper.",
)  # fmt: skip
TOPICS: dict[str, tuple[str, ...]] = {
    "sport": (
        "goal",
        "striker",
        "referee",
        "tournament",
        "coach",
        "penalty",
        "stadium",
        "league",
        "champion",
        "halftime",
    ),
    "weather": ("rain", "storm", "sunshine", "frost", "thunder", "drizzle", "snowfall", "heatwave", "fog", "gusts"),
    "food": ("recipe", "oven", "flour", "spices", "dessert", "kitchen", "sauce", "vegetables", "baking", "broth"),
    "travel": (
        "passport",
        "luggage",
        "flight",
        "hotel",
        "itinerary",
        "airport",
        "suitcase",
        "tourists",
        "ferry",
        "visa",
    ),
    "health": ("nurse", "vaccine", "symptoms", "doctor", "clinic", "fever", "medicine", "surgery", "therapy", "pulse"),
    "money": (
        "loan",
        "interest",
        "savings",
        "invoice",
        "shares",
        "mortgage",
        "budget",
        "currency",
        "investors",
        "taxes",
    ),
    "school": (
        "pupils",
        "teacher",
        "homework",
        "exam",
        "classroom",
        "lesson",
        "textbook",
        "grades",
        "headmaster",
        "timetable",
    ),
    "garden": ("roses", "compost", "seedlings", "hedge", "lawn", "weeds", "pruning", "bulbs", "greenhouse", "watering"),
    "theatre": (
        "stage",
        "actors",
        "rehearsal",
        "costume",
        "curtain",
        "audience",
        "playwright",
        "applause",
        "scenery",
        "premiere",
    ),
}
NEWS = (
    "The {a} and the {b} were on everyone's mind.", "People talked about the {a} and about the {b}.",
    "There was much to say about the {a}, less about the {b}.", "First came the {a}, then the {b}.",
    "A note on the {a} and the {b} follows.", "Nobody had expected the {a}, let alone the {b}.",
    "The {a} mattered more than the {b}.", "All week long it was about the {a} and the {b}.",
)  # fmt: skip
NOTICE = (
    "The {event} takes place on {date} at {time}.", "Please write to {mail} before {date}.", "A ticket costs {price}.",
    "Call {phone} if you have questions.", "{person} will welcome the guests at {time}.", "The deposit is {price}.",
    "Bring your own {object}.", "The {event} in {city} was moved to {date}.", "We still need a {object} and two helpers.",
    "{person} keeps the list of names.", "The hall in {city} opens at {time}.", "Send your answer to {mail}.",
    "Tea and cake are {price} a person.", "Parking near the hall is free.", "Our bus to {city} leaves at {time}.",
)  # fmt: skip
EVENTS = (
    "summer fair", "choir concert", "book sale", "annual meeting", "chess evening", "plant swap", "lantern walk",
    "repair workshop", "open day", "quiz night", "harvest supper", "film evening", "boat race", "flea market",
)  # fmt: skip
OBJECTS = (
    "torch",
    "apron",
    "folding chair",
    "raincoat",
    "notebook",
    "mug",
    "toolbox",
    "tablecloth",
    "ladder",
    "blanket",
)
