"""What a submission prints, warns of or logs: kept for the report, bounded, and of no weight."""

from __future__ import annotations

import io
import sys
from typing import Any

LIMIT = 4000  # bytes that are kept between one answer and the next


class _Kept(io.BufferedIOBase):
    """The first bytes that are written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        """As streams are asked."""
        return True

    def fileno(self) -> int:
        """That of the standard output, which leads nowhere."""
        return 1

    def write(self, data: Any) -> int:
        """Keep what there is room for."""
        given = bytes(memoryview(data)[: LIMIT - len(self.data)])
        self.data += given
        return len(memoryview(data))


class Printed:
    """Both standard streams from now on, and what was written to them."""

    def __init__(self) -> None:
        self._kept = _Kept()
        stream = io.TextIOWrapper(  # type: ignore[type-var]  # typeshed asks for BinaryIO
            self._kept, encoding="utf-8", errors="backslashreplace", write_through=True
        )
        sys.stdout = sys.stderr = stream

    def take(self) -> str:
        """What was written since this was asked last."""
        if not self._kept.data:
            return ""
        text = self._kept.data.decode("utf-8", "replace")
        self._kept.data.clear()
        return text
