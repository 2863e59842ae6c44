"""What `grader start` lays beside the stubs for an editor: tasks with markers, and a container."""

from __future__ import annotations

import json

from grader.starter import HOME

# As `grader grade --format vscode` writes them.
PATTERN = r"^(.+):(\d+):(\d+): (error|warning|info): (.*)$"
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
    return {
        ".vscode/tasks.json": _text(_tasks(program, exercise)),
        ".devcontainer/devcontainer.json": _text(_CONTAINER),
    }


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


_CONTAINER: dict[str, object] = {
    "name": "GPT-2 exercises",
    "image": "mcr.microsoft.com/devcontainers/python:3.12",
    "postCreateCommand": f"pip install -q git+{HOME}",
    "customizations": {"vscode": {"extensions": ["ms-python.python"]}},
}


def _text(found: dict[str, object]) -> bytes:
    return (json.dumps(found, indent=2) + "\n").encode()
