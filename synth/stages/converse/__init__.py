"""Converse: a record becomes a conversation. The teacher plays the user, then answers with the whole talk before it."""

from __future__ import annotations

from synth.stages.converse.stage import CONVERSE, ConverseSettings, Conversing, converse

__all__ = ["CONVERSE", "ConverseSettings", "Conversing", "converse"]
