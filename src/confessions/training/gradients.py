"""Measure the gradient of each channel alone.

Clipping by `max_grad_norm` and an optimizer's moments see the gradient of both channels together: it is the one way in
which a loud channel still shortens the other's step. These norms show how loud each is.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

CHANNELS = ("answers", "confessions")


class ChannelGradients:
    """Adds up each channel's gradient over the micro-batches of one optimizer step."""

    def __init__(self) -> None:
        self._sums: dict[str, list[Tensor]] = {}

    def add(
        self, loss_on: Callable[[Tensor], Tensor], is_confession: Tensor, parameters: Iterable[torch.nn.Parameter]
    ) -> None:
        """Add a micro-batch; `loss_on(rows)` gives the loss with all rows but these (B,) silenced."""
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for channel, rows in zip(CHANNELS, (~is_confession, is_confession), strict=True):
            found = torch.autograd.grad(loss_on(rows), trained, allow_unused=True)
            gradients = [
                torch.zeros_like(parameter) if gradient is None else gradient
                for parameter, gradient in zip(trained, found, strict=True)
            ]
            before = self._sums.get(channel)
            self._sums[channel] = (
                gradients if before is None else [old + new for old, new in zip(before, gradients, strict=True)]
            )

    def take_norms(self, mean_over_processes: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Give each channel's gradient norm over all processes, and begin anew."""
        norms = {}
        for channel, gradients in self._sums.items():
            squares = [mean_over_processes(gradient).double().square().sum() for gradient in gradients]
            norms[channel] = torch.stack(squares).sum().sqrt().item()
        self._sums = {}
        return norms
