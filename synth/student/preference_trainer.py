"""DPO and KTO in the same loop as supervised training: the same plan of steps, checkpoints and resumption.

The reference of both is the student as it was before: its log-likelihoods are computed once, before the first step, so
no second model is held. With an adapter that is the model under it, since a new adapter changes nothing yet. Values and
gradients are those of TRL 1.16's trainers (`sigmoid`, `sigmoid_norm` and `kto`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from synth.student.encode import Row
from synth.student.trainer import StepTrainer


class PreferenceTrainer(StepTrainer):
    """The loss of a step is the mean over its rows (see `preference.Judged`).

    Each row has a gain: for DPO beta times by how much more likely, against the reference, the better answer became
    than the worse one; for KTO beta times how much likelier a good answer became than the answers of others did (a bad
    one: less likely). The curves show the mean gain (margin) and how often it is above 0 (accuracy).
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self._reference: dict[int, Any] = {}
        self._others = 0.0  # KTO: how much likelier the answers of others became in this step
        self._gains: list[Any] = []

    def prepare(self) -> None:
        """Take the model as it is for the reference."""
        home = next(self.model.parameters()).device
        if home != self.args.device:  # a model that will be sharded waits on the CPU
            self.model.to(self.args.device)
        self.model.eval()
        micros = [micro for step in self.steps for rank in step.ranks for micro in rank]
        with torch.no_grad(), self.accelerator.autocast():
            for micro in (*micros, *([row] for row in self.held_out)):
                new = [row for row in micro if id(row) not in self._reference]
                if new:
                    found = self.forward(self.model, [part for row in new for part in row.parts]).view(-1, 2)
                    self._reference |= {id(row): two for row, two in zip(new, found, strict=True)}
        if home != self.args.device:
            self.model.to(home)

    def size(self, rows: Sequence[Row]) -> int:
        """The rows themselves."""
        return len(rows)

    def before(self, model: Any, micros: Sequence[Sequence[Row]]) -> None:
        """KTO: how much likelier than before the answers of others are, over the whole step, not below 0."""
        if self.settings.loss != "kto":
            return
        total = torch.zeros(2, device=self.args.device)
        with torch.no_grad():
            for micro in micros:
                likelier = self._ratios(model, micro, (1,)) if micro else total[:0]
                total += torch.stack([likelier.sum(), torch.tensor(float(len(micro)), device=total.device)])
        total = self.accelerator.reduce(total, "sum")
        self._others = max(0.0, float(total[0] / total[1]))

    def _loss(self, model: Any, rows: Sequence[Row], *, is_empty: bool = False) -> Any:
        """The sum of the losses of `rows`."""
        is_kto = self.settings.loss == "kto"
        ratios = self._ratios(model, rows, (0,) if is_kto else (0, 1), is_empty=is_empty)
        if is_kto:
            signs = torch.tensor([row.sign for row in rows], device=ratios.device)  # type: ignore[attr-defined]
            gains = self.settings.beta * signs * (ratios[:, 0] - self._others)
        else:
            gains = self.settings.beta * (ratios[:, 0] - ratios[:, 1])
        if is_empty:
            return gains.sum() * 0
        self._gains.append(gains.detach())
        weights = torch.tensor([row.weight for row in rows], device=gains.device)  # type: ignore[attr-defined]
        losses = (weights * (1 - gains.sigmoid() if is_kto else -logsigmoid(gains))).sum()
        return losses + self.settings.sft_weight * self._unlearned(rows, ratios) if self.settings.sft_weight else losses

    def _unlearned(self, rows: Sequence[Row], ratios: Any) -> Any:
        """The loss of the better (for KTO: the good) answers by token, added up."""
        sizes = torch.tensor([row.parts[0].num_learned for row in rows], device=ratios.device)
        good = torch.tensor([row.sign == 1 for row in rows], device=ratios.device)  # type: ignore[attr-defined]
        before = torch.stack([self._reference[id(row)][0] for row in rows]).to(ratios.device) / sizes
        now = before + ratios[:, 0] / (1 if self.settings.loss == "dpo_norm" else sizes)
        return -now[good].sum()

    def _ratios(self, model: Any, rows: Sequence[Row], which: Sequence[int], *, is_empty: bool = False) -> Any:
        """Rows by `which` of their parts: log-likelihood now less that of the reference; for dpo_norm per token."""
        parts = [row.parts[number] for row in rows for number in which]
        now = self.forward(model, parts, is_empty=is_empty)
        reference = torch.stack([self._reference[id(row)][number] for row in rows for number in which])
        found = now - reference.to(now.device)
        if self.settings.loss == "dpo_norm":
            found = found / torch.tensor([part.num_learned for part in parts], device=found.device)
        return found.view(len(rows), len(which))

    def curves(self) -> dict[str, float]:
        """Margin and accuracy since the last call, over all processes."""
        gains = torch.cat(self._gains)
        self._gains = []
        sums = torch.stack([gains.sum(), (gains > 0).sum(), torch.tensor(float(len(gains)), device=gains.device)])
        margin, right, number = self.accelerator.reduce(sums, "sum").tolist()
        return {"reward_margin": margin / number, "reward_accuracy": right / number}
