"""What a submission tried that it may not, as Python itself reports it.

An audit hook is no wall: code that leaves Python gets around it, and where the kernel's walls
stand they hold alone. It makes the same attempt end in the same words on every platform, and its
testimony can only lower a score.
"""

from __future__ import annotations

import _imp
import functools
import importlib
import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from types import FrameType, ModuleType
from typing import Any

import torch

from grader.sandbox.worker import ready_made
from grader.sandbox.worker.reach import NULL, Reach

_MAX_TEXT = 200
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

# Raised by us where something is done of which Python tells nobody.
_TORCH_FILE, _CALL = "grader.torch_file", "grader.call"
# Events by which code comes to be, and which of their arguments is the file that it claims.
_MADE = {"compile": 1, "code.__new__": 1}
_OURS = "grader."
_SILENT = {
    **dict.fromkeys(
        ("os", "posix"),
        ("mkfifo", "mknod", "setpriority", "sched_setaffinity", "sched_setscheduler", "chroot"),
    ),
    **dict.fromkeys(("signal", "_signal"), ("pidfd_send_signal",)),
    "_posixsubprocess": ("fork_exec",),
    "subprocess": ("_fork_exec",),
}
# Events (or beginnings of their names) and what they mean, in the candidate's terms.
_FORBIDDEN = {
    "socket.": "used the network",
    "urllib.Request": "used the network",
    "subprocess.Popen": "started a process",
    "os.system": "started a process",
    "os.exec": "started a process",
    "os.posix_spawn": "started a process",
    "os.spawn": "started a process",
    "os.startfile": "started a process",
    "os.fork": "started a process",
    "pty.spawn": "started a process",
    "os.kill": "sent a signal",
    "signal.pthread_kill": "sent a signal",
    "os.chmod": "changed a file",
    "os.chown": "changed a file",
    "os.utime": "changed a file",
    "os.link": "changed a file",
    "os.symlink": "changed a file",
    "os.mkdir": "changed a file",
    "os.rmdir": "changed a file",
    "os.remove": "changed a file",
    "os.rename": "changed a file",
    "os.truncate": "changed a file",
    "os.setxattr": "changed a file",
    "os.removexattr": "changed a file",
    "shutil.": "changed a file",
    "sqlite3.connect": "opened a file",
    "ctypes.": "went around Python with ctypes",
    "resource.prlimit": "changed the limits of a process",
    _TORCH_FILE: "opened a file through torch",
    _CALL: "called what no submission may",
    ready_made.EVENT: "used a Transformer of torch's own out of sight",
}
_PREFIXES = tuple(_FORBIDDEN)
_HARMLESS = frozenset({"socket.gethostname", "ctypes.cdata", "ctypes.addressof"})
# Parts of Python's library that start `uname` and the like of their own accord.
_ASKING = ("platform.py", "uuid.py")
_KIT: dict[str, ModuleType] = {}  # its modules, which a submission does not find
_LISTING = ("os.listdir", "os.scandir")


def announce_silent_calls() -> None:
    """Make what tells no audit hook tell it: once, before any submission is loaded."""
    _KIT.update((name, m) for name, m in sys.modules.items() if name.split(".")[0] == "grader")
    for name, functions in _SILENT.items():
        with suppress(ImportError):
            module = importlib.import_module(name)
            for function in functions:
                if hasattr(module, function):
                    call = partial(sys.audit, _CALL, f"{name}.{function}")
                    setattr(module, function, _announced(getattr(module, function), call))
    for function in ("create_builtin", "exec_builtin"):  # these make what was just announced anew
        call = partial(sys.audit, _CALL, f"_imp.{function}")
        setattr(_imp, function, _announced(getattr(_imp, function), call, _of_silent))
    for function in ("save", "from_file"):  # these open files themselves
        opens = getattr(torch, function)
        setattr(
            torch, function, _announced(opens, partial(sys.audit, _TORCH_FILE, function), _file)
        )


def _announced(
    function: Callable[..., Any],
    tell: Callable[[], object],
    matters: Callable[..., bool] = lambda *arguments, **options: True,
) -> Callable[..., Any]:
    """The function, after a word to audit hooks if these arguments matter."""

    @functools.wraps(function)
    def announced(*arguments: Any, **options: Any) -> Any:
        if matters(*arguments, **options):
            tell()
        return function(*arguments, **options)

    del announced.__wrapped__  # the way around it that wraps leaves
    return announced


def _of_silent(given: Any) -> bool:
    """Whether a module, or its specification, is one with silent calls."""
    return getattr(given, "name", None) in _SILENT or getattr(given, "__name__", None) in _SILENT


def _file(*arguments: object, **options: object) -> bool:
    """Whether one of the arguments is the name of a file."""
    return any(isinstance(item, str | os.PathLike) for item in (*arguments, *options.values()))


