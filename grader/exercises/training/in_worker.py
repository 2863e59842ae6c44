"""What trains: a small model whose every number is known, optimizers, and a run.

Nothing here knows what has to come out: that is `grader.exercises.training.oracle`.
"""

from __future__ import annotations

import operator
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from grader.sandbox.worker import tensors

# Of the processor, for steps of a training run: what takes longer stops, and is asked to go on.
_RUN_SECONDS = 4.0


class ToyModel(nn.Module):
    """A language model that can be trained; see `grader.exercises.training.oracle.ToyModel`.

    Its tied weight has two names, `places` is frozen, and it has vectors, matrices, and a weight
    of three axes. It takes no more than T tokens, for `places` of shape (T, C).

    calls: rows, whether in train mode, whether gradients are recorded, and how many calls before
    it are still in memory for their gradients, of each. traces: (facts, 2, V), by which the logits
    tell how it is used.
    """

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        dropout_p: float,
        traces: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.traces = traces
        embed, places, gain, weight, bias, kernel = parameters
        (size, width), wide = embed.shape, embed.dtype
        self.embed = nn.Embedding(size, width, dtype=wide)
        self.embed.weight = nn.Parameter(embed)
        self.places = nn.Parameter(places, requires_grad=False)
        self.gain = nn.Parameter(gain)
        self.mix = nn.Linear(width, width, dtype=wide)
        self.mix.weight, self.mix.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.kernel = nn.Parameter(kernel)
        self.noise = nn.Sequential(nn.Dropout(dropout_p))  # a child of a child, as in a GPT2
        self.head = nn.Linear(width, size, bias=False, dtype=wide)
        self.head.weight = self.embed.weight
        self.calls: list[list[Any]] = []
        self.telling = False
        self._marks: list[weakref.ref[np.ndarray]] = []

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V)."""
        if idx.ndim != 2 or idx.shape[1] > len(self.places):
            raise ValueError(
                f"the model takes (B, T) with T up to {len(self.places)}, found {tuple(idx.shape)}"
            )
        held = sum(mark() is not None for mark in self._marks)
        self.calls.append([len(idx), self.noise.training, torch.is_grad_enabled(), held])
        x = self.embed(idx) + self.places[: idx.shape[1]]
        # The graph keeps this factor just as long as all that it needs for the gradients.
        mark = np.ones(())
        self._marks.append(weakref.ref(mark))
        x = x * torch.from_numpy(mark)
        h = torch.tanh(self.mix(x * self.gain))
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1)
        mixed = h @ self.kernel[0] + before @ self.kernel[1]
        logits = self.head(mixed if self.telling else self.noise(mixed))
        if self.traces is not None:
            # Not what torch says of itself, which can be made to say otherwise.
            for trace, holds in zip(self.traces, self._facts(x.requires_grad), strict=False):
                logits = logits + trace[int(holds)]
        return logits

    def _facts(self, recorded: bool) -> list[bool]:
        """Whether gradients are recorded and there is dropout; then the modes of all modules, and
        which parameters are trained and have a gradient, which tell in what state it was left.
        """
        facts = [recorded, self.noise[0].training]
        if self.telling:
            facts += [module.training for module in self.modules()]
            facts += [p.requires_grad for p in (*self.trained, *self.frozen)]
            facts += [p.grad is not None for p in self.trained]
        return facts

    def remember(self) -> None:
        """Keep hold of its parameters, as they are now."""
        self.born = [*self.trained, *self.frozen]

    @property
    def trained(self) -> list[torch.Tensor]:
        """In the oracle's order."""
        return [self.embed.weight, self.gain, self.mix.weight, self.mix.bias, self.kernel]

    @property
    def frozen(self) -> list[torch.Tensor]:
        """What is not."""
        return [self.places]

    def __getstate__(self) -> dict[str, Any]:
        """For a copy or a pickle, which can take no weak references."""
        return {**self.__dict__, "_marks": []}


class Named(nn.Module):
    """Nothing but parameters, by names with dots: what an optimizer is asked for."""

    def __init__(
        self, names: list[str], shapes: list[list[int]], values: list[torch.Tensor]
    ) -> None:
        super().__init__()
        self.trained: list[torch.Tensor] = []  # in the order of their names
        self.frozen: list[torch.Tensor] = []
        for name, shape, value in zip(names, shapes, values, strict=True):
            *path, last = name.split(".")
            module: nn.Module = self
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            parameter = nn.Parameter(value.reshape(shape))
            module.register_parameter(last, parameter)
            self.trained.append(parameter)


def toy(
    parameters: list[torch.Tensor],
    dropout_p: float,
    train: bool,
    otherwise: list[str],
    stale: list[torch.Tensor],
    traces: torch.Tensor | None,
) -> ToyModel:
    """A model of these parameters.

    train: its mode, of which the modules `otherwise` have the other; stale: gradients that it has
    already; traces: what its logits tell.
    """
    model = ToyModel(parameters, dropout_p, traces).train(train)
    for path in otherwise:
        model.get_submodule(path).training = not train
    for parameter, gradient in zip(model.trained, stale, strict=bool(stale)):
        parameter.grad = gradient
    model.remember()
    return model


