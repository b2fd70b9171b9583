"""Domains of crafts, health, travel and public life. `words.domains` reads them and explains the notation."""

DOMAINS = """
bakery | a small bakery | the head baker
loaf: sourdough, rye loaf, spelt loaf, baguette, ciabatta, brioche, focaccia, pumpernickel, oat loaf, milk loaf, fig loaf, soda loaf
day <baked on *>: @weekdays; flour <made with * flour>: wheat, rye, spelt
price: 1.20-9.80 euros; pieces#: 4-60; baking time~: 18-75 minutes
revenue = price * pieces

library | a public library | the librarian
book: The Salt Road, Night Ferry, A Year of Frost, The Glass Orchard, Small Hours, Harbour Lights, The Ninth Bell, Paper Rivers, Slow Thunder, The Tin Crown, Winter Wheat, Copper Sky
genre <shelved under *>: crime, history, poetry, travel; branch <kept in the * branch>: north, south, central
pages#: 96-720; loans#: 2-58; bought: 2023

marathon | a marathon club | the trainer
runner: @people
team <in the * team>: blue, red, green; city <from *>: @cities
distance: 4.5-32.0 km; running time: 25-190 minutes; age~: 18-71 years

hospital ward | a hospital ward | the ward nurse
patient: @people
bay <in bay *>: 1, 2, 3, 4; diet <on a * diet>: normal, soft, vegan
temperature~: 36.0-40.2 °C; pulse rate~: 52-118; visits#: 1-9

repair shop | a bicycle repair shop | the mechanic
repair: flat tyre, worn chain, bent wheel, loose brake, broken spoke, dead lamp, stiff gear, torn saddle, bent fork, squeaky hub, rusty bell, loose pedal
status <marked as *>: open, done, waiting; mechanic <done by *>: @firstnames
cost: 6.50-145.00 euros; working time: 10-180 minutes; received: 2024

beekeeping | a beekeeping association | the chairwoman
hive: Clover, Linden, Heather, Acacia, Thyme, Willow, Maple, Chestnut, Bramble, Lavender, Rapeseed, Borage
site <at the * site>: orchard, meadow, rooftop; queen <with a * queen>: young, old
yield: 4.5-28.5 kg; frames#: 6-22; inspections#: 1-14

sailing | a sailing school | the harbour master
boat: Petrel, Albatross, Kittiwake, Gannet, Cormorant, Tern, Puffin, Osprey, Heron, Curlew, Skua, Avocet
hull <with a * hull>: steel, wooden, plastic; pier <moored at the * pier>: east, west
hull length~: 5.5-16.0 m; trips#: 2-30; hire fee: 45-260 euros

school kitchen | a school kitchen | the cook
dish: lentil stew, fish pie, pasta bake, bean chilli, rice salad, potato soup, vegetable curry, spinach lasagne, tomato soup, chicken broth, pea risotto, corn fritters
day <served on *>: @weekdays; kind <of the * kind>: vegan, vegetarian, meaty
portions#: 20-140; cost: 0.80-4.60 euros; calories#: 210-780
total cost = cost * portions

train station | a train station | the station manager
train: RE 12, RE 17, IC 204, IC 311, S 3, S 7, RB 45, RB 52, ICE 71, ICE 90, EC 8, NJ 40
platform <leaving from platform *>: 1, 2, 3, 4; direction <going *>: north, south, east
delay: 1-48 minutes; passengers#: 35-520; carriages#: 2-12

farm | a small farm | the farmer
field: Long Acre, Mill Field, Brook Meadow, Top Piece, Crow Hill, Church Field, Lower Ley, Stony Patch, Barn Close, Willow End, Hay Corner, Sheep Walk
crop <sown with *>: barley, wheat, oats, clover; soil <on * soil>: clay, sandy, loamy
area: 0.8-14.5 hectares; harvest: 1.5-62.0 tonnes; ploughed: 2024

online shop | an online shop | the shop owner
order: A-104, A-118, A-127, A-133, B-202, B-215, B-226, B-240, C-301, C-319, C-322, C-347
payment <paid by *>: card, voucher, invoice; country <sent to *>: Norway, Spain, Austria, Ireland
amount: 8.90-240.00 euros; units#: 1-14; ordered: 2024

museum | a museum of local history | the curator
exhibit: bronze mirror, clay lamp, oak chest, silver comb, stone axe, glass bead, iron key, wool cloak, bone flute, copper coin, ivory die, leather boot
century <dated to the * century>: 12th, 14th, 17th, 19th; hall <shown in the * hall>: east, west, upper
height~: 2-180 cm; weight: 0.1-42.0 kg; visitors#: 40-900

renovation | a home renovation firm | the site manager
room: kitchen, bathroom, hallway, bedroom, study, cellar, attic, living room, nursery, pantry, laundry, porch
floor <on the * floor>: ground, first, second; finish <with a * finish>: matt, glossy, raw
area: 4.5-38.0 square metres; cost: 120-2900 euros; sockets#: 2-18

observatory | an observatory | the astronomer
star: Vega, Altair, Deneb, Rigel, Spica, Antares, Capella, Regulus, Castor, Mimosa, Sirius, Procyon
colour <shining *>: blue, white, yellow, orange; season <best seen in *>: winter, spring, summer, autumn
distance: 9-860 light years; surface temperature~: 3400-22000 kelvin; observations#: 2-64

tax office | a tax office | the clerk
receipt: R-11, R-14, R-19, R-23, R-28, R-31, R-37, R-42, R-46, R-55, R-58, R-63
purpose <booked as *>: travel, office, training, postage; method <settled in *>: cash, instalments
amount: 4.20-380.00 euros; tax rate~: 7-19 %; issued: 2023

choir | a choir | the conductor
song: Evening Bells, The Miller's Song, Blue Hills, Cradle Song, Harvest Home, Lantern Song, First Snow, The Ferryman, River Hymn, Spring Round, Old Mill, Farewell
voice <led by the *>: sopranos, altos, tenors, basses; language <sung in *>: Latin, English, German, Finnish
duration: 90-420 seconds; rehearsals#: 1-16; singers#: 8-64

chess club | a chess club | the tournament director
player: @people
group <in group *>: A, B, C; opening <fond of the * opening>: Sicilian, French, English
rating~: 1050-2380; wins#: 1-19; games#: 6-30

lab | a chemistry lab | the lab assistant
sample: S-01, S-04, S-07, S-09, S-12, S-15, S-18, S-21, S-26, S-33, S-38, S-40
solvent <dissolved in *>: water, ethanol, acetone; rack <stored in the * rack>: top, middle, bottom
mass: 0.4-18.6 g; acidity~: 1.2-12.8; volume: 5-250 ml

traffic office | the city's traffic office | the planner
junction: Bridge Street, Mill Lane, Castle Square, Station Road, High Street, Park Avenue, Market Place, Ring Road, Dock Road, Abbey Lane, King Street, Canal Walk
district <in the * district>: north, harbour, old town; control <with * lights>: fixed, adaptive
cars#: 120-2400; accidents#: 1-21; waiting time: 12-140 seconds

vet | a veterinary practice | the vet
animal: Bruno, Minka, Rocky, Luna, Flocke, Tiger, Bella, Oskar, Pepper, Momo, Socks, Hazel
species <registered as a *>: dog, cat, rabbit, parrot; owner <owned by *>: @firstnames
weight: 0.3-41.0 kg; age~: 1-16 years; bill: 18.00-260.00 euros

insurance | an insurance company | the claims manager
claim: K-1001, K-1007, K-1013, K-1020, K-1026, K-1034, K-1041, K-1050, K-1058, K-1063, K-1072, K-1080
cause <caused by *>: hail, fire, theft, water; status <marked as *>: open, paid, rejected
loss: 150-9800 euros; photos#: 1-24; reported: 2024

call centre | a call centre | the team leader
agent: @people
shift <on the * shift>: early, late, night; training <trained for *>: phones, banking, travel
calls#: 14-120; talking time: 60-410 minutes; complaints#: 1-13

hiking | a hiking club | the tour guide
trail: Ridge Walk, Eagle Path, Gorge Loop, Pine Circuit, Lake Round, Shepherd's Way, Old Pass, Moor Trail, Falls Path, Summit Route, Alder Walk, Quarry Track
difficulty <rated *>: easy, moderate, hard; region <in the * region>: lake, forest, mountain
distance: 3.5-28.0 km; ascent: 40-1650 m; walking time: 60-540 minutes

weather station | a weather station | the meteorologist
town: @cities
sky <reported as *>: clear, cloudy, foggy; coast <lying on the * coast>: north, south, west
temperature~: 1.5-34.5 °C; rainfall: 0.5-48.0 mm; wind speed~: 3-95 km per hour

theatre | a theatre | the stage manager
play: The Locksmith, Two Chairs, The Lighthouse, Winter Guests, A Quiet Town, The Auction, Paper Moon, The Understudy, Red Curtain, Last Train, The Orchard Wall, Three Letters
stage <shown on the * stage>: main, studio, open-air; author <written by *>: @firstnames
tickets#: 35-480; price: 9.00-58.00 euros; duration: 60-195 minutes
income = price * tickets

law office | a law office | the lawyer
case: Adler, Brandt, Castell, Duval, Ekman, Forster, Grant, Holm, Iversen, Jansen, Keller, Lund
subject <about * law>: labour, family, tenancy, tax; lawyer <handled by *>: @firstnames
fee: 180-4600 euros; hearings#: 1-14; opened: 2023

logistics | a logistics company | the dispatcher
parcel: P-310, P-322, P-335, P-341, P-356, P-368, P-374, P-389, P-391, P-402, P-417, P-425
depot <leaving from the * depot>: eastern, western, airport; service <sent by * mail>: standard, express
weight: 0.2-31.5 kg; postage: 3.90-48.00 euros; distance: 12-960 km

vineyard | a vineyard | the cellar master
wine: Riesling, Silvaner, Merlot, Pinot Noir, Chardonnay, Muscat, Dornfelder, Bacchus, Malbec, Syrah, Kerner, Tempranillo
colour <of * colour>: red, white, pink; slope <grown on the * slope>: southern, eastern, western
price: 4.80-36.00 euros; bottles#: 60-1400; sugar content~: 0.8-14.0 g
stock value = price * bottles

football | a football league | the referee
club: Rovers, Wanderers, United, Athletic, Rangers, Harriers, Albion, Dynamo, Olympic, Fortuna, Viktoria, Corinthians
division <in the * division>: first, second; home town <based in *>: @cities
goals#: 9-71; points#: 8-68; yellow cards#: 3-44

pharmacy | a pharmacy | the pharmacist
medicine: cough syrup, eye drops, zinc tablets, nose spray, heat cream, sleep tea, iron capsules, throat lozenges, burn gel, travel pills, ear drops, vitamin powder
form <sold as a *>: liquid, solid, cream; shelf <kept on shelf *>: 1, 2, 3, 4
price: 2.40-28.90 euros; packs#: 2-85; delivered: 2026
stock value = price * packs
"""
