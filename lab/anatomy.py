"""What a submission's model is made of: seen by letting it read two short texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from lab.bridge import logits_of

_B = 2
_LONGEST = 13  # tokens
_MOST_SUMMANDS = 8
_CLOSE = 1e-5


@dataclass
class Part:
    """A module. shape: of what it gives, such as (B, T, 128); own: its parameters, with shapes.

    count: parameters in it that are not counted elsewhere before; added: whether what it gives is
    added to what its module was given; same_as: an earlier one that is made in the same way.
    """

    name: str
    kind: str
    shape: str = ""
    count: int = 0
    own: list[str] = field(default_factory=list)
    says: str = ""
    added: bool = False
    same_as: str = ""
    parts: list[Part] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """See from_json."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Part:
        """Raises TypeError, KeyError."""
        return cls(**{**given, "parts": [cls.from_json(part) for part in given["parts"]]})


@dataclass
class _Call:
    """The first time that a module is called."""

    number: int
    given: torch.Tensor | None
    gave: torch.Tensor | None = None


def anatomy(model: nn.Module, vocab_size: int, block_size: int) -> Part:
    """The parts of a model in the order in which they are used. The model stays as it is."""
    length = _length(model, block_size)
    calls = _calls(model, vocab_size, length)
    names = {id(p): name for name, p in model.named_parameters()}
    whole = _part("", model, calls, names, set(), length)
    whole.name = "model"
    return whole


def in_order(model: nn.Module, vocab_size: int, block_size: int) -> list[nn.Module]:
    """The modules that are called, in the order in which they are."""
    calls = _calls(model, vocab_size, _length(model, block_size))
    called = [module for module in model.modules() if id(module) in calls]
    return sorted(called, key=lambda module: calls[id(module)].number)


def _calls(model: nn.Module, vocab_size: int, length: int) -> dict[int, _Call]:
    """Of each module that is called its first call, in the order in which they begin."""
    calls: dict[int, _Call] = {}

    def begin(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        calls.setdefault(id(module), _Call(len(calls), _tensor(inputs)))

    def end(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        call = calls[id(module)]
        call.gave = _tensor(output) if call.gave is None else call.gave

    device, training = next(model.parameters()).device, model.training
    bridged = logits_of(model).eval()
    hooks = [m.register_forward_pre_hook(begin) for m in model.modules()]
    hooks += [m.register_forward_hook(end) for m in model.modules()]
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            bridged(torch.randint(vocab_size, (_B, length), device=device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return calls


def _length(model: nn.Module, block_size: int) -> int:
    """How many tokens to read: such a number as no size of the model is."""
    sizes = {size for parameter in model.parameters() for size in parameter.shape}
    heads = {value for m in model.modules() for value in vars(m).values() if type(value) is int}
    free = (n for n in range(min(block_size, _LONGEST), 0, -1) if n not in sizes | heads)
    return next(free, 1)


def _tensor(value: Any) -> torch.Tensor | None:
    """The first tensor of what a module takes or gives."""
    if torch.is_tensor(value):
        return value
    found = value if isinstance(value, tuple | list) else ()
    return next((one for one in found if torch.is_tensor(one)), None)


def _part(
    name: str,
    module: nn.Module,
    calls: Mapping[int, _Call],
    names: Mapping[int, str],
    seen: set[int],
    length: int,
) -> Part:
    call = calls.get(id(module))
    inside = sorted(
        _children(module, calls), key=lambda one: _number(one[1], calls)
    )  # sorted keeps those that are never called where they are
    own = []
    count = 0
    for short, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
        tied = id(parameter) in seen
        count += 0 if tied else parameter.numel()
        own.append(f"{short} ({', '.join(map(str, parameter.shape))})")
        if tied:
            own[-1] += f" = {names[id(parameter)]}"
        seen.add(id(parameter))
    parts = [_part(short, one, calls, names, seen, length) for short, one in inside]
    _mark_added(call, [one for _, one in inside], parts, calls)
    _mark_same(parts)
    part = Part(name, type(module).__name__, own=own, parts=parts)
    part.count = count + sum(one.count for one in parts)
    part.says = "" if own or parts else module.extra_repr().removesuffix(", inplace=False")
    if call is not None and call.gave is not None:
        part.shape = _in_letters(call.gave.shape, length)
    return part


def _children(module: nn.Module, calls: Mapping[int, _Call]) -> Iterator[tuple[str, nn.Module]]:
    """With those of a list in the place of the list."""
    for name, child in module.named_children():
        if id(child) in calls or not list(child.children()):
            yield name, child
        else:
            yield from ((f"{name}.{n}", one) for n, one in _children(child, calls))


def _number(module: nn.Module, calls: Mapping[int, _Call]) -> int:
    call = calls.get(id(module))
    return len(calls) if call is None else call.number


def _in_letters(shape: Sequence[int], length: int) -> str:
    sizes = ["T" if size == length else str(size) for size in shape]
    if sizes and shape[0] == _B:
        sizes[0] = "B"
    return f"({', '.join(sizes)})"


def _mark_added(
    call: _Call | None,
    modules: Sequence[nn.Module],
    parts: Sequence[Part],
    calls: Mapping[int, _Call],
) -> None:
    """Which parts' outputs make, added to the input, what the module gives."""
    if call is None or call.given is None or call.gave is None or call.given.ndim != 3:
        return
    given, gave = call.given, call.gave
    if given.shape != gave.shape:
        return
    fitting = [
        (part, found.gave)
        for part, module in zip(parts, modules, strict=True)
        if (found := calls.get(id(module))) and found.gave is not None
        if found.gave.shape == gave.shape
    ][:_MOST_SUMMANDS]
    for size in range(1, min(len(fitting), 3) + 1):
        for chosen in itertools.combinations(fitting, size):
            total = given + sum(output for _, output in chosen)
            if torch.allclose(total, gave, rtol=_CLOSE, atol=_CLOSE):
                for part, _ in chosen:
                    part.added = True
                return


def _mark_same(parts: Sequence[Part]) -> None:
    """Of parts in a list that are made alike, all but the first are told by the first's name."""
    first: dict[str, Part] = {}
    for part in parts:
        if "." not in part.name and not part.name.isdecimal():
            continue
        form = repr([part.kind, part.shape, part.own, [one.as_json() for one in part.parts]])
        if form in first and part.parts:
            part.same_as, part.parts, part.own = first[form].name, [], []
        else:
            first[form] = part
