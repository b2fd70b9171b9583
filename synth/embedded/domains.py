"""The words of the embedded teacher's world, all written by hand; and domains: a place, a role and the table kept there.

No word stands in two of the lists GOOD, BAD and TOPICS, so that a count over one of them has one meaning.

Notation in `DOMAINS`: `key | place | role`, then columns with `;` between. `name: a, b` is a column of names or
categories (`@pool` for a shared pool); `<on *>` is how a category qualifies a row; `name: 1.20-9.80 euros` holds
measures with the decimals as written; `name#: 4-60` counts things called by the column's name; `~` marks numbers that
must not be added up. The first column names the row: its plural is what the rows are called.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from decimal import Decimal

from synth.embedded.patterns import plain_articles
from synth.embedded.values import Column, pluralise


def _listed(text: str, mark: str = ", ") -> tuple[str, ...]:
    return tuple(text.replace("\n", " ").strip().split(mark))


PEOPLE = _listed(
    "Ada Brandt, Anna Kowalska, Bruno Costa, Chen Wei, Daniel Levy, Elif Kaya, Erik Sand, Felix Braun, Hana Sato, Ines Duarte, Jonas Weber, Kofi Adjei, Leo Rossi, Lucas Meyer, Marco Bianchi, Mila Jovanovic, Nils Holm, Oscar Nyman"
)
CITIES = _listed(
    "Aalborg, Basel, Bergen, Bologna, Bremen, Brno, Cork, Dijon, Erfurt, Faro, Gdansk, Ghent, Graz, Haarlem, Kassel, Leeds, Lille, Linz, Malmo, Nantes, Odense, Parma, Porto, Riga, Rouen, Salzburg, Siena, Split, Tampere, Toledo"
)
FIRST_NAMES = _listed(
    "Anna, Bruno, Carla, Dario, Elif, Felix, Greta, Hugo, Ines, Jonas, Kaya, Lena, Marta, Nils, Olga, Pavel"
)
WEEKDAYS = _listed("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday")
GOOD = _listed(
    "friendly, excellent, delicious, wonderful, reliable, quick, helpful, spotless, charming, superb, lovely, perfect, cosy, generous, brilliant, pleasant, tasty, sturdy, elegant, fantastic, comfortable, cheerful, punctual, fresh, thoughtful, great, crisp, patient"
)
BAD = _listed(
    "rude, terrible, bland, awful, unreliable, slow, useless, filthy, dreadful, broken, noisy, disappointing, stale, flimsy, horrible, boring, soggy, overpriced, careless, clumsy, cramped, gloomy, smelly, faulty, grumpy, poor, mouldy, chaotic"
)
THINGS = _listed(
    "staff, soup, room, delivery, bike, guide, coffee, lamp, waiter, garden, course, repair, breakfast, terrace, boat, trainer, service, packaging, museum, jacket, ferry, oven, campsite, receptionist, keyboard, dessert, workshop, tent"
)
TOPICS: dict[str, tuple[str, ...]] = {
    "sport": _listed("goal, striker, referee, tournament, coach, penalty, stadium, league, champion, halftime"),
    "weather": _listed("rain, storm, sunshine, frost, thunder, drizzle, snowfall, heatwave, fog, gusts"),
    "food": _listed("recipe, oven, flour, spices, dessert, kitchen, sauce, vegetables, baking, broth"),
    "travel": _listed("passport, luggage, flight, hotel, itinerary, airport, suitcase, tourists, ferry, visa"),
    "health": _listed("nurse, vaccine, symptoms, doctor, clinic, fever, medicine, surgery, therapy, pulse"),
    "money": _listed("loan, interest, savings, invoice, shares, mortgage, budget, currency, investors, taxes"),
    "school": _listed("pupils, teacher, homework, exam, classroom, lesson, textbook, grades, headmaster, timetable"),
    "garden": _listed("roses, compost, seedlings, hedge, lawn, weeds, pruning, bulbs, greenhouse, watering"),
    "theatre": _listed("stage, actors, rehearsal, costume, curtain, audience, playwright, applause, scenery, premiere"),
}
REVIEW = _listed(
    "The {thing} was {word}. / What a {word} {thing}! / I found the {thing} {word}. / We had a {word} {thing}. / Their {thing} turned out to be {word}. / The {thing} seemed {word} to me. / My sister called the {thing} {word}. / Once again the {thing} was {word}. / For the price the {thing} was {word}.",
    " / ",
)
NEUTRAL = _listed(
    "We came on a Tuesday. / I ordered it in March. / It was our second visit. / We were four people. / I live around the corner. / We stayed for two nights. / It arrived in a brown box. / I read about it in the paper.",
    " / ",
)
NEWS = _listed(
    "The {a} and the {b} were on everyone's mind. / People talked about the {a} and about the {b}. / There was much to say about the {a}, less about the {b}. / First came the {a}, then the {b}. / A note on the {a} and the {b} follows. / Nobody had expected the {a}, let alone the {b}. / The {a} mattered more than the {b}. / All week long it was about the {a} and the {b}.",
    " / ",
)
DOMAINS = """
bakery | a small bakery | the head baker
loaf: sourdough, rye loaf, spelt loaf, baguette, ciabatta, brioche, focaccia, pumpernickel, oat loaf, milk loaf, fig loaf, soda loaf; day <baked on *>: @weekdays; flour <made with * flour>: wheat, rye, spelt; price: 1.20-9.80 euros; pieces#: 4-60; baking time~: 18-75 minutes

