"""A file's bytes as Python text in UTF-8, whatever came around it: encodings, fences, prompts."""

from __future__ import annotations

import ast
import codecs
import io
import re
import tokenize
import warnings
from dataclasses import dataclass, field

from grader.submission.refused import binary

# What PEP 263 lets a file declare, as far as anybody does. Others can take long, or are no text.
_ENCODINGS = re.compile(
    r"utf_8(_sig)?|utf_16(_[bl]e)?|ascii|(iso8859|cp|mac|koi8)_?\w+|latin_1|gb\w+|big5\w*"
    r"|(euc|shift|iso2022)_\w+"
)
_COOKIE = re.compile(rb"^([ \t\f]*#.*?coding[:=][ \t]*)([-\w.]+)", re.MULTILINE)
_MARKED = (
    (codecs.BOM_UTF8, "utf_8"),
    (codecs.BOM_UTF32_LE, "utf_32_le"),
    (codecs.BOM_UTF32_BE, "utf_32_be"),
    (codecs.BOM_UTF16_LE, "utf_16_le"),
    (codecs.BOM_UTF16_BE, "utf_16_be"),
)
_FENCE = re.compile(r"\s*(?:```|~~~)\s*(\w*)")
_PROMPT = re.compile(r"(>>>|\.\.\.)(?: |$)(.*)")
# Lines that IPython takes for itself: `%matplotlib inline`, `!pip install`, `?print`, `GPT2??`,
# `files = !ls`.
_MAGIC = re.compile(r"(\s*)(?:[%!?]|[\w.]+\?{1,2}\s*$|[\w, ]+=\s*(?:!|%\w))")

_MAGICS = "lines that are IPython's own (%, !, ?) were left out"
_SHELL = "get_ipython()"  # by which Jupyter writes them when it saves a notebook as a script
_ALONE = "Save the code alone."
_UNSEEN = str.maketrans(
    dict.fromkeys("\xa0\u2007\u202f", " ") | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\xad")
)
# What editors, browsers and tools put in a file's place.
_OTHERS = tuple(
    (re.compile(rf"\s*(?:{start})", re.IGNORECASE), what)
    for start, what in (
        (r"<\?xml", "XML"),
        (r"\{\\rtf", "a text of a word processor (RTF)"),
        (r"version https://git-lfs", "a pointer of Git LFS"),
    )
)


@dataclass(frozen=True)
class Text:
    """Python text to run.

    cells: of a notebook: (line with which it begins, number) of each; beside: files that it writes
    for itself; notes: what was done to it; error: why it is no text.
    """

    text: bytes
    cells: tuple[tuple[int, int], ...] = ()
    beside: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str = ""


def parsed(text: str | bytes) -> ast.Module | None:
    """The tree of a text; None if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def plain(raw: bytes) -> Text:
    """The Python text in a file's bytes, with lines numbered as there."""
    if what := binary(raw):
        return Text(raw, error=f"it is {what}, and no Python. {_ALONE}")
    try:
        text = decoded(raw)
    except ValueError as error:
        return _from_an_old_editor(raw) or Text(raw, error=str(error))
    tree = parsed(text)
    if tree is not None and _SHELL in text:
        changed = _without_shell(text, tree)
        return Text(changed.encode(), notes=(_MAGICS,) if changed != text else ())
    if tree is not None:
        return Text(text.encode())
    if other := next((what for start, what in _OTHERS if start.match(text)), ""):
        return Text(text.encode(), error=f"it is {other}, and no Python. {_ALONE}")
    for change, note in (
        (without_magics, _MAGICS),
        (_unfenced, "only what stands between the Markdown fences (```) was taken"),
        (_unprompted, "the prompts (>>>) in front of its lines were taken away"),
        (_visible, "spaces of web pages, and letters that nobody sees, were replaced"),
    ):
        changed = change(text)
        if changed != text and (tree := parsed(changed)) is not None and tree.body:
            return Text(changed.encode(), notes=(note,))
    return Text(text.encode())


def _from_an_old_editor(raw: bytes) -> Text | None:
    """The text read as Latin-1, of which accents are bytes of their own, if that is Python and
    declares no encoding.
    """
    if _COOKIE.search(b"\n".join(raw.splitlines()[:2])):
        return None
    text = raw.decode("latin_1").replace("\r\n", "\n").replace("\r", "\n")
    tree = None if "\0" in text else parsed(text)
    if tree is None or not tree.body:
        return None
    return Text(text.encode(), notes=("it is not UTF-8, and was read as Latin-1",))


