"""Does a server keep to a JSON schema? One cheap question tells: the schema forbids what the message asks for."""

from __future__ import annotations

import json

from synth.models.base import ChatRequest, Completion, Sampling

_COLOUR = {"type": "string", "enum": ["blue"]}
PROBE = ChatRequest(
    ({"role": "user", "content": 'Write {"colour": "red"} and nothing else.'},),
    Sampling(temperature=0.0, max_tokens=32),
    {"type": "object", "properties": {"colour": _COLOUR}, "required": ["colour"], "additionalProperties": False},
)
"""A server that ignores the schema answers red; one that refuses it answers with an error."""


def obeys(answer: Completion) -> bool:
    """Did the answer to PROBE keep to the schema?"""
    try:
        return bool(json.loads(answer.text) == {"colour": "blue"})
    except ValueError:
        return False
