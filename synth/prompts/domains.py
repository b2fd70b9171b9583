"""Domains of life that prompts draw from, so that tasks are not all about the same few things."""

from __future__ import annotations

DOMAINS = (
    "bakery", "public library", "marathon club", "hospital ward", "repair shop", "beekeeping", "sailing", "astronomy",
    "school kitchen", "train station", "small farm", "online shop", "museum", "home renovation", "tax forms", "choir",
    "chess club", "chemistry lab", "city traffic", "veterinary practice", "insurance", "call centre", "hiking",
    "open-source software", "weather station", "theatre", "law office", "logistics", "vineyard", "football league",
    "language learning", "pharmacy", "print shop", "genealogy", "fish market", "data privacy", "gardening",
    "fire brigade", "film festival", "university seminar", "energy at home", "personal finance", "pottery", "airport",
    "newspaper", "board games", "cycling", "nursing home", "machine maintenance", "recycling yard", "archaeology",
    "photography", "ski school", "elections", "podcasts", "radio", "dance", "kindergarten", "knitting", "quiz night",
    "hotel", "restaurant", "gym", "car rental", "brewery", "orchard", "flower shop", "toys", "swimming pool", "camping",
    "cheese dairy", "coffee roastery", "bookshop", "tea", "aquarium", "bus company", "dentist", "food bank",
    "wind farm", "forestry", "riding stable", "bank branch", "charity shop", "zoo", "blood donation", "escape room",
    "furniture", "tailor", "ferry", "seed bank", "street market", "space flight", "opera", "bird watching", "housing",
    "wedding planning", "computer games", "neighbourhood council", "plumbing", "first aid", "job hunting", "geology",
    "science fiction", "school exams", "city history", "model railways", "travel abroad", "network security",
)  # fmt: skip
