"""``python -m grader`` is the console script ``grader``."""

from __future__ import annotations

import sys
import traceback


def main() -> None:
    """The command. What ends it, but a verdict, never has the exit code of one."""
    try:
        from grader.cli import main as command

        command()
    except KeyboardInterrupt:  # while it is loading
        sys.exit(130)  # as shells count it
    except Exception:
        traceback.print_exc()
        sys.exit(3)  # the grader itself failed


if __name__ == "__main__":
    main()