library | a public library | the librarian
book: The Salt Road, Night Ferry, A Year of Frost, The Glass Orchard, Small Hours, Harbour Lights, The Ninth Bell, Paper Rivers, Slow Thunder, The Tin Crown, Winter Wheat, Copper Sky; genre <shelved under *>: crime, history, poetry, travel; branch <kept in the * branch>: north, south, central; pages#: 96-720; loans#: 2-58

marathon | a marathon club | the trainer
runner: @people; team <in the * team>: blue, red, green; city <from *>: @cities; distance: 4.5-32.0 km; running time: 25-190 minutes; age~: 18-71 years

repair shop | a bicycle repair shop | the mechanic
repair: flat tyre, worn chain, bent wheel, loose brake, broken spoke, dead lamp, stiff gear, torn saddle, bent fork, squeaky hub, rusty bell, loose pedal; status <marked as *>: open, done, waiting; mechanic <done by *>: @firstnames; cost: 6.50-145.00 euros; working time: 10-180 minutes

beekeeping | a beekeeping association | the chairwoman
hive: Clover, Linden, Heather, Acacia, Thyme, Willow, Maple, Chestnut, Bramble, Lavender, Rapeseed, Borage; site <at the * site>: orchard, meadow, rooftop; queen <with a * queen>: young, old; yield: 4.5-28.5 kg; frames#: 6-22; inspections#: 1-14

sailing | a sailing school | the harbour master
boat: Petrel, Albatross, Kittiwake, Gannet, Cormorant, Tern, Puffin, Osprey, Heron, Curlew, Skua, Avocet; hull <with a * hull>: steel, wooden, plastic; pier <moored at the * pier>: east, west; hull length~: 5.5-16.0 m; trips#: 2-30; hire fee: 45-260 euros

school kitchen | a school kitchen | the cook
dish: lentil stew, fish pie, pasta bake, bean chilli, rice salad, potato soup, vegetable curry, spinach lasagne, tomato soup, chicken broth, pea risotto, corn fritters; day <served on *>: @weekdays; kind <of the * kind>: vegan, vegetarian, meaty; portions#: 20-140; cost: 0.80-4.60 euros; calories#: 210-780