class Watch:
    """Ends the worker when the submission does what it may not, with a word to the parent.

    reach: what may be read; own: whether a code's file name is one of the submission's; tell:
    sends what was tried.
    """

    def __init__(
        self, reach: Reach, own: Callable[[str], bool], tell: Callable[[str], object]
    ) -> None:
        self._reach = reach
        self._own = own
        self._tell = tell

    def start(self) -> None:
        """From now on, for the life of this process."""
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            what = self._opened(*arguments)
        elif event in _LISTING:
            what = self._listed(*arguments)
        elif event in _MADE:
            what = self._made(arguments[_MADE[event]])
        elif event.startswith(_PREFIXES) and event not in _HARMLESS:
            key = next(known for known in _PREFIXES if event.startswith(known))
            what = f"{_FORBIDDEN[key]} ({arguments[0] if event.startswith(_OURS) else event})"
        else:
            return
        if what is None:
            return
        caller: FrameType | None = sys._getframe(1)
        if caller is not None and event.startswith(_OURS):
            caller = caller.f_back  # past the one who told of it
        around = event.startswith("ctypes.")
        if around and self._is_importing(caller):
            return
        own = self._is_the_submissions(caller) or (around and self._is_beneath(caller))
        if own or event == ready_made.EVENT:
            self._tell(what[:_MAX_TEXT])
            os._exit(1)
        # What torch does of its own accord is refused, but for the code it makes.
        if event not in _MADE:
            raise PermissionError(f"a submission may not do this: it {what}")

    def _opened(self, path: object, mode: object, flags: int) -> str | None:
        name = _plain(path)
        if name is None or name == NULL:
            return None
        if flags & _WRITING:
            return f"opened {name} to write"
        there = os.path.realpath(name)
        if self._reach.allows(there):
            if _is_source(there) and self._reads_it(sys._getframe(2)):
                raise PermissionError(f"a submission may not read the source of packages: {name}")
            return None
        return f"read {name}" if os.path.exists(there) else None

    def _listed(self, path: object) -> str | None:
        name = _plain(path)
        if name is None:
            return None
        there = os.path.realpath(name)
        if self._reach.allows(there) or there == os.getcwd() or not os.path.isdir(there):
            return None
        return f"listed {there}"

    def _made(self, claimed: object) -> str | None:
        """Code under the name of a file that is not the submission's, but for what is imported."""
        importing = sys._getframe(2).f_code.co_filename.startswith("<frozen importlib")
        if importing or not isinstance(claimed, str) or self._own(claimed):
            return None
        return f"made code under the name of {claimed}"

    def _reads_it(self, frame: FrameType | None) -> bool:
        """Whether the submission reads a file itself, where an import would be all right."""
        return not _is_import(frame) and self._is_the_submissions(frame)

    def _is_beneath(self, frame: FrameType | None) -> bool:
        """Whether the submission is anywhere above, however many packages are between: what they
        call for it may be its own.
        """
        while frame is not None and not self._own(frame.f_code.co_filename):
            frame = frame.f_back
        return frame is not None

    def _is_importing(self, frame: FrameType | None) -> bool:
        """Whether a module is being imported there, which does what it does whoever imports it,
        and nothing of the submission's stands between.
        """
        while frame is not None and not self._own(frame.f_code.co_filename):
            if frame.f_code.co_name == "<module>" and _is_genuine(frame):
                return True
            frame = frame.f_back
        return False

    def _is_the_submissions(self, frame: FrameType | None) -> bool:
        """Whether the submission asked for this: not torch or a package between it and here."""
        while frame is not None:
            name = frame.f_code.co_filename
            if self._own(name):
                return True
            theirs = not _is_standard(name) or os.path.basename(name) in _ASKING
            if theirs and _is_genuine(frame):
                return False
            frame = frame.f_back
        return True  # a thread that was started on a function of Python's own


def _plain(path: object) -> str | None:
    """A path as a true string; None for a descriptor, which has been opened before."""
    return os.fsdecode(os.fsencode(path)) if isinstance(path, str | bytes | os.PathLike) else None


def own_files(names: Collection[str]) -> Callable[[str], bool]:
    """Code of these files, and code that has no file: made by `exec` and the like."""
    return lambda name: name in names or (name.startswith("<") and not name.startswith(_STANDARD))


def _is_genuine(frame: FrameType) -> bool:
    """Whether code is of the module whose file it names: a submission can compile its own under
    any name.
    """
    name = frame.f_globals.get("__name__", "")
    module = sys.modules.get(name) or _KIT.get(name)
    if module is None or vars(module) is not frame.f_globals:
        return False
    body = frame.f_code.co_name == "<module>"  # which runs while it is imported, and never after
    importing = getattr(module.__spec__, "_initializing", False)
    return getattr(module, "__file__", None) == frame.f_code.co_filename and body <= importing


def _is_source(path: str) -> bool:
    """Whether a file is the text of an installed package's module, or its compiled form."""
    return path.endswith((".py", ".pyc")) and "-packages" in path


def _is_import(frame: FrameType | None) -> bool:
    """Whether Python's own import is at work there, loading a module."""
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        if frame.f_code.co_name == "_load_unlocked":
            return True
        frame = frame.f_back
    return False


def _is_standard(name: str) -> bool:
    """Whether a code's file is of Python's own library."""
    return name.startswith(_STANDARD) and "-packages" not in name


_STANDARD = (os.path.dirname(os.__file__) + os.sep, "<frozen")
