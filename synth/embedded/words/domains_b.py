"""Domains of learning, media, clubs and the home. `words.domains` reads them and explains the notation."""

DOMAINS = """
open-source software | an open-source software project | the maintainer
patch: tidy-logs, faster-start, dark-theme, csv-export, fix-crash, new-icons, retry-login, smaller-cache, safer-parser, better-help, drop-legacy, unicode-names
state <currently *>: merged, waiting, rejected; contributor <sent in by *>: @firstnames
changed lines#: 4-920; comments#: 1-37; opened: 2024

language school | a language learning app | the course designer
lesson: Greetings, At the Market, My Family, Numbers, The Weather, Asking the Way, Past Tense, At the Doctor, Colours, In a Hotel, Hobbies, Small Talk
level <for * learners>: new, advanced, fluent; tongue <teaching *>: Dutch, Italian, Polish, Turkish
exercises#: 6-48; new words#: 10-95; duration: 10-75 minutes

print shop | a print shop | the printer
job: wedding cards, city guide, menu, business cards, flyers, programme, labels, poster set, calendar, exam sheets, song sheets, price list
paper <on * paper>: matt, glossy, recycled; client <ordered by *>: @firstnames
copies#: 50-1900; unit price: 0.10-4.90 euros; sheets#: 10-980
job price = unit price * copies

genealogy | a genealogy society | the archivist
ancestor: Johann Weiss, Maria Lang, Otto Brenner, Klara Busch, Anton Hofer, Elsa Moor, Karl Stein, Ida Falk, Emil Krause, Rosa Thal, Georg Linde, Berta Voss
birthplace <born in *>: @cities; trade <working as a *>: miller, tailor, smith, weaver
age~: 31-94 years; children#: 1-12; documents#: 1-19

fish market | a fish market | the fishmonger
fish: cod, herring, plaice, mackerel, trout, salmon, haddock, pike, carp, sea bass, halibut, turbot
water <caught in * water>: salt, fresh; stall <sold at stall *>: 1, 2, 3
price: 4.20-38.50 euros; stock: 1.5-46.0 kg; fillets#: 5-120

data privacy | a data privacy office | the privacy officer
request: Q-201, Q-206, Q-213, Q-217, Q-224, Q-230, Q-238, Q-241, Q-255, Q-259, Q-262, Q-270
topic <about *>: access, deletion, correction; channel <received by *>: letter, e-mail, phone
processing time: 1-29 days; records#: 3-640; filed: 2024

garden | a community garden | the gardener
plant: tomato, courgette, runner bean, beetroot, kohlrabi, pumpkin, radish, spinach, leek, parsnip, rhubarb, fennel
bed <growing in bed *>: 1, 2, 3, 4; light <needing * light>: full, partial, little
height~: 12-210 cm; seedlings#: 4-60; harvest: 0.5-18.5 kg

fire brigade | a fire brigade | the fire chief
call-out: Mill Lane, Oak Farm, Town Hall, Harbour Shed, School Roof, Pine Wood, Old Barn, Ring Road, Chapel Hill, Paper Factory, Camp Site, Bus Depot
reason <because of *>: smoke, flooding, storm; crew <attended by the * crew>: day, night
duration: 15-320 minutes; firefighters#: 4-38; arrival time~: 3-19 minutes

film festival | a film festival | the programme director
film: Grey Harbour, The Long Lunch, Echo Valley, Sunday Shoes, The Clockmaker, Salt and Snow, Tin Birds, Last Orchard, Blue Corridor, The Quiet Hour, Paper Lions, North Wind
section <shown in the * section>: main, debut, short; origin <made in *>: Norway, Chile, Japan, Ghana
running time: 14-168 minutes; votes#: 20-940; screenings#: 1-7

seminar | a university seminar | the lecturer
student: @people
subject area <studying *>: history, physics, law, biology; term <in the * term>: second, fourth, sixth
credits#: 6-150; score~: 41-99 %; absences#: 1-8

household energy | a household energy adviser's office | the energy adviser
appliance: fridge, oven, dishwasher, heat pump, washing machine, tumble dryer, freezer, television, kettle, water boiler, iron, vacuum cleaner
energy class <of energy class *>: A, B, C, D; owner <used by *>: @firstnames
consumption: 0.4-42.0 kWh; running cost: 0.30-16.80 euros; age~: 1-17 years

personal finance | a debt advice centre | the adviser
expense: rent, groceries, electricity, phone, insurance, bus pass, gym, clothes, gifts, books, repairs, pet food
priority <of * priority>: high, medium, low; account <paid from the * account>: joint, savings, current
amount: 6.50-890.00 euros; budget: 20-950 euros; payments#: 1-12

pottery | a pottery workshop | the potter
vessel: teapot, soup bowl, flower vase, jug, sugar pot, milk can, wine cup, salad bowl, mug, butter dish, egg cup, salt cellar
glaze <with a * glaze>: blue, green, clear, ochre; kiln <fired in the * kiln>: gas, electric
price: 6.50-84.00 euros; weight: 0.2-4.8 kg; firing time~: 6-22 hours

airport | a regional airport | the operations manager
flight: KX 110, KX 127, LV 204, LV 219, MO 301, MO 322, NT 415, NT 438, OR 502, OR 517, PB 606, PB 624
airline <operated by *>: Northair, Skyline, Meridian; gate <boarding at gate *>: 1, 2, 3, 4
passengers#: 38-240; delay: 1-95 minutes; distance: 190-2900 km

newspaper | a local newspaper | the editor
article: New Bridge, School Fair, Lost Cat, River Floods, Town Budget, Bakery Opens, Night Bus, Old Oak Saved, Chess Final, Market Day, Road Works, Choir Tour
page group <printed in the * part>: local, sports, culture; reporter <reported by *>: @firstnames
words#: 120-1400; readers#: 90-2600; printed: 2024

board games | a board game café | the owner
game: Harbour Kings, Frost Trail, Tiny Towns, Market Day, Lost Islands, Spice Road, Night Train, Owl and Mouse, Stone Bridge, Deep Reef, Cloud Castle, Red Caravan
kind <of the * kind>: strategy, party, family; shelf <kept on shelf *>: 1, 2, 3, 4
playing time~: 15-180 minutes; price: 12.00-68.00 euros; rounds#: 3-90

cycling | a cycling club | the ride leader
route: Coast Road, Hill Climb, Valley Run, Forest Loop, River Stage, Old Town Dash, Lake Circuit, Windmill Route, Border Ride, Sand Track, Castle Tour, Final Sprint
surface <on *>: asphalt, gravel, cobbles; wind <with a * wind>: head, tail, side
distance: 14.5-168.0 km; ascent: 60-2400 m; punctures#: 1-11

nursing home | a nursing home | the head nurse
resident: @people
wing <living in the * wing>: garden, street, upper; hobby <fond of *>: cards, music, painting
age~: 67-101 years; visits#: 1-24; care time: 20-190 minutes

machine shop | a machine maintenance workshop | the technician
machine: lathe, drill press, conveyor, packing robot, compressor, boiler, forklift, saw, milling machine, pump, mixer, crane
hall <standing in the * hall>: east, west, upper; condition <in * condition>: good, fair, poor
downtime: 5-340 minutes; operating time: 120-4800 hours; faults#: 1-17

recycling yard | a recycling yard | the yard manager
load: paper, glass, scrap iron, green waste, old wood, rubble, plastic film, batteries, textiles, tyres, copper wire, cartons
container <kept in container *>: 1, 2, 3, 4; carrier <brought by *>: Rapid, Greenline, Haulers
weight: 0.4-26.5 tonnes; disposal fee: 14-620 euros; trucks#: 1-19

archaeology | an archaeological dig | the dig leader
find: clay jar, iron nail, bone needle, roof tile, glass ring, bronze pin, loom weight, coin, arrowhead, bead, lamp, buckle
trench <found in trench *>: A, B, C, D; age group <from the * age>: stone, bronze, iron
depth~: 12-240 cm; weight: 2-860 g; fragments#: 1-34

photography | a photography club | the exhibition organiser
photo: Morning Fog, Old Hands, Night Tram, Red Door, Empty Pool, Snow Fence, Market Women, Harbour Crane, First Day, Stairwell, Sunflowers, The Jump
style <taken in *>: colour, black and white; photographer <taken by *>: @firstnames
print price: 15.00-180.00 euros; votes#: 2-96; width~: 20-120 cm

ski school | a ski school | the head instructor
skier: @people
course <in the * course>: beginner, sport, race; village <staying in *>: Alpdorf, Steinach, Obertal
training time: 2-26 hours; falls#: 1-30; age~: 6-64 years

election office | an election office | the returning officer
ward: North End, Riverside, Old Town, Castle Hill, Mill Quarter, Station Ward, Harbour, Westfield, Oakwood, Southgate, Lakeside, Parkview
winner <won by the *>: Greens, Centre, Alliance; hall type <voting in a *>: school, church, gym
votes#: 310-4200; turnout~: 38-87 %; helpers#: 4-22

podcast | a podcast studio | the producer
episode: The Missing Map, Deep Water, On Bread, Quiet Engines, Two Sisters, The Last Tram, Night Shift, Letters Home, Wild Honey, Small Gods, The Bell Tower, Cold Cases
host <hosted by *>: @firstnames; series <part of the * series>: history, science, crime
length: 12-96 minutes; downloads#: 90-2900; released: 2024

radio station | a radio station | the presenter
programme: Morning Mix, Jazz Hour, Farm Report, Sports Talk, Night Waves, Book Corner, World News, Old Records, Kids' Hour, City Traffic, Garden Tips, Late Talk
slot <aired in the *>: morning, afternoon, evening; presenter <presented by *>: @firstnames
length: 10-150 minutes; listeners#: 120-2800; callers#: 2-64

dance school | a dance school | the dance teacher
dance: Tango, Waltz, Salsa, Swing, Ballet, Tap, Foxtrot, Rumba, Samba, Polka, Breakdance, Quickstep
level <for * learners>: new, advanced, fluent; studio <taught in the * studio>: small, large, mirror
fee: 24-190 euros; dancers#: 6-34; lesson time: 45-120 minutes

kindergarten | a kindergarten | the kindergarten teacher
child: @firstchildren
play group <in the * group>: fox, owl, hedgehog; pick-up <picked up by a *>: parent, grandparent, neighbour
height~: 88-126 cm; sick days#: 1-17; drawings#: 2-45

knitting club | a knitting club | the club secretary
pattern: bobble hat, cable scarf, baby jacket, striped socks, mittens, lace shawl, cushion, poncho, cowl, pullover, blanket, leg warmers
yarn <knitted in *>: wool, cotton, alpaca; size <in size *>: small, medium, large
yarn weight: 50-900 g; stitches#: 40-320; working time: 3-70 hours

quiz league | a quiz league | the quizmaster
squad: Brain Waves, Night Owls, The Guessers, Know-Alls, Quick Foxes, Old Scholars, Lucky Sevens, Bookworms, The Maybes, Pub Sages, Trivia Kings, Slow Burners
division <in the * division>: first, second; pub <playing at the *>: Anchor, Plough, Swan
points#: 8-68; jokers#: 1-9; answering time: 4-38 minutes
"""
