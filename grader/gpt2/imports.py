"""Whether a submission can be imported: what stops halfway costs little, and is named."""

from __future__ import annotations

import ast
import re
from contextlib import suppress

from grader.check import Failure
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError, Fault, LoadedSubmission
from grader.vocabulary import UNPARSED

HINTS = (
    "What does your file do when somebody imports it?",
    "Start Python in the folder of your file, import it, and see which line it stops at.",
    "Keep definitions at the top level only. Put tests, training, input and downloads below "
    '`if __name__ == "__main__":`, which an import leaves out.',
)
_ADVICE = "What a script does belongs below `if __name__ == '__main__':`."
_PART = "The grader went on with the definitions, imports and assignments that your code needs."
# What was tried, as the worker words it, in honest scripts too.
_HONEST = ("used the network", "changed a file (os.mkdir)")
_MAX_LINE = 80


def check_imports(evidence: Evidence) -> None:
    """Fail for a file of which a part does not parse, or whose import stops halfway."""
    subject = evidence.subject
    subject.found_classes()
    submission = subject.submission
    # A class that does not parse says so itself.
    if submission.problems and submission.lost.keys().isdisjoint(subject.classes):
        problems = "\n".join(map(str, submission.problems))
        raise Failure(f"{problems}\nThe rest of the file was looked at.", cause=UNPARSED)
    if submission.stubs.issuperset(subject.classes):
        raise CandidateError("todo", "not written yet")
    fault = subject.loading.fault
    if fault is None or _is_of_a_class(subject, fault):
        return
    message = stopped(subject, fault)
    honest = fault.status == "violation" and _is_honest(fault)
    raise CandidateError("fail" if honest else fault.status, message, fault.traceback)


def _is_of_a_class(subject: LoadedSubmission, fault: Fault) -> bool:
    """Whether it stops because one of the classes cannot be defined, which costs that class."""
    failed = subject.loading.failed
    return any(failed[name].message == fault.message for name in subject.classes if name in failed)


def _is_honest(fault: Fault) -> bool:
    words = fault.message.removeprefix("the submission ")
    written = re.match(r"opened (?!/)(.*) to write", words)  # a file beside the submission
    return words.startswith(_HONEST) or bool(written and ".." not in written[1])


def stopped(subject: LoadedSubmission, fault: Fault) -> str:
    """At which line an import stops, and why."""
    return f"{_place(subject, fault)} {_why(fault)}. {_ADVICE} {_PART}"


def _place(subject: LoadedSubmission, fault: Fault) -> str:
    """Such as "line 70 of gpt2.py (`sys.exit(0)`)"."""
    submission = subject.submission
    if fault.place is None:
        return submission.main
    file, line = fault.place[0].removeprefix(f"{submission.folder}/"), fault.place[1]
    source = submission.files.get(file, b"")
    if fault.status == "timeout":
        line = _loop_around(source, line)
    lines = source.decode("utf-8", "replace").splitlines()
    if not 0 < line <= len(lines):
        return submission.main
    text = lines[line - 1].strip()
    shown = text if len(text) <= _MAX_LINE else f"{text[:_MAX_LINE]}…"
    return f"line {line} of {file} (`{shown}`)"


def _loop_around(source: bytes, line: int) -> int:
    """Where the outermost loop begins that a line is in; the line itself if it is in none."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.For | ast.While) and line in _lines_of(node):
                return node.lineno
    return line


def _lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _why(fault: Fault) -> str:
    when = "when the file is imported"
    if fault.status == "timeout":
        return f"runs for ever, or too long, {when}: it was still running after 10 seconds"
    if fault.kind == "SystemExit":
        return f"ends the program {when} ({_raised(fault)})"
    if fault.kind == "EOFError":
        return f"waits for input {when}, and nobody is there to type"
    if fault.status == "violation":
        tried = fault.message.removeprefix("the submission ").split(", which none may")[0]
        return f"{tried} {when}, which no submission may"
    if fault.missing:
        return f"needs the package {fault.missing} {when}, which is not installed here"
    if fault.kind:
        return f"raises an error {when}: {_raised(fault)}"
    return f"stops {when}: {fault.message}"


def _raised(fault: Fault) -> str:
    return fault.message.removeprefix("it raised ")
