"""Calls the submission's functions: with scripted models, held objects, arrays and plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from grader.sandbox import wire
from grader.sandbox.worker import exchange, tensors, trace


class ScriptedModel(nn.Module):
    """A language model of which every logit is known; see `Script` in the oracle of `generation`.

    It is a parameter's worth of a model, so that a submission finds a device and a mode on it.
    With a fifth array, (2, 2, V), its logits tell how it is used: whether in train mode, and
    whether gradients are recorded.
    """

    def __init__(self, arrays: Sequence[wire.Array], decay: float) -> None:
        super().__init__()
        embed, places, head, bias, *traces = map(tensors.decode, arrays)
        self.traces = traces[0] if traces else None
        self.embed = nn.Parameter(embed)
        self.places, self.head, self.bias = places, head, bias
        self._decay = decay
        self._noise = nn.Dropout(0.5)
        self.recorded = False  # whether it was ever called while gradients were

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V). Raises ValueError for more tokens than there are places."""
        if idx.ndim != 2 or not 1 <= idx.shape[1] <= len(self.places):
            raise ValueError(
                f"the model takes (B, T) with T from 1 to block_size = {len(self.places)}, "
                f"found {tuple(idx.shape)}"
            )
        self.recorded |= torch.is_grad_enabled()
        x = self.embed[idx] + self.places[: idx.shape[1]]
        state, states = torch.zeros_like(x[:, 0]), []
        for t in range(idx.shape[1]):
            state = self._decay * state + x[:, t]
            states.append(state)
        if self.traces is not None:
            # Not what torch says of itself, which can be made to say otherwise.
            trace = self.traces[int(self.training), int(x.requires_grad)]
            return torch.tanh(torch.stack(states, 1)) @ self.head + self.bias + trace
        # In train mode there is chance in it, as there is in a model with dropout.
        return self._noise(torch.tanh(torch.stack(states, 1)) @ self.head) + self.bias


class Functions:
    """Calls what the submission has, and holds what comes back if it is to be held.

    objects: what lives here, by "kind:number": "held:3" came back from a call, "model:2" is the
    submission's model of that number.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self._recording: bool | None = None  # whether gradients are, before the first call

    def run(
        self,
        target: Callable[..., Any],
        arrays: tuple[wire.Array, ...],
        args: list[Any],
        given: list[Any],
        keep: str | None,
        seed: int,
        dtype: torch.dtype,
        watch: bool,
        recording: bool,
    ) -> wire.Message:
        """Call a function; says what came back and what became of what it was given.

        args, given: items as of `exchange.made`, and {"script": …}; keep: where to hold the value;
        watch: note what would fail on another device; recording: False calls it where torch records
        no gradients.
        """
        torch.set_default_dtype(dtype)
        if self._recording is None:
            self._recording = torch.is_grad_enabled()
        torch.set_grad_enabled(self._recording)  # whatever an earlier call has left
        positional = [self._made(item, arrays) for item in args]
        named = {name: self._made(item, arrays) for name, item in given}
        everything = [*positional, *named.values()]
        models = [item for item in everything if isinstance(item, nn.Module)]
        modes = [(m, m.training) for model in models for m in model.modules()]
        flags = [_flags(model) for model in models]
        sent = {n: named[n] for n, item in given if "object" not in item}
        inputs = {n: item for name, value in sent.items() for n, item in _inputs(name, value)}
        torch.default_generator.manual_seed(seed)
        before = torch.default_generator.get_state()
        recorder = trace.Recorder(_parts([target, *models]))
        with recorder if watch else nullcontext(), nullcontext() if recording else torch.no_grad():
            found = torch.is_grad_enabled()
            value = target(*positional, **named)
            recording_kept = torch.is_grad_enabled() == found
            scripted = [model for model in models if isinstance(model, ScriptedModel)]
            traced = [model for model in scripted if model.traces is not None]
            left = [model(torch.zeros(1, 1, dtype=torch.int64)).detach() for model in traced]
        kept = torch.equal(before, torch.default_generator.get_state())
        if keep is not None:
            self.objects[keep] = value
        teller = exchange.Encoder()
        told = teller.tell(value)
        tensors.expect_plain(list(inputs.values()))
        facts = {
            "value": told,
            "recorded": any(model.recorded for model in scripted),
            "train_mode_unchanged": all(m.training == mode for m, mode in modes),
            "gradients": any(p.grad is not None for model in scripted for p in model.parameters()),
            "flags_kept": flags == [_flags(model) for model in models],
            "rng_unchanged": kept,
            "recording_kept": recording_kept,
            "after": list(inputs),
            "device_mismatches": list(recorder.device_mismatches),
        }
        outputs = [*left, *inputs.values()]
        return wire.Message(facts, (*teller.arrays, *map(tensors.encode, outputs)))

    def _made(self, item: dict[str, Any], arrays: tuple[wire.Array, ...]) -> Any:
        if "script" in item:
            script = item["script"]
            model = ScriptedModel([arrays[index] for index in script["arrays"]], script["decay"])
            return model.train(script["train"])
        return exchange.made(item, arrays, self.objects)


def _inputs(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in what a function is given, by name: "batches.0.1" in a list of pairs."""
    if type(value) is torch.Tensor:
        yield name, value
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _inputs(f"{name}.{place}", item)


def _flags(model: nn.Module) -> list[tuple[int, bool]]:
    """Which parameters a model has, and whether they are trained."""
    return [(id(parameter), parameter.requires_grad) for parameter in model.parameters()]


def _parts(values: Sequence[Any]) -> list[nn.Module]:
    """The submission's modules among values, the owners of methods and what these are made of."""
    owners = [getattr(value, "__self__", value) for value in values]
    found = [m for owner in owners if isinstance(owner, nn.Module) for m in owner.modules()]
    return [module for module in found if not type(module).__module__.startswith("grader.")]
