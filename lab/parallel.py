"""Several processes that train one model: started by torchrun, joined by PyTorch's DDP."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lab.errors import LabError

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Team:
    """This process among those that train together. Alone, it is the first of one."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and speaks."""
        return self.rank == 0

    def join(self, model: nn.Module) -> nn.Module:
        """The model, with gradients that are the mean over all processes."""
        if self.size == 1:
            return model
        joined: nn.Module = DistributedDataParallel(model)
        return joined

    def check(self, batch_size: int, accumulation: int) -> None:
        """Raise LabError unless the work can be parted equally."""
        if accumulation % self.size and batch_size % self.size:
            raise LabError(
                f"{self.size} processes can share neither {accumulation} batches nor "
                f"{batch_size} sequences equally; change accumulation or batch_size"
            )

    def share(self, batches: Sequence[Batch]) -> list[Batch]:
        """This process' part of the batches, all of which every process has drawn.

        Parts are of one size, so the mean of their means is the mean over all tokens.
        """
        if len(batches) % self.size == 0:
            return list(batches[self.rank :: self.size])
        return [(x.chunk(self.size)[self.rank], y.chunk(self.size)[self.rank]) for x, y in batches]

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return self._reduced(value, dist.ReduceOp.SUM) / self.size if self.size > 1 else value

    def any(self, flag: bool) -> bool:
        """Whether it holds in any process."""
        return bool(self._reduced(float(flag), dist.ReduceOp.MAX)) if self.size > 1 else flag

    def gathered(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """The tensor of every process, by rank."""
        if self.size == 1:
            return [tensor]
        everyones: list[torch.Tensor | None] = [None] * self.size
        dist.all_gather_object(everyones, tensor)
        return [one for one in everyones if one is not None]

    def _reduced(self, value: float, how: dist.ReduceOp.RedOpType) -> float:
        on = "cuda" if dist.get_backend() == "nccl" else "cpu"
        tensor = torch.tensor(value, dtype=torch.float64, device=on)
        dist.all_reduce(tensor, op=how)
        return tensor.item()


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team that torchrun has put this process into."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
