"""What a submission prints, as a report shows it: never trusted for anything, and bounded."""

from __future__ import annotations

_LINES, _CHARACTERS = 20, 2000


class Printed:
    """The first different lines that were printed since they were taken last."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._size = 0
        self._more = False

    def add(self, text: object) -> None:
        """Note what a worker says was printed."""
        if not isinstance(text, str):
            return
        for line in text.splitlines():
            if line.strip() and line not in self._lines:
                if len(self._lines) == _LINES or self._size + len(line) > _CHARACTERS:
                    self._more = True
                    return
                self._lines[line] = None
                self._size += len(line)

    def take(self) -> str:
        """These lines, each once."""
        lines = [*self._lines, *(["[...]"] if self._more else [])]
        self._lines, self._size, self._more = {}, 0, False
        return "\n".join(lines)
