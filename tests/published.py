"""Says everywhere where this copy of the kit is published, or makes anew what is made of stubs.

    python -m tests.published [ADDRESS]

ADDRESS is that of a repository on GitHub, such as https://github.com/acme/kit; without
one, that which is known stays.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from grader import starter
from grader.catalogue import EXERCISES
from tests.bank import ROOT

_KNOWN = re.compile(r'^HOME = ".*"$', re.MULTILINE)
_KIT = re.compile(r"^(  KIT: git\+)\S+$", re.MULTILINE)
_ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")


def files(home: str) -> dict[Path, str]:
    """All files that have the address, or are made of stubs and briefs, with their texts."""
    module = ROOT / "grader" / "starter.py"
    workflow = ROOT / "examples" / "classroom" / ".github" / "workflows" / "classroom.yml"
    guide = ROOT / "docs" / "practising.md"
    steps = workflow.read_text(encoding="utf-8")
    found = {
        module: _KNOWN.sub(f'HOME = "{home}"', module.read_text(encoding="utf-8")),
        workflow: _KIT.sub(rf"\g<1>{home}", steps) if home else steps,
        guide: _with_links(guide.read_text(encoding="utf-8"), home),
    }
    for exercise in EXERCISES.values():
        file = ROOT / starter.FOLDER / f"{exercise.name}.ipynb"
        found[file] = starter.notebook(exercise, home)
    return found


def _with_links(text: str, home: str) -> str:
    """The guide with the last cell of each exercise's row made anew."""
    for exercise in EXERCISES.values():
        row = re.compile(rf"^(\| `{exercise.name}` \|.*\| )[^|]+ \|$", re.MULTILINE)
        text = row.sub(lambda found, one=exercise: f"{found[1]}{starter.link(one, home)} |", text)
    return text


def main() -> None:
    home = sys.argv[1] if len(sys.argv) > 1 else starter.HOME
    if home and not _ADDRESS.fullmatch(home):
        sys.exit(f"expected an address such as https://github.com/acme/kit, found {home}")
    for file, text in files(home).items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
