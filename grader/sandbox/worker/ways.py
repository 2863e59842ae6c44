"""The ways in which people use a model: modes, views, copies, many calls, a few optimizer steps.

Nothing here compares anything: the parent says which ways, and gets what each one gives.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from grader.sandbox import wire
from grader.sandbox.worker import describe, tensors
from grader.sandbox.worker.imported import Imported
from grader.sandbox.worker.models import Model

_OTHER_SEED = 97  # of an instance that is to have other weights than the model
_RATE = 0.01  # of the optimizer's steps
_WIDE = 1000  # channels: with so many, only the shapes are asked for
_RECORDING: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "off": torch.no_grad,
    "on": torch.enable_grad,
    "inference": torch.inference_mode,
}
_LAID: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "whole": lambda x: x,
    # As batch[:, :-1] is, and as what was cut out of a wider one.
    "sliced": lambda x: torch.cat([x, x[:, :1]], dim=1)[:, : x.shape[1]],
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "every second": lambda x: x.repeat_interleave(2, dim=0)[::2],
    "channels first": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
}


class Ways:
    """Answers about the models of one worker, used in ways of which the parent says which."""

    def __init__(
        self,
        models: Mapping[int, Model],
        submission: Imported,
    ) -> None:
        self._models = models
        self._submission = submission
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "ways": self.ways,
            "learn": self.learn,
            "count": self.count,
        }

    def ways(
        self, arrays: tuple[wire.Array, ...], model: int, ways: list[dict[str, Any]]
    ) -> wire.Message:
        """What each way gives: one output, and gradients where it asks for them.

        ways: see `client.ways.Way`, whose theta, inputs and weights are numbers of arrays.
        An error in one way leaves the others alone.
        """
        target = self._models[model]
        told: list[dict[str, Any]] = []
        sent: list[torch.Tensor] = []
        for way in ways:
            try:
                with target.as_told():
                    found, remark = _Used(target, arrays, **way).found()
            except BaseException as error:
                told.append({"error": describe.exception(error, self._submission.own_files())})
                continue
            problem = tensors.unsendable(found)
            if problem is not None:
                told.append({"unsendable": problem})
                continue
            told.append({"count": len(found), "remark": remark})
            sent += found
        return wire.Message({"ways": told}, tuple(map(tensors.encode, sent)))

    def learn(self, arrays: tuple[wire.Array, ...], model: int, seed: int) -> wire.Message:
        """A new instance, as born and after some steps of training.

        Arrays: one input, weights of its output in the loss, and an input for each step. Back come
        its parameters and output as born, the largest gradient of each parameter over all steps,
        its parameters and output afterwards; and names of its parameters before and after its
        first call, how many tensors it learns that are none of them, and the length of the longest
        axis of all tensors that it holds.
        """
        target = self._models[model]
        x, weights, *steps = map(tensors.decode, arrays)
        torch.default_generator.manual_seed(seed)
        with target.as_told():
            module = target.again()
            target.lend(module)
            module.eval()
            named = [name for name, _ in module.named_parameters()]
            with torch.no_grad():
                born = module(x)
            known = list(module.named_parameters())
            parameters = [parameter for _, parameter in known]
            before = _flat(parameters)
            largest, outside = _train(module.train(), parameters, weights, steps)
            with torch.no_grad():
                after = module.eval()(x)
        found = [before, born, largest, _flat(parameters), after]
        tensors.expect_plain(found)
        names = {"born": named, "called": [name for name, _ in known]}
        told = {**names, "outside": outside, "longest": _longest(module)}
        return wire.Message(told, tuple(map(tensors.encode, found)))

    def count(
        self, arrays: tuple[wire.Array, ...], model: int, name: str, widths: list[int]
    ) -> wire.Message:
        """How many numbers a class would train, built in float32 with each of these widths."""
        torch.set_default_dtype(torch.float32)

        def built(width: int) -> nn.Module:
            with self._models[model].as_told():
                module: nn.Module = self._submission.class_(name)(width)
                if any(map(is_lazy, module.parameters())):
                    module(torch.zeros(1, 1, width))  # which says what shapes they have
            return module

        def shaped(width: int) -> nn.Module:
            """The same, without any numbers where it is wide."""
            if width > _WIDE:
                with suppress(Exception), torch.device("meta"):
                    return built(width)
            return built(width)

        parameters = (shaped(width).parameters() for width in widths)
        counts = [sum(p.numel() for p in each if p.requires_grad) for each in parameters]
        return wire.Message({"counts": counts})


class _Used:
    """A model used in one way."""

    def __init__(
        self,
        target: Model,
        arrays: Sequence[wire.Array],
        of: str,
        train: bool,
        recording: str,
        laid: str,
        theta: int,
        inputs: list[int],
        weights: int | None,
        seed: int,
        cast: str,
    ) -> None:
        self.target = target
        self.theta = tensors.decode(arrays[theta]).numpy()
        self.inputs = [tensors.decode(arrays[number]) for number in inputs]
        self.weights = None if weights is None else tensors.decode(arrays[weights])
        self.of, self.train, self.recording = of, train, recording
        self.laid, self.seed, self.cast = laid, seed, cast
        self.remark = ""

    def found(self) -> tuple[list[torch.Tensor], str]:
        """What comes out, and a remark on how the model came to be."""
        module = self._module().train(self.train)
        inputs = list(map(_LAID[self.laid], self.inputs))
        if self.cast == "bfloat16":
            module = module.to(torch.bfloat16)
            inputs = [x.to(torch.bfloat16) if x.is_floating_point() else x for x in inputs]
        torch.default_generator.manual_seed(self.seed)
        if self.weights is not None:
            return self._differentiated(module, inputs), self.remark
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=self.cast == "autocast")
        with _RECORDING[self.recording](), autocast:
            for x in inputs:
                output = module(x)
        return [output.float() if output.dtype is torch.bfloat16 else output], self.remark

    def _differentiated(self, module: nn.Module, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """The last output, and the gradients of parameters and inputs for all outputs together."""
        leaves = [x.requires_grad_(True) for x in inputs if x.is_floating_point()]
        parameters = list(module.parameters())
        for parameter in parameters:
            parameter.grad = None
        outputs = [module(x) for x in inputs]
        loss = torch.stack([(output * self.weights).sum() for output in outputs]).sum()
        if loss.requires_grad:
            torch.autograd.backward(loss)
        return [outputs[-1], *(_flat([_slope(p) for p in each]) for each in (parameters, leaves))]

    def _module(self) -> nn.Module:
        if self.of == "itself":
            torch.set_default_dtype(self.target.default_dtype)
            self.target.set(self.theta)
            return self.target.module
        used = self._instance()
        if self.of == "fresh":
            return used
        with torch.no_grad():  # what is copied and saved has been used before
            used.eval()(self.inputs[0])
        if self.of == "saved":
            return self._loaded(used)
        try:
            pickled = self.of == "pickled"
            twin = pickle.loads(pickle.dumps(used)) if pickled else copy.deepcopy(used)
        except Exception as error:  # some things cannot be copied: a lock, a lambda
            self.remark = f"{type(error).__name__}: {error}"[:300]
            return used
        # What one has from now on is not the other's.
        changed = {"beside": used, "changed": twin}.get(self.of)
        for parameter in changed.parameters() if changed else ():
            parameter.data.normal_()
        assert isinstance(twin, nn.Module)
        return twin

    def _instance(self) -> nn.Module:
        """A new instance with the weights that are to be used, and with the same frozen ones."""
        made = self.target.again()
        self.target.lend(made)
        for new, old in zip(made.parameters(), self.target.values, strict=True):
            new.data = old.clone()
        Model(made, self.target.default_dtype).set(self.theta)
        return made

    def _loaded(self, used: nn.Module) -> nn.Module:
        """Another instance that has loaded what was saved."""
        state = {key: _saved(value) for key, value in used.state_dict().items()}
        torch.default_generator.manual_seed(_OTHER_SEED)
        other = self.target.again()
        try:
            other.load_state_dict(state)
        except RuntimeError as error:
            weights = {name for name, _ in used.named_parameters(remove_duplicate=False)}
            if not weights <= state.keys():
                raise
            self.remark = f"{type(error).__name__}: {error}"[:300]
            other.load_state_dict({name: state[name] for name in weights}, strict=False)
        return other


def _saved(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _train(
    module: nn.Module,
    parameters: Sequence[nn.Parameter],
    weights: torch.Tensor,
    steps: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, int]:
    """The largest gradient of each parameter over some steps, all of the same length whatever the
    gradient is; and how many tensors are learnt that are no parameters.
    """
    largest = torch.zeros(len(parameters), dtype=torch.float64)
    known = {id(parameter) for parameter in parameters}
    outside = 0
    for x in steps:
        loss = (module(x) * weights).sum()
        if loss.requires_grad:
            outside = max(outside, len(_leaves(loss) - known))
            loss.backward()
        with torch.no_grad():
            for number, parameter in enumerate(parameters):
                if parameter.grad is None:
                    continue
                slope = _slope(parameter)
                largest[number] = max(float(largest[number]), float(slope.abs().max()))
                parameter.sub_(_RATE * slope.sign())
                parameter.grad = None
    return largest, outside


def _longest(module: nn.Module) -> int:
    """The length of the longest axis of all tensors that it holds."""
    held = [*module.parameters(), *module.buffers()]
    held += [v for m in module.modules() for v in vars(m).values() if isinstance(v, torch.Tensor)]
    return max((length for tensor in held for length in tensor.shape), default=0)


def _leaves(output: torch.Tensor) -> set[int]:
    """The ids of the tensors in which a graph ends."""
    found, seen, open_ = set(), set(), [output.grad_fn]
    while open_:
        node = open_.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        open_ += [following for following, _ in node.next_functions]
    return found


def _slope(leaf: torch.Tensor) -> torch.Tensor:
    """Its gradient; zeros where it has none."""
    if leaf.grad is None:
        return torch.zeros_like(leaf)
    return leaf.grad.to_dense() if leaf.grad.layout != torch.strided else leaf.grad


def _flat(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors laid end to end, as the parent has them."""
    flat = [value.detach().reshape(-1).to(torch.float64) for value in values]
    return torch.cat(flat) if flat else torch.zeros(0, dtype=torch.float64)
