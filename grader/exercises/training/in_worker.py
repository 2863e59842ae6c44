"""Questions about training: a small model whose every number is known, optimizers, and a run.

Nothing here knows what has to come out: that is `grader.exercises.training.oracle`.
"""

from __future__ import annotations

import operator
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from grader.sandbox import wire
from grader.sandbox.worker import exchange, tensors
from grader.sandbox.worker.shared import Questions, Shared

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
        arrays: Sequence[wire.Array],
        dropout_p: float,
        traces: wire.Array | None = None,
    ) -> None:
        super().__init__()
        self.traces = None if traces is None else tensors.decode(traces)
        embed, places, gain, weight, bias, kernel = map(tensors.decode, arrays)
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
        self, names: Sequence[str], shapes: Sequence[Sequence[int]], arrays: Sequence[wire.Array]
    ) -> None:
        super().__init__()
        self.trained: list[torch.Tensor] = []  # in the order of their names
        self.frozen: list[torch.Tensor] = []
        for name, shape, array in zip(names, shapes, arrays, strict=True):
            *path, last = name.split(".")
            module: nn.Module = self
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            parameter = nn.Parameter(tensors.decode(array).reshape(shape))
            module.register_parameter(last, parameter)
            self.trained.append(parameter)


class Training:
    """Answers about training. objects: what lives in this worker; functions: the submission's.

    runs: optimizer and generator of each training run that has begun, by the model's place.
    """

    def __init__(self, objects: dict[str, Any], functions: Mapping[str, Any]) -> None:
        self.objects = objects
        self.functions = functions
        self.runs: dict[str, tuple[Any, torch.Generator]] = {}
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "trainee": self.trainee,
            "named_parameters": self.named,
            "trainee_state": self.state,
            "trainee_left": self.left,
            "optimizer_steps": self.steps,
            "batches": self.batches,
            "differentiate": self.differentiate,
            "call_each": self.call_each,
            "training_run": self.run,
        }

    def trainee(
        self,
        arrays: tuple[wire.Array, ...],
        place: str,
        optimizer: str,
        learning_rate: float,
        dropout_p: float,
        train: bool,
        otherwise: list[str],
        stale: bool,
        traced: bool,
    ) -> wire.Message:
        """Make a model, and SGD for it, at these places. The arrays are its parameters, and, with
        `traced`, what its logits tell.

        train: its mode, of which the modules `otherwise` have the other; stale: more arrays are
        gradients that it has already.
        """
        parameters, more = arrays[:6], arrays[6:]
        traces, more = (more[0], more[1:]) if traced else (None, more)
        model = ToyModel(parameters, dropout_p, traces).train(train)
        for path in otherwise:
            model.get_submodule(path).training = not train
        if stale:
            for parameter, array in zip(model.trained, more, strict=True):
                parameter.grad = tensors.decode(array)
        model.remember()
        self.objects[place] = model
        groups = [
            {"params": [p for p in model.trained if p.ndim >= 2]},
            {"params": [p for p in model.trained if p.ndim < 2]},
        ]
        self.objects[optimizer] = torch.optim.SGD(groups, lr=learning_rate)
        return wire.Message({})

    def named(
        self, arrays: tuple[wire.Array, ...], place: str, names: list[str], shapes: list[list[int]]
    ) -> wire.Message:
        """Make a module with these parameters at this place."""
        self.objects[place] = Named(names, shapes, arrays)
        return wire.Message({})

    def state(self, arrays: tuple[wire.Array, ...], place: str) -> wire.Message:
        """A model's parameters, its gradients where it has any, and how it was called."""
        model = self.objects[place]
        gradients = [parameter.grad for parameter in model.trained]
        sent = [*model.trained, *model.frozen, *(g for g in gradients if g is not None)]
        problem = tensors.unsendable([tensor.detach() for tensor in sent])
        if problem is not None:
            return wire.Message({"unsendable": problem})
        return wire.Message(
            {
                "present": [gradient is not None for gradient in gradients],
                "calls": model.calls[:1000],
                "train": model.training,
                "learning": [p.requires_grad for p in (*model.trained, *model.frozen)],
                "same": all(map(operator.is_, model.born, (*model.trained, *model.frozen))),
            },
            tuple(map(tensors.encode, sent)),
        )

    def left(self, arrays: tuple[wire.Array, ...], place: str) -> wire.Message:
        """A model's logits in the state in which it was left, which they tell."""
        model = self.objects[place]
        model.telling, calls = True, model.calls
        model.calls = []  # this one is no submission's
        try:
            logits = model(tensors.decode(arrays[0])).detach()
        finally:
            model.telling, model.calls = False, calls
        problem = tensors.unsendable([logits])
        if problem is not None:
            return wire.Message({"unsendable": problem})
        return wire.Message({}, (tensors.encode(logits),))

    def steps(
        self,
        arrays: tuple[wire.Array, ...],
        optimizer: str,
        place: str,
        rates: list[float | None],
        present: list[list[bool]],
    ) -> wire.Message:
        """Steps of an optimizer with given gradients; the model's parameters after each.

        rates: the learning rate set before each step, if any; present: for each step, which
        parameters have a gradient. The arrays are those of the first step, then those of the
        second, and so on.
        """
        made, model = self.objects[optimizer], self.objects[place]
        if not isinstance(made, torch.optim.Optimizer):
            return wire.Message({"kind": type(made).__name__[:200]})
        remaining = iter(arrays)
        seen = []
        for rate, flags in zip(rates, present, strict=True):
            for parameter, flag in zip(model.trained, flags, strict=True):
                parameter.grad = _like(parameter, next(remaining)) if flag else None
            for group in made.param_groups if rate is not None else ():
                group["lr"] = rate
            made.step()
            seen += [tensors.encode(p.clone()) for p in (*model.trained, *model.frozen)]
        return wire.Message({"kind": None}, tuple(seen))

    def batches(
        self,
        arrays: tuple[wire.Array, ...],
        function: str,
        batch_size: int,
        block_size: int,
        count: int,
        seed: int | None,
        chance: int,
    ) -> wire.Message:
        """Batches that a function gives one after another, and the data as it is afterwards.

        seed: of one generator for all of them, if it gets one; chance: the seed of torch's own.
        """
        data = tensors.decode(arrays[0])
        torch.default_generator.manual_seed(chance)
        before = torch.default_generator.get_state()
        given = {} if seed is None else {"generator": torch.Generator().manual_seed(seed)}
        get_batch = self.functions[function]
        made = [get_batch(data, batch_size, block_size, **given) for _ in range(count)]
        made = [tuple(pair) if isinstance(pair, tuple) else pair for pair in made]  # named ones
        kept = torch.equal(before, torch.default_generator.get_state())
        return _told(made, {"rng_unchanged": kept}, [tensors.encode(data)])

    def differentiate(
        self, arrays: tuple[wire.Array, ...], function: str, options: dict[str, int]
    ) -> wire.Message:
        """What a loss gives for logits and targets, and its gradient with regard to the logits."""
        logits, targets = map(tensors.decode, arrays)
        given = targets.clone()
        value = self.functions[function](logits.requires_grad_(True), given, **options)
        gradient: list[wire.Array] = []
        if isinstance(value, torch.Tensor) and value.numel() == 1 and value.requires_grad:
            (found,) = torch.autograd.grad(value.sum(), logits, allow_unused=True)
            gradient = [] if found is None else [tensors.encode(found)]
        kept = torch.equal(given, targets)
        return _told(value, {"gradient": bool(gradient), "kept": kept}, gradient)

    def call_each(
        self, arrays: tuple[wire.Array, ...], function: str, given: list[dict[str, Any]]
    ) -> wire.Message:
        """What a function gives for each of these sets of numbers."""
        return _told([self.functions[function](**numbers) for numbers in given], {}, [])

    def run(
        self,
        arrays: tuple[wire.Array, ...],
        place: str,
        steps: int,
        batch_size: int,
        block_size: int,
        optimizer: dict[str, float],
        schedule: dict[str, float],
        max_grad_norm: float,
        seed: int,
        start: int,
    ) -> wire.Message:
        """Train a model on data with the submission's functions; the loss that each step told.

        It goes on from step `start`, and stops early when it has taken long: to be asked to go on.
        """
        torch.set_default_dtype(torch.float32)
        get_batch, train_step = self.functions["get_batch"], self.functions["train_step"]
        rate_at = self.functions["learning_rate_at"]
        data = tensors.decode(arrays[0])
        model = self.objects[place].train()
        if not start:
            torch.default_generator.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            made = self.functions["configure_optimizer"](model, **optimizer)
            self.runs[place] = made, generator
        made, generator = self.runs[place]
        begun = time.process_time()
        losses: list[Any] = []
        for step in range(start, steps):
            for group in made.param_groups:
                group["lr"] = rate_at(step, **schedule)
            batches = [get_batch(data, batch_size, block_size, generator=generator)]
            losses.append(train_step(model, made, batches, max_grad_norm=max_grad_norm))
            if time.process_time() - begun > _RUN_SECONDS:
                break
        return _told(losses, {}, [])


def _like(parameter: torch.Tensor, array: wire.Array) -> torch.Tensor:
    """The array in the parameter's shape: on the wire, a number alone has one axis."""
    return tensors.decode(array).reshape(parameter.shape)


def _told(value: Any, facts: dict[str, Any], more: Sequence[wire.Array]) -> wire.Message:
    """A value for the parent, and arrays after those in it."""
    teller = exchange.Encoder()
    try:
        told = teller.tell(value)
    except exchange.UnsendableError as error:
        return wire.Message({"unsendable": error.found})
    return wire.Message({"value": told, **facts}, (*teller.arrays, *more))


def questions(shared: Shared) -> Questions:
    """What is asked of a worker for this exercise alone."""
    return Training(shared.objects, shared.functions).questions
