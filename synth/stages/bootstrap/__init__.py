"""Bootstrap: from a few seed tasks to any number of new ones, by one of three methods.

`self_instruct` (Wang et al., arXiv 2212.10560), `alpaca` (Taori et al. 2023) and `diverse` (ours). A request for new
tasks is an item; what it shows is drawn from the pool as it stood when it was made, and candidates are judged in the
order of their requests, so the result does not depend on timing.
The answers to the new tasks are for `synth.stages.respond`, where the method itself does not give them.
"""

from __future__ import annotations

from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.bootstrap.stage import bootstrap

__all__ = ["BootstrapSettings", "bootstrap"]
