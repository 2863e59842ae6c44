"""The code in a web page: what platforms keep of what was typed into their editors, and what
browsers save of a text.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from html.parser import HTMLParser

from grader.submission.files import MAX_FILE_BYTES
from grader.submission.text import Text, decoded, parsed

_BLOCKS = {
    *("address", "article", "blockquote", "body", "div", "dd", "dl", "dt", "figure", "footer"),
    *("header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "td", "tr", "ul"),
}
_KEEPS = {"pre", "textarea", "listing", "xmp"}  # spaces and ends of lines as they are
_STYLED = re.compile(r"white-space:\s*(pre|break-spaces)")
# The title of the assignment, what was a comment to a Markdown editor, and what is no text.
_LEFT_OUT = {"h1", "h2", "h3", "h4", "h5", "h6", "script", "style", "title"}
_VOID = {"br", "hr", "img", "input", "link", "meta", "wbr", "area", "base", "col", "source"}
_PAGE = re.compile(rb"\s*(?:<!doctype html|<html|<meta\s+charset)", re.IGNORECASE)
_NOTE = "the code was taken out of the web page that it came in"


def is_page(raw: bytes) -> bool:
    """Whether the bytes are those of a web page, whatever the file is called."""
    return _PAGE.match(raw.removeprefix(b"\xef\xbb\xbf")) is not None


def as_text(raw: bytes) -> Text:
    """The Python in a page, if what stands there is Python; else what is there instead."""
    page = _Page()
    try:
        page.feed(_letters(raw))
        page.close()
    except AssertionError:  # of the library, for marks that HTML does not have
        pass
    for text in page.texts():
        tree = parsed(text) if len(text) <= MAX_FILE_BYTES else None
        if tree is not None and any(
            isinstance(n, ast.ClassDef | ast.FunctionDef) for n in tree.body
        ):
            return Text(text.encode(), notes=(_NOTE,))
    leads = f" It links to {page.link}." if page.link else ""
    told = f"it is a web page, and what stands on it is no Python.{leads} Get the code as a file."
    return Text(raw, error=told)


def _letters(raw: bytes) -> str:
    try:
        return decoded(raw)
    except ValueError:
        return raw.decode("cp1252", "replace")


class _Page(HTMLParser):
    """Reads a page as text. shown: as it is seen; source: with spaces as they were typed;
    blocks: of the elements that keep them; link: where it leads first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.source: list[str] = []
        self.blocks: list[list[str]] = []
        self.link = ""
        self._open: list[tuple[str, bool]] = []  # elements, and whether they keep spaces
        self._count: Counter[str] = Counter()
        self._keeping = self._blocks = self._left_out = 0  # how many such elements are open

    def texts(self) -> list[str]:
        """What may be the code, the likeliest first."""
        typed = re.sub(r"\r+\n?", "\n", "".join(self.source))
        found = ["\n\n".join(map("".join, self.blocks)), "".join(self.shown), typed]
        return [text.replace("\xa0", " ").replace("\u200b", "") for text in found]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if not self.link:
            self.link = next(iter(re.findall(r"https?://\S+", told.get("href", ""))), "")
        if tag == "br":
            self._put("\n", "\r", "\n")
        elif tag in _BLOCKS:
            self._begin_line()
        if tag in _VOID:
            return
        keeps = tag in _KEEPS or _STYLED.search(told.get("style", "")) is not None
        if tag in _KEEPS and not self._blocks:
            self.blocks.append([])
        self._open.append((tag, keeps))
        self._counted(tag, keeps, 1)

    def handle_endtag(self, tag: str) -> None:
        while self._count[tag]:
            name, keeps = self._open.pop()
            self._counted(name, keeps, -1)
            if name == tag:
                break
        if tag in _BLOCKS:
            self._begin_line()

    def _counted(self, tag: str, keeps: bool, by: int) -> None:
        self._count[tag] += by
        self._keeping += by * keeps
        self._blocks += by * (tag in _KEEPS)
        self._left_out += by * (tag in _LEFT_OUT)

    def handle_data(self, data: str) -> None:
        if self._keeping:
            self._put(data, data, data)
            return
        begins = not self.shown or self.shown[-1].endswith("\n")
        seen = re.sub(r"[ \t\r\n\f]+", " ", data)
        self._put(seen.removeprefix(" ") if begins else seen, data, data)

    def _begin_line(self) -> None:
        if self.shown and not self.shown[-1].endswith("\n"):
            self._put("\n", "\r", "")

    def _put(self, shown: str, source: str, block: str) -> None:
        if self._left_out:
            return
        if shown:
            self.shown.append(shown)
        self.source.append(source)
        if self._blocks:
            self.blocks[-1].append(block)
