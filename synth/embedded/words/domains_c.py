"""Domains of trade, food, leisure, nature and services. `words.domains` reads them and explains the notation."""

DOMAINS = """
hotel | a small hotel | the receptionist
guest: @people
board <on * board>: half, full, breakfast; floor <on the * floor>: ground, first, second
bill: 58.00-940.00 euros; nights#: 1-14; tip: 2-60 euros

restaurant | a family restaurant | the waiter
meal: goulash, lasagne, mushroom risotto, trout fillet, pumpkin soup, veal stew, cheese dumplings, onion tart, ravioli, paella, moussaka, ratatouille
course name <served as a *>: starter, main, snack; chef <cooked by *>: @firstnames
price: 4.90-28.50 euros; servings#: 3-74; cooking time~: 8-95 minutes
income = price * servings

gym | a gym | the fitness coach
member: @people
plan <on the * plan>: basic, flexible, family; coach <coached by *>: @firstnames
training time: 2-32 hours; fee: 18.00-95.00 euros; visits#: 1-24

car rental | a car rental office | the rental agent
car: Lynx, Corvo, Mistral, Panda, Breeze, Nomad, Falcon, Pico, Vento, Orbit, Stella, Tundra
fuel <running on *>: petrol, diesel, electricity; gearbox <with a * gearbox>: manual, automatic
mileage: 180-2900 km; rental price: 29-140 euros; scratches#: 1-9

brewery | a craft brewery | the brewer
beer: Red Fox, Pale Moon, Black Harbour, Golden Hop, Wheat Field, Smoked Oak, Winter Star, Amber Road, Cherry Mill, Session Light, Old Porter, Summer Haze
style name <brewed as a *>: lager, stout, pale ale; cask <stored in * casks>: oak, steel
price: 1.90-6.80 euros; kegs#: 4-90; strength~: 2.8-9.5 %
stock value = price * kegs

orchard | a fruit orchard | the orchard keeper
tree: Gala, Elstar, Jonagold, Boskoop, Topaz, Braeburn, Pinova, Rubin, Cox, Idared, Santana, Fuji
row <standing in row *>: 1, 2, 3, 4; ripeness <ripe in *>: August, September, October
yield: 6.5-64.0 kg; height~: 180-460 cm; crates#: 1-18

flower shop | a flower shop | the florist
flower: tulip, rose, lily, peony, aster, dahlia, iris, daisy, carnation, sunflower, orchid, anemone
colour <of * colour>: red, white, pink; supplier <supplied by *>: Bloom, Petal, Verdant
price: 0.60-7.90 euros; stems#: 10-260; vase life~: 3-16 days
stock value = price * stems

toy shop | a toy shop | the shopkeeper
toy: wooden train, puzzle, doll, kite, marble run, teddy bear, spinning top, toy piano, rocking horse, yo-yo, building set, puppet
age range <meant for *>: toddlers, schoolchildren, teenagers; maker <made by *>: Lumo, Tik, Holz
price: 3.90-89.00 euros; sold units#: 2-140; weight: 0.1-6.5 kg
revenue = price * sold units

swimming pool | a public swimming pool | the lifeguard
swimmer: @people
lane <in lane *>: 1, 2, 3, 4; stroke <swimming *>: crawl, breaststroke, backstroke
distance: 200-2900 m; lap time: 32-95 seconds; age~: 9-78 years

campsite | a campsite | the warden
pitch: Birch, Oak, Beach, Hilltop, Creek, Meadow, Pine, Rock, Dune, Hedge, Pond, Lantern
shelter <used by a *>: tent, caravan, camper; power <with * power>: no, half, full
area: 24-140 square metres; nights#: 1-14; charge: 14.00-210.00 euros

cheese dairy | a cheese dairy | the cheesemaker
cheese: Bergkäse, Gouda, Tomme, Blue Moon, Raclette, Feta, Brie, Pecorino, Tilsiter, Halloumi, Cheddar, Manchego
milk <made from * milk>: cow, goat, sheep; rind <with a * rind>: soft, hard, washed
price: 9.50-39.00 euros; weight: 0.2-12.5 kg; ripening time~: 2-52 weeks

coffee roastery | a coffee roastery | the roaster
blend: Morning Sun, Night Watch, Old Town, Blue Cup, Sunday, Fireside, First Light, Harbour, Siesta, Velvet, Strong Arm, Garden
roast <with a * roast>: light, medium, dark; bean origin <grown in *>: Kenya, Peru, Sumatra
price: 6.80-24.00 euros; bags#: 5-180; roasting time~: 9-21 minutes
stock value = price * bags

bookshop | a second-hand bookshop | the bookseller
title: Moby's Cousin, The Ash Tree, Notes on Salt, Seven Doors, A Short Rope, The Mill Wheel, Grey Geese, On Foot, The Glass Town, Dust, Late Apples, Little Wars
cover <bound in *>: leather, cloth, card; condition <in * condition>: good, fair, poor
price: 1.50-48.00 euros; pages#: 96-720; age~: 2-120 years

tea house | a tea house | the tea master
tea: Assam, Sencha, Rooibos, Earl Grey, Oolong, Darjeeling, Matcha, Jasmine, Lapsang, Peppermint, Chamomile, Ceylon
leaf <with * leaves>: black, green, herbal; tin <kept in a * tin>: round, square
price: 2.60-18.40 euros; stock: 0.5-12.5 kg; cups#: 6-190

aquarium | an aquarium | the keeper
tank: Coral Bay, Deep Blue, Mangrove, Kelp Forest, Rock Pool, Amazon, Night Sea, Lagoon, River Bend, Ice Shelf, Reef Wall, Tide Line
climate <kept at * temperature>: cold, mild, warm; zone <built in the * zone>: entrance, dark, outdoor
volume: 220-2800 litres; counted fish#: 4-160; feeding cost: 3-96 euros

bus company | a bus company | the scheduler
line: Line 2, Line 5, Line 8, Line 11, Line 14, Line 17, Line 20, Line 23, Line 26, Line 31, Line 38, Line 44
district <in the * district>: north, harbour, old town; vehicle <served by * buses>: electric, diesel
passengers#: 35-520; stops#: 6-42; route length: 3.5-38.0 km

dentist | a dental practice | the dentist
dental patient: @people
treatment <treated for *>: caries, plaque, toothache; cover type <insured by a * plan>: public, private
fee: 24-680 euros; appointment time: 10-110 minutes; fillings#: 1-7

food bank | a food bank | the volunteer
donor: Corner Shop, Miller's, Green Cart, Town Bakery, Old Mill, Fresh & Co, The Larder, Harvest Hall, Sunny Farm, St Anne's, Rotary, Book Circle
gift type <giving mainly *>: bread, fruit, tins; pick-up day <visited on *>: @weekdays
weight: 4.5-180.0 kg; boxes#: 1-46; drive: 4-55 minutes

wind farm | a wind farm | the site engineer
turbine: Alder, Beech, Cedar, Elder, Fir, Hazel, Juniper, Larch, Rowan, Spruce, Walnut, Yew
ridge <on the * ridge>: north, middle, south; model <built as a *>: tower, twin, compact
output: 90-2900 kWh; hub height~: 60-160 m; stoppages#: 1-13

forest office | a forest office | the forester
stand: Deer Gorge, Fox Hollow, High Firs, Brookside, Old Beeches, Stone Ridge, Eagle Top, Wolf Valley, Badger Bank, Three Oaks, Moss Hill, Raven Wood
track <reached by a * track>: gravel, forest, steep; main tree <grown with *>: spruce, beech, oak
area: 0.8-46.5 hectares; felled trees#: 3-240; age~: 18-160 years

riding stable | a riding stable | the riding teacher
horse: Comet, Daisy, Thunder, Blaze, Juno, Pilot, Star, Willow, Ginger, Nero, Flicka, Duchess
coat <with a * coat>: brown, grey, black; rider <ridden by *>: @firstnames
height~: 118-178 cm; feed: 3.5-13.5 kg; riding lessons#: 1-22

bank branch | a bank branch | the bank clerk
customer: @people
account type <holding a * account>: current, savings, business; adviser <advised by *>: @firstnames
deposit: 150-9800 euros; transfers#: 2-64; interest rate~: 0.5-4.5 %

second-hand shop | a charity shop | the shop assistant
bargain: wool coat, desk lamp, tea set, record player, rain boots, picture frame, school bag, alarm clock, cookbook, silk tie, jigsaw, hand mixer
shelf <kept on shelf *>: 1, 2, 3, 4; giver <donated by *>: @firstnames
price: 0.50-38.00 euros; pieces#: 1-24; arrived: 2024
value = price * pieces

zoo | a zoo | the zookeeper
resident animal: Kito, Asha, Boris, Nala, Pavo, Simba, Tuk, Zuri, Igor, Mala, Rafiki, Lotte
house <living in the * house>: bird, reptile, monkey; feeding <fed in the *>: morning, evening
weight: 0.4-420.0 kg; age~: 1-38 years; fans#: 12-900

blood bank | a blood donation centre | the donation nurse
donation: D-01, D-06, D-11, D-17, D-22, D-26, D-31, D-37, D-42, D-48, D-53, D-59
blood group <of blood group *>: A, B, AB, O; room name <taken in the * room>: blue, green
volume: 420-560 ml; waiting time: 3-48 minutes; collected: 2024

escape room | an escape room | the game master
player team: The Keys, Lockpickers, Team Sherlock, Night Minds, Clue Crew, The Escapists, Puzzle Pals, Sharp Eyes, Code Breakers, Door Openers, Time Savers, Quick Thinkers
theme <playing the * story>: pirate, prison, museum; mode <in * mode>: easy, normal, expert
escape time: 28-88 minutes; hints#: 1-12; mistakes#: 1-30

furniture | a furniture workshop | the carpenter
product: oak table, bar stool, book case, bed frame, wardrobe, rocking chair, side board, bench, shoe rack, coat stand, desk, crib
wood <made of *>: oak, beech, walnut; stain <with a * stain>: clear, dark, honey
price: 45-1900 euros; working time: 3-70 hours; screws#: 8-140

tailor | a tailor's shop | the tailor
garment: linen shirt, wool suit, evening dress, waistcoat, pleated skirt, raincoat, silk blouse, winter coat, trousers, cape, wedding gown, blazer
fabric <cut from *>: linen, wool, silk; customer name <tailored for *>: @firstnames
fabric length: 0.8-6.5 m; price: 28-640 euros; buttons#: 2-24

ferry line | a ferry line | the captain
crossing: Dawn, Breakfast, Midday, Lunch, Siesta, Tea Time, Sunset, Dinner, Night, Freight, Island Hop, Express
harbour <bound for *>: Nordby, Sunde, Klint; sea <in a * sea>: calm, rough, choppy
crossing time: 25-190 minutes; vehicles#: 4-160; fare: 4.50-58.00 euros

seed bank | a seed bank | the botanist
seed: poppy, cornflower, foxglove, marigold, sage, thyme, borage, lupin, larkspur, nigella, cosmos, zinnia
drawer <stored in drawer *>: 1, 2, 3, 4; bloom <blooming in *>: spring, summer, autumn
seed weight: 0.5-48.0 g; germination rate~: 41-98 %; packets#: 3-120

street market | a weekly street market | the market supervisor
vendor: @people
ware <selling *>: vegetables, honey, cheese, flowers; corner <placed at the * corner>: north, church, fountain
stall fee: 8.00-64.00 euros; stall length: 1.5-9.0 m; customers#: 14-420
"""