def decoded(raw: bytes) -> str:
    """The text by its byte order mark, by PEP 263, or as UTF-8. Raises ValueError."""
    name = next((name for mark, name in _MARKED if raw.startswith(mark)), None)
    if name is None and b"\0" in raw[:200]:  # UTF-16 of letters that ASCII has too
        name = "utf_16_be" if raw.startswith(b"\0") else "utf_16_le"
    if name is None or name == "utf_8":
        name = _declared(raw) or "utf_8"
    try:
        text = raw.decode(name)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(
            f"line {line}: a byte that is not {name.replace('_', '-').upper()}. Save the file as "
            "UTF-8, or declare its encoding in its first line."
        ) from None
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = text.rstrip("\0\x1a")  # a block that was not filled, and the end of a text in DOS
    if "\0" in text:
        raise ValueError("it has NUL bytes. Save it as UTF-8.")
    head, rest = _split(text)
    return _COOKIE.sub(rb"\1utf-8", head.encode()).decode() + rest


def _declared(raw: bytes) -> str | None:
    """The encoding that the first two lines declare. Raises ValueError for what is none."""
    found = _COOKIE.search(b"\n".join(raw.splitlines()[:2]))
    if found is None:
        return None
    said = found[2].decode()
    try:
        name = codecs.lookup(said).name.replace("-", "_")
    except LookupError:
        name = ""
    name = {"iso8859_1": "latin_1"}.get(name, name)
    if not _ENCODINGS.fullmatch(name):
        raise ValueError(f"it declares the encoding {said}, which is not known. Save it as UTF-8.")
    return name


def _split(text: str) -> tuple[str, str]:
    """The first two lines, and the rest."""
    second = text.find("\n", text.find("\n") + 1)
    return (text, "") if second < 0 else (text[:second], text[second:])


def without_magics(text: str) -> str:
    """The text with `pass` in place of what is meant for IPython."""
    if parsed(text) is not None:
        return text
    lines: list[str] = []
    goes_on = False
    for line in text.split("\n"):
        magic = _MAGIC.match(line)
        if goes_on or (magic and _is_complete("\n".join(lines))):
            goes_on = line.endswith("\\")
            line = f"{magic[1] if magic else ''}pass  # {line.strip().rstrip(chr(92))}"
        lines.append(line)
    return "\n".join(lines)


def _without_shell(text: str, tree: ast.Module) -> str:
    """The text of a script that Jupyter saved, with `pass` for what is meant for IPython."""
    lines = text.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith(_SHELL):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            indent = lines[first][: node.col_offset]
            lines[first:last] = [f"{indent}pass", *[""] * (last - first - 1)]
    changed = "\n".join(lines)
    return changed if parsed(changed) is not None else text


def _is_complete(text: str) -> bool:
    """Whether no bracket or string is open at its end."""
    try:
        for _ in tokenize.generate_tokens(io.StringIO(f"{text}\n").readline):
            pass
    except tokenize.TokenError as error:
        return "EOF in multi-line" not in str(error)
    except SyntaxError:
        return True
    return not text.endswith("\\")


def _unfenced(text: str) -> str:
    """The text with what stands outside of Markdown's fences blanked.

    Where some blocks say that they are Python, the others are none.
    """
    lines = text.split("\n")
    fences = [_FENCE.match(line) for line in lines]
    if sum(map(bool, fences)) == 1:  # the other one was not copied
        return "\n".join("" if fence else line for line, fence in zip(lines, fences, strict=True))
    named = any(fence and fence[1].lower().startswith("py") for fence in fences)
    inside = wanted = False
    kept = []
    for line, fence in zip(lines, fences, strict=True):
        if fence:
            inside = not inside
            wanted = inside and (fence[1].lower().startswith("py") or not named)
        kept.append("" if fence or not wanted else line)
    return "\n".join(kept)


def _visible(text: str) -> str:
    """The text with plain spaces, and without letters that take no room."""
    return text.translate(_UNSEEN)


def _unprompted(text: str) -> str:
    """The text of a Python prompt without prompts, and without what was answered."""
    found = [_PROMPT.match(line) for line in text.split("\n")]
    return "\n".join(line[2] if line else "" for line in found) if any(found) else text
