"""Which lines of a submission a report is about."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress

from grader.bugs import CAUSES
from grader.results import CheckResult, Diagnosis, Mark
from grader.submission import Submission

_MOST = 8  # lines for one diagnosis: more of them would point nowhere
_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)')
_SOURCE = re.compile(r'File "(?:[^"\n]*/)?([^"\n/]+)", line (\d+)[^\n]*\n\s*([^\n]+)')


def marks(
    submission: Submission, results: Sequence[CheckResult], diagnoses: Sequence[Diagnosis]
) -> tuple[Mark, ...]:
    """Lines where an error arose, where the policy is broken, and where a named bug may be."""
    found = [Mark(v.file, v.line, v.what) for v in submission.violations if v.users]
    found += [
        Mark(p.file, p.line, f"syntax error: {p.what}") for p in submission.problems if p.line
    ]
    for result in results:
        if result.failed:
            found += _of_error(submission, result)
    for diagnosis in diagnoses:
        found += _of_bug(submission, diagnosis)
    return tuple(dict.fromkeys(found))


def told(result: CheckResult) -> str:
    """What a check found; of an exception also the line that raised it, and the call."""
    found = result.message
    if frames := _SOURCE.findall(result.traceback):
        file, line, code = frames[-1]
        found = f"{found.rstrip('.')}, in {file}, line {line}: {code.strip()}"
    return f"{found} (called: {result.call})" if result.call else found


def _of_error(submission: Submission, result: CheckResult) -> Iterator[Mark]:
    """The last of the submission's own lines that an error went through."""
    folder = f"{submission.folder}/"
    frames = [(f.removeprefix(folder), int(n)) for f, n in _FRAME.findall(result.traceback)]
    own = [(file, line) for file, line in frames if file in submission.files]
    if own:
        yield Mark(*own[-1], result.message.splitlines()[0])


def _of_bug(submission: Submission, diagnosis: Diagnosis) -> Iterator[Mark]:
    """The lines of the class that its cause is about; if there is none, where forward begins."""
    pattern = CAUSES[diagnosis.cause].code
    for file, text in submission.files.items():
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
            source = text.decode("utf-8")
            node = _class(source, diagnosis.part)
            if node is None:
                continue
            code = _code(source)
            inside = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            lines = [n for n in inside if pattern and re.search(pattern, code.get(n, ""))]
            for line in lines[:_MOST] or [_forward(node)]:
                yield Mark(file, line, f"{diagnosis.part}: {diagnosis.cause}")


def _class(source: str, name: str) -> ast.ClassDef | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return next((node for node in classes if node.name == name), None)


def _forward(node: ast.ClassDef) -> int:
    functions = (item for item in node.body if isinstance(item, ast.FunctionDef))
    return next((f.lineno for f in functions if f.name == "forward"), node.lineno)


def _code(source: str) -> dict[int, str]:
    """What stands on each line apart from comments and strings."""
    lines: dict[int, str] = {}
    skipped = (tokenize.COMMENT, tokenize.STRING)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            line = token.start[0]
            start = len(lines.get(line, ""))
            lines[line] = lines.get(line, "") + " " * (token.start[1] - start) + token.string
    return lines
