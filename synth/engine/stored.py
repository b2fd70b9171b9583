"""A model that is not there: its name and endpoint as the ledger noted them, so that stored answers are found again.

With it a run works from the ledger alone. A question without a stored answer costs its item a Rejection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from synth.engine.ledger import LedgerReader
from synth.engine.payment import RoleModel
from synth.errors import StorageError
from synth.models.base import ChatRequest, Completion

ROLES = "roles"
"""The ledger's note of who answered in which role."""


@dataclass(slots=True)
class StoredModel:
    """What of a ChatModel takes part in request keys and in a stage's choices.

    `structured_outputs` is None where a stored answer to a question about it tells.
    """

    name: str
    endpoint: str
    structured_outputs: bool | None = False

    async def complete(self, request: ChatRequest) -> Completion:
        """Never called: the engine sends nothing for an offline role."""
        raise AssertionError("an offline model was asked")

    async def close(self) -> None:
        """Nothing to let go of."""


def note_roles(roles: Mapping[str, RoleModel]) -> str:
    """The models of all roles as JSON, for the ledger."""
    return json.dumps(
        {
            role: [who.model.name, who.endpoint, getattr(who.model, "structured_outputs", False)]
            for role, who in roles.items()
        }
    )


def stored_models(ledger: LedgerReader) -> dict[str, StoredModel]:
    """The models of all roles as noted. Raises StorageError for a ledger without the note."""
    noted = ledger.get_meta(ROLES)
    if noted is None:
        raise StorageError("the ledger does not say who answered", "`synth run` once notes it, at no calls if finished")
    return {role: StoredModel(*about) for role, about in json.loads(noted).items()}
