"""What `grader start` lays beside the stubs for an editor: tasks with markers, and a container."""

from __future__ import annotations

import json
from pathlib import Path

from grader.starter import HOME

# As `grader grade --format vscode` writes them.
PATTERN = r"^(.+):(\d+):(\d+): (error|warning|info): (.*)$"
_IN_CONTAINER = "/opt/gpt2-interview-kit"
_MATCHER = {
    "owner": "grader",
    "source": "grader",
    "fileLocation": ["autoDetect", "${workspaceFolder}"],
    "pattern": {
        **{"regexp": PATTERN, "file": 1, "line": 2, "column": 3, "severity": 4, "message": 5}
    },
}


def files(program: str, exercise: str) -> dict[str, bytes]:
    """The files by name. program: what to type for the grader."""
    found = {".vscode/tasks.json": _text(_tasks(program, exercise))}
    if (container := _container(HOME, Path(__file__).parents[1])) is not None:
        found[".devcontainer/devcontainer.json"] = _text(container)
    return found


def _tasks(program: str, exercise: str) -> dict[str, object]:
    grade = f"{program} grade . --exercise {exercise} --format vscode"
    watch = f"{program} watch . --exercise {exercise} --page"
    return {
        "version": "2.0.0",
        "tasks": [
            {
                "label": "grader: grade",
                "type": "shell",
                "command": grade,
                "group": {"kind": "test", "isDefault": True},
                "presentation": {"reveal": "always", "panel": "dedicated", "clear": True},
                "problemMatcher": _MATCHER,
            },
            {
                "label": "grader: watch",
                "type": "shell",
                "command": watch,
                "isBackground": True,
                "presentation": {"reveal": "always", "panel": "dedicated"},
                "problemMatcher": [],
            },
        ],
    }


def _container(home: str, checkout: Path) -> dict[str, object] | None:
    """The container, with the kit from where it is published, or from where it lies on this
    machine; None if it is to be had from neither.
    """
    if not home and not (checkout / "pyproject.toml").is_file():
        return None
    kit = {"source": str(checkout), "target": _IN_CONTAINER, "type": "bind"}
    return {
        "name": "GPT-2 exercises",
        "image": "mcr.microsoft.com/devcontainers/python:3.12",
        **({} if home else {"mounts": [kit]}),
        "postCreateCommand": f"pip install -q {f'git+{home}' if home else _IN_CONTAINER}",
        "customizations": {"vscode": {"extensions": ["ms-python.python"]}},
    }


def _text(found: dict[str, object]) -> bytes:
    return (json.dumps(found, indent=2) + "\n").encode()
