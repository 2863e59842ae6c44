"""The submission in a worker: how it is imported, and what it has."""

from __future__ import annotations

import inspect
import socket
import sys
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any

from grader.sandbox import wire
from grader.sandbox.worker import audit, describe, places, ready_made, stand_ins
from grader.sandbox.worker.adapted import Adapted
from grader.sandbox.worker.loader import SubmissionFinder, hide_the_kit, load
from grader.sandbox.worker.missing import MissingPackages
from grader.sandbox.worker.pretend import DEVICES, pretending
from grader.sandbox.worker.reach import Reach


class Imported:
    """What a submission has, once it is loaded.

    connection: over which it is told what it tries meanwhile; reach: what it may read; objects:
    what lives in the worker, by place.
    """

    def __init__(self, connection: socket.socket, reach: Reach, objects: dict[str, Any]) -> None:
        self.connection = connection
        self.reach = reach
        self.objects = objects
        self.finder: SubmissionFinder | None = None
        self.classes: dict[str, Any] = {}
        self.adapted: dict[str, Adapted] = {}

    def class_(self, name: str) -> Callable[..., Any]:
        """The class of that name, with the brief's names and arguments."""
        found: Callable[..., Any] = self.adapted.get(name, self.classes[name])
        return found

    def own_files(self) -> Collection[str]:
        """Names of the submission's files."""
        return self.finder.names if self.finder else ()

    def modules(self) -> list[ModuleType]:
        """Those that its files have become."""
        return stand_ins.modules_of(self.own_files())

    def load(
        self,
        arrays: tuple[wire.Array, ...],
        folder: str,
        files: list[str],
        main: str,
        package: str | None,
        classes: list[str],
        base: str | None,
        base_classes: list[str],
        replaced: list[str],
        taken: dict[str, dict[str, Any]],
        seconds: float,
        only: dict[str, list[int]] | None,
        missing: list[str],
        ready_made_too: bool,
    ) -> wire.Message:
        """Import the submission; says which of the classes it has.

        base: the file that it builds on, which has the base_classes; replaced: the classes that
        the grader's own stand in for; taken: of classes that have other names or arguments than
        the brief's, where they are and how they are built; seconds: how long it may take; only: as
        of SubmissionFinder; missing: packages of which nothing is there; ready_made_too: whether
        it may use torch's own Transformers.
        """
        texts = {name: array.data for name, array in zip(files, arrays, strict=True)}
        finder = self.finder = SubmissionFinder(folder, texts, package, only)
        sys.meta_path.append(MissingPackages(missing))
        sys.argv[:] = [f"{folder}/{main}"]
        own = audit.own_files(finder.names)
        audit.Watch(self.reach, own, self._tell_attempt).start()
        hide_the_kit()
        ready_made.allow() if ready_made_too else ready_made.take_away()
        try:
            with places.Watchdog(seconds, finder.names, self._tell_late):
                module, found = self._loaded(finder, main, classes, base, base_classes, taken)
        except BaseException as error:
            told = describe.exception(error, finder.names)
            lacking = error.name if isinstance(error, ModuleNotFoundError) else None
            place = places.of_error(error, finder.names)
            return wire.Message({"error": told, "place": place, "missing": lacking})
        self.classes.update(found)
        if replaced:
            modules = [module, *stand_ins.modules_of(finder.names)]
            stand_ins.install(replaced, self.classes, modules)
            for name in self.adapted.keys() & set(map(stand_ins.plain, replaced)):
                self.adapted.pop(name).stand_in(self.classes[name])
        failed = [
            {"error": describe.exception(error, finder.names), "names": names}
            for error, names in finder.failed
        ]
        self.objects.update((f"own:{name}", it) for name, it in self.classes.items())
        said = {n: describe.callable_(n, item) for n, item in self.classes.items()}
        return wire.Message({"classes": said, "failed": failed})

    def _loaded(
        self,
        finder: SubmissionFinder,
        main: str,
        classes: list[str],
        base: str | None,
        base_classes: list[str],
        taken: dict[str, dict[str, Any]],
    ) -> tuple[ModuleType, dict[str, Any]]:
        """The main module, and what the files have of the classes."""
        # With a device that is not here nothing would come of it.
        names_one = any(b"cuda" in text or b"mps" in text for text in finder.files.values())
        with pretending(DEVICES if names_one else ""):
            module = load(finder, main)
        found = {name: getattr(module, name) for name in classes if hasattr(module, name)}
        found |= self._taken(taken, main, module)
        if base is not None:
            below = load(finder, base)
            of_base = {name: getattr(below, name) for name in base_classes if hasattr(below, name)}
            found = of_base | found
        return module, found

    def _taken(
        self, taken: dict[str, dict[str, Any]], main: str, module: ModuleType
    ) -> dict[str, Any]:
        """What is taken for classes of the brief. module: that of the main file."""
        finder = self.finder
        assert finder is not None

        def load_own(file: str) -> ModuleType:
            return module if file == main else load(finder, file)

        found = {}
        for name, about in taken.items():
            kind = getattr(load_own(about["file"]), about["own"], None)
            if kind is not None:
                found[name] = kind
                if about["plan"] and inspect.isclass(kind):
                    self.adapted[name] = Adapted(kind, about["plan"], load_own, main)
        return found

    def _tell_attempt(self, what: str) -> None:
        names = self.finder.names if self.finder else ()
        place = places.of_frame(sys._getframe(), names)
        wire.send(self.connection, wire.Message({"attempt": what, "place": place}))

    def _tell_late(self, place: places.Place | None) -> None:
        wire.send(self.connection, wire.Message({"late": True, "place": place}))