train station | a train station | the station manager
train: RE 12, RE 17, IC 204, IC 311, S 3, S 7, RB 45, RB 52, ICE 71, ICE 90, EC 8, NJ 40; platform <leaving from platform *>: 1, 2, 3, 4; direction <going *>: north, south, east; delay: 1-48 minutes; passengers#: 35-520; carriages#: 2-12

farm | a small farm | the farmer
field: Long Acre, Mill Field, Brook Meadow, Top Piece, Crow Hill, Church Field, Lower Ley, Stony Patch, Barn Close, Willow End, Hay Corner, Sheep Walk; crop <sown with *>: barley, wheat, oats, clover; soil <on * soil>: clay, sandy, loamy; area: 0.8-14.5 hectares; harvest: 1.5-62.0 tonnes

online shop | an online shop | the shop owner
order: A-104, A-118, A-127, A-133, B-202, B-215, B-226, B-240, C-301, C-319, C-322, C-347; payment <paid by *>: card, voucher, invoice; country <sent to *>: Norway, Spain, Austria, Ireland; amount: 8.90-240.00 euros; units#: 1-14

museum | a museum of local history | the curator
exhibit: bronze mirror, clay lamp, oak chest, silver comb, stone axe, glass bead, iron key, wool cloak, bone flute, copper coin, ivory die, leather boot; century <dated to the * century>: 12th, 14th, 17th, 19th; hall <shown in the * hall>: east, west, upper; height~: 2-180 cm; weight: 0.1-42.0 kg; visitors#: 40-900

lab | a chemistry lab | the lab assistant
sample: S-01, S-04, S-07, S-09, S-12, S-15, S-18, S-21, S-26, S-33, S-38, S-40; solvent <dissolved in *>: water, ethanol, acetone; rack <stored in the * rack>: top, middle, bottom; mass: 0.4-18.6 g; acidity~: 1.2-12.8; volume: 5-250 ml

vet | a veterinary practice | the vet
animal: Bruno, Minka, Rocky, Luna, Flocke, Tiger, Bella, Oskar, Pepper, Momo, Socks, Hazel; species <registered as a *>: dog, cat, rabbit, parrot; owner <owned by *>: @firstnames; weight: 0.3-41.0 kg; age~: 1-16 years; bill: 18.00-260.00 euros

hiking | a hiking club | the tour guide
trail: Ridge Walk, Eagle Path, Gorge Loop, Pine Circuit, Lake Round, Shepherd's Way, Old Pass, Moor Trail, Falls Path, Summit Route, Alder Walk, Quarry Track; difficulty <rated *>: easy, moderate, hard; region <in the * region>: lake, forest, mountain; distance: 3.5-28.0 km; ascent: 40-1650 m; walking time: 60-540 minutes

weather station | a weather station | the meteorologist
town: @cities; sky <reported as *>: clear, cloudy, foggy; coast <lying on the * coast>: north, south, west; temperature~: 1.5-34.5 °C; rainfall: 0.5-48.0 mm; wind speed~: 3-95 km per hour

theatre | a theatre | the stage manager
play: The Locksmith, Two Chairs, The Lighthouse, Winter Guests, A Quiet Town, The Auction, Paper Moon, The Understudy, Red Curtain, Last Train, The Orchard Wall, Three Letters; stage <shown on the * stage>: main, studio, open-air; author <written by *>: @firstnames; tickets#: 35-480; price: 9.00-58.00 euros; duration: 60-195 minutes

airport | a regional airport | the operations manager
flight: KX 110, KX 127, LV 204, LV 219, MO 301, MO 322, NT 415, NT 438, OR 502, OR 517, PB 606, PB 624; airline <operated by *>: Northair, Skyline, Meridian; gate <boarding at gate *>: 1, 2, 3, 4; passengers#: 38-240; delay: 1-95 minutes; distance: 190-2900 km

hotel | a small hotel | the receptionist
guest: @people; board <on * board>: half, full, breakfast; floor <on the * floor>: ground, first, second; bill: 58.00-940.00 euros; nights#: 1-14; tip: 2-60 euros

