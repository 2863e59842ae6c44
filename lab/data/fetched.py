"""Files from elsewhere, each known by its hash: fetched once, or taken from a file."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab.data.places import cache
from lab.errors import LabError

_SECONDS = 30.0
_LARGEST = 10_000_000  # bytes


@dataclass(frozen=True)
class Fetched:
    """A file, where it is to be had, and the SHA-256 of what it must hold."""

    name: str
    address: str
    sha256: str

    def path(self) -> Path:
        """Where it is kept."""
        return cache() / "fetched" / self.name

    def fetch(self, source: Path | None = None) -> Path:
        """Get it from its address, or from a file that is there already. Raises LabError."""
        if source is None and self.path().is_file():
            return self.path()
        body = self._download() if source is None else self._read(source)
        found = hashlib.sha256(body).hexdigest()
        if found != self.sha256:
            raise LabError(
                f"{source or self.address} is not {self.name}: its SHA-256 is {found}, that of the "
                f"right one {self.sha256}"
            )
        return self._keep(body)

    def _download(self) -> bytes:
        try:
            with urllib.request.urlopen(self.address, timeout=_SECONDS) as answer:
                return bytes(answer.read(_LARGEST))
        except (urllib.error.URLError, OSError) as error:
            raise LabError(
                f"{self.address} cannot be reached ({error}). Without a network: get the file some "
                f"other way and name it with --file"
            ) from error

    @staticmethod
    def _read(source: Path) -> bytes:
        try:
            return source.read_bytes()
        except OSError as error:
            raise LabError(f"{source} cannot be read: {error}") from error

    def _keep(self, body: bytes) -> Path:
        place = self.path()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=place.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(body)
            Path(temporary).replace(place)
        except OSError as error:
            raise LabError(f"{place} cannot be written: {error}") from error
        return place


SHAKESPEARE = Fetched(
    "tinyshakespeare.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
