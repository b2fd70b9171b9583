"""OpenAssistant's message trees (Köpf et al., arXiv 2304.07327): read and checked, then threads, or pairs by rank.

A file holds one tree a line (`prompt` with nested `replies`) or one message a line (`message_id`, `parent_id`), as the
project published both. Messages that were deleted or failed their review are left out with all below them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from synth.metrics import is_number
from synth.records import WORSE, Message, OtherAnswer, Record, split_messages
from synth.sources.chat import message
from synth.sources.rows import Fields, Row
from synth.sources.talks import Talk

KEYS = ("message_tree_id", "prompt")
FLAT_KEYS = ("message_id", "parent_id", "text")
_ROLES = {"prompter": "user", "assistant": "assistant"}


@dataclass(slots=True)
class Node:
    """One message of a tree. `rank`: 0 is the best of its siblings; None where people ranked none."""

    id: str
    parent: str | None
    role: str
    text: str
    rank: int | None
    row: dict[str, Any]
    replies: list[Node] = field(default_factory=list)

    @property
    def is_left_out(self) -> bool:
        """Deleted by its author or refused in review."""
        return self.row.get("deleted") is True or self.row.get("review_result") is False


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole tree; its replies stand from the best rank to the worst, unranked ones last, in the file's order."""

    where: str
    root: Node

    def nodes(self) -> Iterator[Node]:
        """All messages, each before its replies."""
        left = [self.root]
        while left:
            node = left.pop()
            yield node
            left += reversed(node.replies)


class BadTree(Exception):
    """A tree that cannot be used, and why."""


@dataclass(slots=True)
class Trees:
    """The trees of a file; `refused`: (place, reason) of the others."""

    trees: list[Tree] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Trees, messages, prompts (of the user, the first and later ones) and replies (of the assistant)."""
        roles = [node.role for tree in self.trees for node in tree.nodes()]
        prompts = roles.count("user")
        return {"trees": len(self.trees), "messages": len(roles), "prompts": prompts, "replies": len(roles) - prompts}


def is_tree_row(row: dict[str, Any]) -> bool:
    """Is this a row of one of the two forms?"""
    return all(key in row for key in KEYS) or all(key in row for key in FLAT_KEYS)


def read_trees(rows: Iterable[Row]) -> Trees:
    """The trees of rows in either form. Rows of one message are put together by their tree's id."""
    found, flat = Trees(), defaultdict[str, list[Row]](list)
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for row in rows:
        if isinstance(row.value.get("prompt"), dict):
            groups.append((row.where, _unnested(row.value["prompt"])))
        else:
            flat[str(row.value.get("message_tree_id"))].append(row)
    groups += [(some[0].where, [row.value for row in some]) for some in flat.values()]
    for where, messages in groups:
        try:
            found.trees.append(_tree(where, messages))
        except BadTree as reason:
            found.refused.append((where, str(reason)))
    return found