restaurant | a family restaurant | the waiter
meal: goulash, lasagne, mushroom risotto, trout fillet, pumpkin soup, veal stew, cheese dumplings, onion tart, ravioli, paella, moussaka, ratatouille; course name <served as a *>: starter, main, snack; chef <cooked by *>: @firstnames; price: 4.90-28.50 euros; servings#: 3-74; cooking time~: 8-95 minutes

flower shop | a flower shop | the florist
flower: tulip, rose, lily, peony, aster, dahlia, iris, daisy, carnation, sunflower, orchid, anemone; colour <of * colour>: red, white, pink; supplier <supplied by *>: Bloom, Petal, Verdant; price: 0.60-7.90 euros; stems#: 10-260; vase life~: 3-16 days

campsite | a campsite | the warden
pitch: Birch, Oak, Beach, Hilltop, Creek, Meadow, Pine, Rock, Dune, Hedge, Pond, Lantern; shelter <used by a *>: tent, caravan, camper; power <with * power>: solar, half, full; area: 24-140 square metres; nights#: 1-14; charge: 14.00-210.00 euros

furniture | a furniture workshop | the carpenter
product: oak table, bar stool, book case, bed frame, wardrobe, rocking chair, side board, bench, shoe rack, coat stand, desk, crib; wood <made of *>: oak, beech, walnut; stain <with a * stain>: clear, dark, honey; price: 45-1900 euros; working time: 3-70 hours; screws#: 8-140
"""

POOLS = {"people": PEOPLE, "cities": CITIES, "firstnames": FIRST_NAMES, "weekdays": WEEKDAYS}
_RANGE = re.compile(r"(-?[\d.]+)-([\d.]+)(?: (.+))?$")


@dataclass(frozen=True, slots=True)
class Domain:
    """A little world. `columns[0]` names the rows."""

    key: str
    place: str
    role: str
    columns: tuple[Column, ...]

    @property
    def noun(self) -> str:
        return pluralise(self.columns[0].name)


def _column(text: str, is_first: bool) -> Column:
    head, _, body = text.partition(":")
    name, _, phrase = head.strip().partition(" <")
    plain, body = name.rstrip("#~"), body.strip()
    numbers = _RANGE.match(body)
    if numbers:
        low, high, unit = numbers.groups()
        kind = "count" if "#" in name else "measure"
        places = len(low.partition(".")[2])
        return Column(plain, kind, unit or "", places, "~" not in name, low=Decimal(low), high=Decimal(high))
    pool = POOLS[body[1:]] if body.startswith("@") else tuple(body.split(", "))
    return Column(plain, "name" if is_first else "category", phrase=phrase.rstrip(">"), pool=pool)


@functools.cache
def domains() -> tuple[Domain, ...]:
    found = []
    for block in DOMAINS.strip().split("\n\n"):
        head, *lines = block.splitlines()
        columns = [part for line in lines for part in line.split("; ")]
        key, place, role = head.split(" | ")
        found.append(Domain(key, place, role, tuple(_column(part, not n) for n, part in enumerate(columns))))
    return tuple(found)


@functools.cache
def by_noun() -> dict[str, Domain]:
    return {domain.noun: domain for domain in domains()}


@functools.cache
def by_place() -> dict[str, Domain]:
    return {plain_articles(domain.place): domain for domain in domains()}


@functools.cache
def columns_by_name() -> dict[str, tuple[Column, ...]]:
    found: dict[str, tuple[Column, ...]] = {}
    for domain in domains():
        for column in domain.columns:
            found[column.name] = (*found.get(column.name, ()), column)
    return found


@functools.cache
def nouns() -> frozenset[str]:
    """All that the parts of a material can be called: rows, values of a column, results of earlier steps."""
    named = {pluralise(name) for name, (column, *_) in columns_by_name().items() if column.kind != "count"}
    return frozenset(named | set(by_noun()))
