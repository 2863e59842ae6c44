"""A worker in which float64 goes by the name of float32, and an absent device is the CPU.

Float32 is what people use, float64 is the grader's own convenience: in it equality is shown to
nine digits. A submission that insists on float32 runs here with float64 numbers in its hands, and
whatever asks says float32. What it gives in real float32 is compared besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

DEVICES, SINGLE = "devices", "float32"  # what may be pretended; the second includes the first
_HERE = ("cpu", "meta")
_ABSENT = ("cuda", "mps", "xpu")

_Function = Callable[..., Any]


class _FloatTensorType(type):
    """`isinstance(x, torch.FloatTensor)`, and `torch.FloatTensor(…)`, as they are pretended."""

    def __instancecheck__(cls, item: object) -> bool:
        return isinstance(item, torch.DoubleTensor)

    def __call__(cls, *args: Any, **kwargs: Any) -> torch.Tensor:
        made: torch.Tensor = torch.DoubleTensor(*args, **kwargs)
        return made


class FloatTensor(metaclass=_FloatTensorType):
    """What stands for `torch.FloatTensor`."""


_REAL_FLOAT_TENSOR = torch.FloatTensor
_set_default_dtype = torch.set_default_dtype
_set_default_device = torch.set_default_device


def _get_default_dtype() -> torch.dtype:
    return torch.float32


def _set_as_told(dtype: torch.dtype) -> None:
    _set_default_dtype(_TOLD.get(dtype, dtype))


def _set_device_here(device: Any) -> None:
    kind = torch.device(device).type if device is not None else "cpu"
    _set_default_device(device if kind in _HERE else "cpu")


# What the submission says, and what it gets; and what it gets, as it is told.
_TOLD = {torch.float32: torch.float64, torch.complex64: torch.complex128}
_SAID = {meant: said for said, meant in _TOLD.items()}
_NAMES = {
    "torch.FloatTensor": "torch.DoubleTensor",
    "torch.cuda.FloatTensor": "torch.DoubleTensor",
}
_DTYPE_SHOWN = ", dtype=torch.float64"  # in what `print` shows of a tensor
_INSTEAD: dict[Any, _Function] = {torch.Tensor.float: torch.Tensor.double}
# Tensors that really are in float32, by id; as of which of their versions, and in float64.
_KNOWN: dict[int, tuple[torch.Tensor, int, torch.Tensor]] = {}


class Devices(TorchFunctionMode):
    """Puts on the CPU what is meant for a device that is not here."""

    def __torch_function__(
        self,
        func: _Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.Tensor.cuda:
            return args[0]
        given = kwargs or {}
        if func is torch.Tensor.to and len(args) > 1 and type(args[1]) is int:
            args = (args[0], "cpu", *args[2:])
        if type(given.get("device")) is int:
            given = {**given, "device": "cpu"}
        return func(*self._changed(args), **self._changed(given))

    def _changed(self, item: Any) -> Any:
        """The item, or what is passed on in its place."""
        kind = type(item)
        if kind in (tuple, list):
            changed = [self._changed(each) for each in item]
            same = all(new is old for new, old in zip(changed, item, strict=True))
            return item if same else kind(changed)
        if kind is dict:
            return {key: self._changed(value) for key, value in item.items()}
        return self._leaf(item)

    def _leaf(self, item: Any) -> Any:
        if isinstance(item, torch.device) and item.type not in _HERE:
            return torch.device("cpu")
        if type(item) is str and item.split(":")[0] in _ABSENT:
            return "cpu"
        return item


class Single(Devices):
    """The same, and float64 wherever float32 is said."""

    def __torch_function__(
        self,
        func: _Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = super().__torch_function__(_INSTEAD.get(func, func), types, args, kwargs)
        if isinstance(result, torch.Tensor):
            return _widened(result)
        if isinstance(result, torch.dtype):
            return _SAID.get(result, result)
        if type(result) is str:
            return result.replace("DoubleTensor", "FloatTensor").replace(_DTYPE_SHOWN, "")
        return result

    def _leaf(self, item: Any) -> Any:
        if isinstance(item, torch.dtype):
            return _TOLD.get(item, item)
        if isinstance(item, torch.Tensor):
            return item if item.dtype not in _TOLD else _known(item)
        if item is FloatTensor or item is _REAL_FLOAT_TENSOR:
            return torch.DoubleTensor
        if type(item) is str and item in _NAMES:
            return _NAMES[item]
        return super()._leaf(item)


def _known(tensor: torch.Tensor) -> torch.Tensor:
    """One from before that really is in float32, as made when the submission was imported."""
    known = _KNOWN.get(id(tensor))
    if known is None or known[1] != tensor._version:
        known = _KNOWN[id(tensor)] = tensor, tensor._version, _widened(tensor)
    return known[2]


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that really is in float32, as NumPy may give one, in float64."""
    wanted = _TOLD.get(tensor.dtype)
    return tensor if wanted is None else tensor.to(wanted)


@contextmanager
def pretending(what: str, own: Sequence[ModuleType] = ()) -> Iterator[None]:
    """Within, the submission's code is told DEVICES or SINGLE; nothing for "".

    own: its modules, which may have imported names of torch's.
    """
    if not what:
        yield
        return
    mode = Single if what == SINGLE else Devices
    with mode(), _replaced(_stand_ins(mode), own):
        yield


def _stand_ins(mode: type[Devices]) -> list[tuple[ModuleType, str, Any]]:
    """What no mode reaches: where it is, its name, and what is to stand for it."""
    run_backward = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

    def backward(*args: Any, **kwargs: Any) -> Any:
        with mode():  # functions of the submission may have a part in it
            return run_backward(*args, **kwargs)

    stand_ins: list[tuple[ModuleType, str, Any]] = [
        (torch, "set_default_device", _set_device_here),
        (torch.autograd, "_engine_run_backward", backward),
    ]
    if mode is Single:
        stand_ins += [
            (torch, "FloatTensor", FloatTensor),
            (torch, "get_default_dtype", _get_default_dtype),
            (torch, "set_default_dtype", _set_as_told),
        ]
    return stand_ins


@contextmanager
def _replaced(
    stand_ins: Sequence[tuple[ModuleType, str, Any]], own: Sequence[ModuleType]
) -> Iterator[None]:
    """Within, these are replaced, also where the submission's modules have them."""
    changed: list[tuple[ModuleType, str, Any]] = []
    for home, name, stand_in in stand_ins:
        real = getattr(home, name)
        imported = [(m, key) for m in own for key, value in vars(m).items() if value is real]
        for module, key in ((home, name), *imported):
            changed.append((module, key, real))
            setattr(module, key, stand_in)
    try:
        yield
    finally:
        for module, key, real in changed:
            setattr(module, key, real)
