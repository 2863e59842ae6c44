"""``python -m grader`` is the console script ``grader``."""

from __future__ import annotations

import sys


def main() -> None:
    """The command, which can be interrupted while it is loading, too."""
    try:
        from grader.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)  # as shells count it


if __name__ == "__main__":
    main()
