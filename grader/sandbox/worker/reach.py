"""Which files a worker may read: Python's, torch's and those of other installed packages.

The kit itself is left out wherever it lies, and with it the solutions and the oracle.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_SITES = ("site-packages", "dist-packages")
# Without cpuinfo torch falls back to slower kernels, with other last digits.
_FILES = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/etc/ld.so.cache",
    "/etc/localtime",
)
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
NULL = "/dev/null"
_READY_MADE = (
    "nn/functional.py",
    "nn/modules/activation.py",
    "nn/modules/transformer.py",
    "ao/nn/quantizable/modules/activation.py",
    "ao/nn/quantized/modules/activation.py",
    "testing/_internal/common_fsdp.py",
    "testing/_internal/distributed/_tensor",
)


@dataclass(frozen=True)
class Reach:
    """read: files and folders with all below; list: folders of which the names may be seen."""

    read: tuple[str, ...]
    list: tuple[str, ...]

    def allows(self, path: str) -> bool:
        """Whether the file of this absolute, resolved path may be read."""
        return path in self.list or any(_holds(known, path) for known in self.read)


def reach() -> Reach:
    """What this interpreter needs, after `sys.path` has lost the kit."""
    searched = [entry for entry in map(os.path.realpath, sys.path) if os.path.isdir(entry)]
    libraries = [
        os.path.realpath(folder)
        for folder in (*_LIBRARIES, *(os.path.join(p, "lib") for p in (sys.base_prefix,)))
    ]
    read = [path for folder in searched for path in _inside(folder)]
    read += [path for folder in libraries for path in _inside(folder) if not _is_python(path)]
    read += [os.path.realpath(path) for path in _FILES if os.path.exists(path)]
    read += [path for path in searched if os.path.isfile(path)]  # the library in a zip
    return Reach(tuple(dict.fromkeys(read)), tuple(dict.fromkeys(searched)))


def _inside(folder: str) -> Iterator[str]:
    """What lies in a folder but for other folders of packages, and the kit."""
    if not os.path.isdir(folder):
        return
    for entry in os.scandir(folder):
        if entry.name not in _SITES and not is_the_kit(entry.path):
            yield from _but_ready_made(os.path.realpath(entry.path))


def _but_ready_made(path: str) -> Iterator[str]:
    """What lies at a path, but for the texts of Transformers: piece by piece, where some are."""
    hidden = _ready_made()
    if path in hidden:
        return
    if not any(_holds(path, other) for other in hidden):
        yield path
        return
    for name in sorted(os.listdir(path)):
        yield from _but_ready_made(os.path.join(path, name))


@functools.cache
def _ready_made() -> frozenset[str]:
    """Files and folders of torch with the text of one, or its compiled form.

    What of them is needed is imported before any submission.
    """
    spec = importlib.util.find_spec("torch")
    found = set()
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for inside in _READY_MADE:
            path = os.path.join(os.path.realpath(folder), *inside.split("/"))
            name = os.path.basename(path).removesuffix(".py")
            cached = os.path.join(os.path.dirname(path), "__pycache__", f"{name}.*.pyc")
            found |= {path, *glob.glob(cached)}
    return frozenset(found)


def _is_python(path: str) -> bool:
    """Whether a folder is a Python's library, which is reached through `sys.path` alone."""
    return os.path.basename(path).startswith("python")


def is_the_kit(path: str) -> bool:
    """Whether a path is of the kit, lies in it, or holds it."""
    if os.path.basename(path).startswith(("__editable__", "gpt2_interview_kit")):
        return True
    here = os.path.realpath(path)
    return any(_holds(here, secret) or _holds(secret, here) for secret in _secrets())


@functools.cache
def _secrets() -> tuple[str, ...]:
    """The package, and the worked solutions if it lies in the repository."""
    package = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    solutions = os.path.join(os.path.dirname(package), "solutions")
    return (package, solutions) if os.path.isdir(solutions) else (package,)


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
