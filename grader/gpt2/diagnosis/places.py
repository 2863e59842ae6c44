"""Which lines of a submission a report is about."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from grader.bugs import CAUSES
from grader.results import CheckResult, Diagnosis, Mark
from grader.submission import Submission

_MOST = 8  # lines for one diagnosis: more of them would point nowhere
_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)')
_SOURCE = re.compile(r'File "(?:[^"\n]*/)?([^"\n/]+)", line (\d+)[^\n]*\n\s*([^\n]+)')


_Part = ast.ClassDef | ast.FunctionDef


def marks(
    submission: Submission,
    results: Sequence[CheckResult],
    diagnoses: Sequence[Diagnosis],
    names: Collection[str],
) -> tuple[Mark, ...]:
    """Lines where an error arose, where the policy is broken, and where a bug may be.

    names: what the candidate writes in this exercise.
    """
    found = [Mark(v.file, v.line, v.what) for v in submission.violations if v.users]
    found += [
        Mark(p.file, p.line, f"syntax error: {p.what}") for p in submission.problems if p.line
    ]
    for result in results:
        if result.failed:
            found += _of_error(submission, result)
    for diagnosis in diagnoses:
        found += _of_bug(submission, diagnosis, names)
    named = {diagnosis.part for diagnosis in diagnoses}
    for result in results:
        if result.failed and not result.traceback and result.check.part not in named:
            found += _of_failure(submission, result, names)
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


def _of_bug(submission: Submission, diagnosis: Diagnosis, names: Collection[str]) -> Iterator[Mark]:
    """The lines of the class that its cause is about; if there is none, where forward begins."""
    pattern = CAUSES[diagnosis.cause].lines
    for file, source, node in _written(submission, diagnosis.part, names):
        code = _code(source)
        inside = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        lines = [n for n in inside if pattern and re.search(pattern, code.get(n, ""))]
        for line in lines[:_MOST] or [_forward(node)]:
            yield Mark(file, line, f"{diagnosis.part}: {diagnosis.cause}")


def _of_failure(
    submission: Submission, result: CheckResult, names: Collection[str]
) -> Iterator[Mark]:
    """Where what fails without a name begins."""
    for file, _, node in _written(submission, result.check.part, names):
        yield Mark(file, _forward(node), result.message.split("\n")[0])
        return


def _written(
    submission: Submission, part: str, names: Collection[str]
) -> Iterator[tuple[str, str, _Part]]:
    """The class that is a part; for a part that is none, all that the candidate writes."""
    own = {item.name: item.own for item in submission.taken}
    wanted = {own.get(name, name) for name in ([part] if part in names else names)}
    for file, text in submission.files.items():
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
            source = text.decode("utf-8")
            for node in _defined(source):
                if node.name in wanted:
                    yield file, source, node


def _defined(source: str) -> list[_Part]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    return [node for node in ast.walk(tree) if isinstance(node, _Part)]


def _forward(node: _Part) -> int:
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