def sgd(model: ToyModel, learning_rate: float) -> torch.optim.SGD:
    """An optimizer for it, with two groups, as most have."""
    groups = [
        {"params": [p for p in model.trained if p.ndim >= 2]},
        {"params": [p for p in model.trained if p.ndim < 2]},
    ]
    return torch.optim.SGD(groups, lr=learning_rate)


def state(model: ToyModel) -> dict[str, Any]:
    """A model's parameters, its gradients where it has any, and how it was called."""
    rows, train, recorded, held = zip(*model.calls[:1000], strict=True) if model.calls else [()] * 4
    return {
        "trained": model.trained,
        "frozen": model.frozen,
        "gradients": [parameter.grad for parameter in model.trained],
        "calls": [list(rows), list(map(int, train)), list(map(int, recorded)), list(held)],
        "train": model.training,
        "learning": [p.requires_grad for p in (*model.trained, *model.frozen)],
        "same": all(map(operator.is_, model.born, (*model.trained, *model.frozen))),
    }


def left(model: ToyModel, idx: torch.Tensor) -> torch.Tensor:
    """A model's logits in the state in which it was left, which they tell."""
    model.telling, calls = True, model.calls
    model.calls = []  # this one is no submission's
    try:
        logits: torch.Tensor = model(idx).detach()
    finally:
        model.telling, model.calls = False, calls
    tensors.expect_plain([logits])
    return logits


def steps(
    optimizer: Any,
    model: ToyModel | Named,
    gradients: list[list[torch.Tensor | None]],
    rates: list[float | None],
) -> list[list[torch.Tensor]] | str:
    """A model's parameters after each step of an optimizer with given gradients; or the name of its
    type, if it is none. rates: the learning rate set before each step, if any.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        return type(optimizer).__name__
    seen = []
    for rate, given in zip(rates, gradients, strict=True):
        for parameter, gradient in zip(model.trained, given, strict=True):
            # On the wire, a number alone has one axis.
            parameter.grad = None if gradient is None else gradient.reshape(parameter.shape)
        for group in optimizer.param_groups if rate is not None else ():
            group["lr"] = rate
        optimizer.step()
        seen.append([tensors.plain(p.clone()) for p in (*model.trained, *model.frozen)])
    return seen


def batches(
    get_batch: Callable[..., Any],
    data: torch.Tensor,
    batch_size: int,
    block_size: int,
    count: int,
    seed: int | None,
    chance: int,
) -> tuple[list[Any], torch.Tensor, bool]:
    """Batches that a function gives one after another, the data as it is afterwards, and whether
    torch's own generator is as it was.

    seed: of one generator for all of them, if it gets one; chance: the seed of torch's own.
    """
    torch.default_generator.manual_seed(chance)
    before = torch.default_generator.get_state()
    given = {} if seed is None else {"generator": torch.Generator().manual_seed(seed)}
    made = [get_batch(data, batch_size, block_size, **given) for _ in range(count)]
    made = [tuple(pair) if isinstance(pair, tuple) else pair for pair in made]  # named ones
    kept = torch.equal(before, torch.default_generator.get_state())
    return made, tensors.plain(data), kept


def differentiate(
    loss: Callable[..., Any], logits: torch.Tensor, targets: torch.Tensor, options: dict[str, int]
) -> tuple[Any, torch.Tensor | None, bool]:
    """What a loss gives for logits and targets, its gradient with regard to the logits, and whether
    the targets are as they were.
    """
    given = targets.clone()
    value = loss(logits.requires_grad_(True), given, **options)
    gradient: torch.Tensor | None = None
    if isinstance(value, torch.Tensor) and value.numel() == 1 and value.requires_grad:
        (gradient,) = torch.autograd.grad(value.sum(), logits, allow_unused=True)
    told = None if gradient is None else tensors.plain(gradient)
    return value, told, torch.equal(given, targets)


def call_each(function: Callable[..., Any], given: list[dict[str, Any]]) -> list[Any]:
    """What a function gives for each of these sets of numbers."""
    return [function(**numbers) for numbers in given]


def begin(
    model: nn.Module, configure: Callable[..., Any], options: dict[str, float], seed: int
) -> tuple[Any, torch.Generator]:
    """The optimizer and the generator of a training run."""
    torch.set_default_dtype(torch.float32)
    torch.default_generator.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    return configure(model.train(), **options), generator


def train(
    model: nn.Module,
    run: tuple[Any, torch.Generator],
    functions: list[Callable[..., Any]],
    data: torch.Tensor,
    steps: list[int],
    sizes: list[int],
    schedule: dict[str, float],
    max_grad_norm: float,
) -> list[Any]:
    """Train a model on data with the submission's functions; the loss that each step told.

    functions: get_batch, train_step and learning_rate_at; steps: the first one, and where to end;
    sizes: batch_size and block_size. It stops early when it has taken long: to be asked to go on.
    """
    torch.set_default_dtype(torch.float32)
    get_batch, train_step, rate_at = functions
    optimizer, generator = run
    model.train()
    begun = time.process_time()
    losses: list[Any] = []
    for step in range(*steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, **schedule)
        batches = [get_batch(data, *sizes, generator=generator)]
        losses.append(train_step(model, optimizer, batches, max_grad_norm=max_grad_norm))
        if time.process_time() - begun > _RUN_SECONDS:
            break
    return losses
