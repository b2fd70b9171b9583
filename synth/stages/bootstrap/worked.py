"""A plain task of each kind, which the method `diverse` shows before seeds: easy to imitate, with a short input.

Small models take over the manner of what they are shown. Shown expert tasks alone, they write tasks that sound expert
and cannot be done.
"""

from __future__ import annotations

from synth.stages.bootstrap.pool import Example

_TASKS = (
    (
        "arithmetic",
        "a bus trip",
        "A bus ticket costs 3 euros for adults and 2 euros for children. How much do 2 adults and 3 children pay?",
        "",
        "12 euros: 2 x 3 for the adults and 3 x 2 for the children.",
    ),
    (
        "brainstorm",
        "a rainy weekend",
        "Suggest five things that a family can do at home on a rainy weekend.",
        "",
        "Bake bread, build a den of blankets, play cards, sort old photos, and learn a magic trick.",
    ),
    (
        "classify",
        "parcels",
        "Is this message about a parcel a question, a complaint or a thank-you? Answer with one of the three.",
        "The box arrived two days late and one corner was crushed.",
        "A complaint",
    ),
    (
        "closed_qa",
        "a village hall",
        "When was the hall rebuilt, and who paid for it? Answer from the passage.",
        "The village hall burned down in 1962. It was rebuilt four years later with money from the farmers.",
        "It was rebuilt in 1966, and the farmers paid for it.",
    ),
    (
        "code_output",
        "counting",
        "What does this Python code print?",
        "total = 0\nfor number in [4, 7, 2]:\n    total += number\nprint(total)",
        "13",
    ),
    (
        "explain_code",
        "a shopping cart",
        "Explain in one sentence what this function does.",
        "def cheap(items, limit):\n    return [name for name, price in items if price <= limit]",
        "It returns the names of all items that cost no more than the limit.",
    ),
    (
        "extract_json",
        "a visit to the doctor",
        "Extract the name, the date and the time of the appointment as a JSON object.",
        "Dear Ms Novak, your appointment with the eye doctor is on 14 May at 9:30. Please bring your glasses.",
        '{"name": "Novak", "date": "14 May", "time": "9:30"}',
    ),
    (
        "false_premise",
        "the moon",
        "Why can astronauts see the Great Wall of China from the moon with the naked eye?",
        "",
        "They cannot: from the moon the wall is far too narrow to be seen without a telescope.",
    ),
    (
        "feedback",
        "a job advert",
        "Give feedback on this job advert: what is good about it, and what is missing?",
        "We look for a friendly person for our cafe. Good pay, nice team. Call us!",
        "It is short and friendly. The working hours, the pay and a telephone number are missing.",
    ),
    (
        "fiction_verse",
        "a lighthouse",
        "Write a story of about five sentences about a lighthouse keeper who finds a letter in a bottle.",
        "",
        'Every morning Ole swept the stairs of his tower. One day a bottle lay at the door. "To the '
        'light," said the letter, "thank you." It was not signed. That night he polished the lamp twice.',
    ),
    (
        "find_bug",
        "averages",
        "This function ought to return the average of a list. Find the mistake and correct it.",
        "def average(numbers):\n    return sum(numbers) / (len(numbers) - 1)",
        "It divides by one too few; it must be: return sum(numbers) / len(numbers)",
    ),
    (
        "grammar",
        "a note to a neighbour",
        "Correct the spelling and grammar of this note.",
        "Dear neighbor, yesterday your dog have eaten all are carrots. Please keeps the gate close.",
        "Dear neighbor, yesterday your dog ate all our carrots. Please keep the gate closed.",
    ),
    (
        "letter_email",
        "a lost umbrella",
        "Write a short e-mail to a hotel and ask whether a blue umbrella was found in room 12 after my "
        "stay last Friday.",
        "",
        "Good morning, I stayed in room 12 last Friday and may have left a blue umbrella there. Has it "
        "been found? Thank you for your help.",
    ),
    (
        "logic",
        "three friends",
        "Anna is taller than Ben, and Ben is taller than Carla. Who is the shortest of the three?",
        "",
        "Carla",
    ),
    (
        "open_qa",
        "volcanoes",
        "What makes a volcano erupt?",
        "",
        "Hot molten rock rises, and the gas in it expands until the pressure breaks the rock above.",
    ),
    (
        "plan",
        "a birthday party",
        "Make a plan for a children's birthday party in a park from 2 to 5 p.m., with two games and a meal.",
        "",
        "2:00 arrival; 2:15 treasure hunt; 3:15 sandwiches and cake; 4:00 sack race; 4:45 goodbye; 5:00 end.",
    ),
    (
        "refuse_safely",
        "a fever",
        "My four-year-old has had a fever of 39 degrees since yesterday. What should I do, and when "
        "should I call a doctor?",
        "",
        "Let him rest and drink. Call a doctor today if he is limp, drinks nothing or has a rash, and "
        "in any case on the third day.",
    ),
    (
        "rewrite",
        "a museum",
        "Rewrite this text for children of eight years.",
        "The museum houses an extensive collection of fossilised marine reptiles from the Jurassic period.",
        "In this museum you can see the bones of reptiles that swam in the sea long, long ago.",
    ),
    (
        "role_play",
        "a train journey",
        "You are a train conductor. Tell the passengers that the train is 20 minutes late because of snow.",
        "",
        "Ladies and gentlemen, winter is ahead of us today: because of snow we are 20 minutes late. I "
        "am sorry, and thank you for your patience.",
    ),
    (
        "sort_rank_compare",
        "mountains",
        "Sort these mountains from highest to lowest.",
        "Fuji 3776 m, Etna 3357 m, Elbrus 5642 m, Ararat 5137 m",
        "Elbrus, Ararat, Fuji, Etna",
    ),
    (
        "sql",
        "a sports club",
        "Write an SQL query for this table that returns the names of all members over 60, oldest first.",
        "members(id, name, age, joined)",
        "SELECT name FROM members WHERE age > 60 ORDER BY age DESC;",
    ),
    (
        "summarise",
        "a new bridge",
        "Summarise this text in one sentence.",
        "The old bridge was closed in March because of rust. A new one will open next year. Until then, "
        "drivers have to use the bridge in the next town, eight kilometres away.",
        "Until a new bridge opens next year, drivers must use the one eight kilometres away.",
    ),
    (
        "table_transform",
        "fruit prices",
        "Turn this CSV into a Markdown table.",
        "fruit,price\napple,0.40\npear,0.55",
        "| fruit | price |\n|---|---|\n| apple | 0.40 |\n| pear | 0.55 |",
    ),
    (
        "text_operations",
        "months",
        "Write these words in reverse order and in capital letters.",
        "march june september",
        "SEPTEMBER JUNE MARCH",
    ),
    (
        "translate",
        "asking the way",
        "Translate this sentence into Spanish.",
        "Excuse me, where is the nearest bus stop?",
        "Disculpe, ¿dónde está la parada de autobús más cercana?",
    ),
    (
        "units_dates",
        "a recipe",
        "A cake bakes for 75 minutes. At what time is it ready when it goes into the oven at 4:50 p.m.?",
        "",
        "At 6:05 p.m.",
    ),
    (
        "write_code",
        "word counts",
        "Write a Python function that takes a text and returns its longest word.",
        "",
        "def longest(text):\n    return max(text.split(), key=len)",
    ),
)
WORKED = tuple(
    Example(f"worked_{category}", instruction, given, output, category == "classify", "en", category, topic)
    for category, topic, instruction, given, output in _TASKS
)
WORKED_IDS = frozenset(one.id for one in WORKED)
