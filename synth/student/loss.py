"""The loss of a causal language model at the positions that are learned, without its logits ever standing in memory.

With a vocabulary of 262,144 words the output layer is most of the work and of the memory of a small model. So only
positions with a label reach it, a few at a time, and each chunk's gradient is taken at once (the idea of fused
cross-entropies such as Liger's, Hsu et al. 2024, arXiv 2410.10989; written here in plain PyTorch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from synth.student.encode import UNLEARNED
from synth.student.memory import CHUNK

TOLERANCE = 1e-2  # of logits that are to be equal, relative to the largest; bfloat16 has three digits


class ChunkedLoss(torch.autograd.Function):  # type: ignore[misc]
    """Sum of the cross-entropies of `hidden` (positions by units) through an output layer, in nats.

    The gradients are made in the forward pass, chunk by chunk, since only then a chunk's logits are at hand.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, targets: Any, logits_of: Callable[[Any], Any], *weights: Any) -> Any:
        learned = [weight for weight in weights if weight.requires_grad]
        of_hidden = torch.empty_like(hidden)
        of_weights = [torch.zeros_like(weight, dtype=torch.float32) for weight in learned]
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for first in range(0, len(hidden), CHUNK):
            piece = hidden[first : first + CHUNK].detach().requires_grad_()
            with torch.enable_grad():
                logits = logits_of(piece)
            losses, of_logits = _with_gradient(logits.detach(), targets[first : first + CHUNK])
            found = torch.autograd.grad(logits, [piece, *learned], of_logits)
            of_hidden[first : first + CHUNK] = found[0]
            for whole, part in zip(of_weights, found[1:], strict=True):
                whole += part
            total += losses.sum()
        grads = iter(of_weights)
        ctx.grads = (of_hidden, [next(grads) if weight.requires_grad else None for weight in weights])
        ctx.dtypes = [weight.dtype for weight in weights]
        return total

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        of_hidden, of_weights = ctx.grads
        scaled = [
            None if grad is None else grad.mul_(above[0]).to(dtype)
            for grad, dtype in zip(of_weights, ctx.dtypes, strict=True)
        ]
        return (of_hidden.mul_(above[0].to(of_hidden.dtype)), None, None, *scaled)


def _with_gradient(logits: Any, targets: Any) -> tuple[Any, Any]:
    """(the cross-entropy of each row, the gradient of their sum): the softmax, less 1 where the target is.

    Autograd would pass over the vocabulary three times more. A loss is at most 87 nats, where float32 ends.
    """
    shares = torch.softmax(logits, dim=-1, dtype=torch.float32)
    rows = torch.arange(len(targets), device=targets.device)
    losses = -shares[rows, targets].clamp_min(torch.finfo(torch.float32).tiny).log()
    shares[rows, targets] -= 1
    return losses, shares.to(logits.dtype)


def log_likelihoods(hidden: Any, targets: Any, rows: Any, num_rows: int, logits_of: Callable[[Any], Any]) -> Any:
    """For each of `num_rows` rows the log-probability of its targets together; `rows`: the row of each target.

    Unlike a loss their weights are known only afterwards, so each chunk's logits are computed again for the gradients.
    """

    def chunk(piece: Any, wanted: Any) -> Any:
        return -cross_entropy(logits_of(piece).float(), wanted, reduction="none")

    starts = range(0, max(1, len(hidden)), CHUNK)  # an empty chunk keeps the model in the graph
    pieces = [(hidden[first : first + CHUNK], targets[first : first + CHUNK]) for first in starts]
    each = torch.cat([checkpoint(chunk, *piece, use_reentrant=False) for piece in pieces])
    return each.new_zeros(num_rows).index_add(0, rows, each)


def logits_of(model: Any) -> Callable[[Any], Any]:
    """What `model` makes of its last hidden states: the output layer, with the scaling and capping of its family."""
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
    cap = getattr(config, "final_logit_softcapping", None)
    head = model.get_output_embeddings()

    def logits(hidden: Any) -> Any:
        found = head(hidden)
        found = found * scale if scale != 1 else found
        return torch.tanh(found / cap) * cap if cap else found

    return logits


def has_known_head(model: Any) -> bool:
    """Does `logits_of` give the logits that the model itself gives? If not, its own are used, all of them at once."""
    device = model.get_input_embeddings().weight.device
    probe = {"input_ids": torch.arange(3, 11, device=device)[None], "use_cache": False}
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            own = model(**probe).logits.float()
            ours = logits_of(model)(model.get_decoder()(**probe).last_hidden_state).float()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return False
    finally:
        model.train(was_training)
    return bool((own - ours).abs().max() <= TOLERANCE * own.abs().max().clamp(min=1))


@contextmanager
def returning_loss(model: Any, *, by_row: bool = False) -> Iterator[None]:
    """Inside, calling `model` with input_ids, position_ids and labels returns the sum of the losses, and no logits.

    `by_row`: the log-likelihood of each row instead; a row begins where position_ids are 0. The method of this one
    object is replaced, so wrappers around it (an adapter, data parallelism) go the same way.
    """
    is_known = has_known_head(model)
    whole = model.forward

    def forward(input_ids: Any = None, position_ids: Any = None, labels: Any = None, **others: Any) -> Any:
        if labels is None:
            return whole(input_ids=input_ids, position_ids=position_ids, **others)
        learned = (labels[0, 1:] != UNLEARNED).nonzero().squeeze(1)
        targets = labels[0, 1:][learned]
        inputs = {"input_ids": input_ids, "position_ids": position_ids, "use_cache": False}
        if is_known:
            states, logits = model.get_decoder()(**inputs).last_hidden_state[0, learned], logits_of(model)
        else:
            states, logits = whole(**inputs).logits[0, learned], _as_they_are
        if by_row:
            begun = (position_ids[0] == 0).cumsum(0)
            return log_likelihoods(states, targets, begun[1:][learned] - 1, int(begun[-1]), logits)
        if not is_known:
            return cross_entropy(states.float(), targets, reduction="sum")
        return ChunkedLoss.apply(states, targets, logits, *model.get_output_embeddings().parameters())

    model.forward = forward
    try:
        yield
    finally:
        vars(model).pop("forward", None)


def _as_they_are(logits: Any) -> Any:
    return logits