def _unnested(prompt: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a nested tree. A reply without a `parent_id` belongs to the message that it stands in."""
    found, left = [], [(prompt, None)]
    while left:
        one, parent = left.pop()
        if not isinstance(one, dict):
            found.append({})
            continue
        found.append({"parent_id": parent} | one)
        replies = one.get("replies")
        left += [(reply, one.get("message_id")) for reply in reversed(replies if isinstance(replies, list) else [])]
    return found


def _tree(where: str, messages: Sequence[dict[str, Any]]) -> Tree:
    nodes: dict[str, Node] = {}
    for row in messages:
        node = _node(row)
        if node.id in nodes:
            raise BadTree("repeated_message")
        nodes[node.id] = node
    roots = [node for node in nodes.values() if node.parent is None]
    for node in nodes.values():
        if node.parent is not None and node.parent not in nodes:
            raise BadTree("missing_parent")
        if node.parent is not None:
            nodes[node.parent].replies.append(node)
    if len(roots) != 1:
        raise BadTree("several_roots" if roots else "cycle")
    tree = Tree(where, roots[0])
    reached = 0
    for node in tree.nodes():
        reached += 1
        node.replies.sort(key=lambda reply: (reply.rank is None, reply.rank))
        if any(reply.role == node.role for reply in node.replies):
            raise BadTree("wrong_roles")
    if reached < len(nodes):
        raise BadTree("cycle")
    if tree.root.role != "user":
        raise BadTree("wrong_roles")
    return tree


def _node(row: dict[str, Any]) -> Node:
    name, parent, text, rank = (row.get(key) for key in ("message_id", "parent_id", "text", "rank"))
    role = _ROLES.get(str(row.get("role")))
    if role is None:
        raise BadTree("unknown_role")
    if not isinstance(name, str) or not isinstance(text, str) or not text.strip():
        raise BadTree("empty_message")
    if isinstance(rank, float) and rank == rank and rank == int(rank):
        rank = int(rank)  # a column of a table with gaps
    is_rank = isinstance(rank, int) and not isinstance(rank, bool)
    return Node(name, parent if isinstance(parent, str) else None, role, text, rank if is_rank else None, row)


# --- threads and pairs -----------------------------------------------------------------------------------------------


def threads(tree: Tree, choice: str | int = "best") -> Iterator[Talk]:
    """Ways from the root to an answer that nobody went on from with another answer.

    `choice`: "best" follows the best reply of each message, "all" every one, a number n the assistant's replies of the
    n best ranks (and unranked ones, where none has a rank).
    """
    stack = [[tree.root]]
    while stack:
        way = stack.pop()
        replies = _chosen(way[-1], choice)
        stack += [[*way, reply] for reply in reversed(replies)]
        if way[-1].role == "assistant" and not any(_chosen(reply, choice) for reply in replies):
            yield _talk(tree, way)


def _chosen(node: Node, choice: str | int) -> list[Node]:
    replies = [reply for reply in node.replies if not reply.is_left_out]
    if node.is_left_out or not replies:
        return []
    if choice == "best":
        return replies[:1]
    if choice == "all" or node.role == "assistant" or replies[0].rank is None:
        return replies
    return [reply for reply in replies if reply.rank is not None and reply.rank < int(choice)]


def _talk(tree: Tree, way: Sequence[Node]) -> Talk:
    last, asked = way[-1], way[-2]
    language = last.row.get("lang") if isinstance(last.row.get("lang"), str) else None
    meta = {"tree": tree.root.id, "language": language, "rank": last.rank, "labels": _labels(last)}
    others = tuple(OtherAnswer(reply.text, _model(reply), WORSE) for reply in _ranked(asked) if _is_better(last, reply))
    return Talk(tree.where, _messages(way), {key: value for key, value in meta.items() if value is not None}, others)


def pairs(tree: Tree) -> Iterator[dict[str, list[Message]]]:
    """Rows of TRL's preference form: for each question every two answers of different ranks, the better one chosen."""
    stack = [[tree.root]]
    while stack:
        way = stack.pop()
        node = way[-1]
        stack += [[*way, reply] for reply in reversed(node.replies) if not reply.is_left_out]
        for better, worse in combinations(_ranked(node), 2) if node.role == "user" and not node.is_left_out else ():
            if _is_better(better, worse):
                texts = [message("assistant", one.text) for one in (better, worse)]
                yield {"prompt": _messages(way), "chosen": texts[:1], "rejected": texts[1:]}


def _ranked(node: Node) -> list[Node]:
    return [reply for reply in node.replies if reply.rank is not None and not reply.is_left_out]


def _is_better(one: Node, other: Node) -> bool:
    return one.rank is not None and other.rank is not None and one.rank < other.rank


def _messages(way: Sequence[Node]) -> list[Message]:
    return [message(node.role, node.text) for node in way]


def _model(node: Node) -> str | None:
    name = node.row.get("model_name")
    return name if isinstance(name, str) else None


def _labels(node: Node) -> dict[str, float] | None:
    """Label → mean value, of either form: {name: {value}} or {name: [...], value: [...]}."""
    given = node.row.get("labels")
    if not isinstance(given, dict):
        return None
    if isinstance(given.get("name"), list) and isinstance(given.get("value"), list):
        given = {name: {"value": value} for name, value in zip(given["name"], given["value"], strict=False)}
    values = {str(name): one.get("value") for name, one in given.items() if isinstance(one, dict)}
    return {name: float(value) for name, value in values.items() if is_number(value)} or None


def oasst(fields: Fields, _require_output: bool) -> list[Record]:
    """The best thread of a tree that stands in one row. `synth import` gives the others."""
    fields.used |= {*KEYS, "tree_state", "origin"}
    found = read_trees([fields.row])
    for _, reason in found.refused:
        fields.bad(f"the message tree cannot be used ({reason}); remove the row")
    talks = [talk for tree in found.trees for talk in threads(tree)]
    if found.trees and not talks:
        fields.bad("the message tree has no answer; remove the row")
    records = []
    for talk in talks:
        *before, question, answer = talk.messages
        _, history = split_messages(before)
        record = Record(question["content"], "", answer["content"], "", tuple(history), talk.others, meta=talk.meta)
        records.append(record)
    return records
