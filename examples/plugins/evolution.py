"""An evolution operator of your own. A recipe names it `evolution:WITH_DEADLINE`."""

from __future__ import annotations

from synth import Operator

WITH_DEADLINE = Operator("Add a deadline, and let it change what a good answer has to leave out.")
