"""The report of a watch as a page on loopback, which follows each save.

Of Python's own http.server: one page and one stream of events for one person need no more.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from grader.report.html import live_page
from grader.results import Report
from grader.session import Grading, Session, parts_of

_HOST = "127.0.0.1"
_BEAT = 10  # seconds between signs of life, by which a page that is gone is noticed
_EMPTY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Not graded yet</title>
<meta http-equiv="refresh" content="1"><main><h1>Nothing is graded yet</h1></main></html>"""


@dataclass
class Page:
    """Serves the newest report to whoever knows the address."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    version: int = 0
    _html: str = _EMPTY
    _gradings: list[Grading] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _server: ThreadingHTTPServer | None = None
    _closed: bool = False

    def open(self) -> str:
        """Begin to serve, if that has not begun. The address."""
        if self._server is None:
            self._server = ThreadingHTTPServer((_HOST, 0), self._handler())
            self._server.daemon_threads = True
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self.address

    @property
    def address(self) -> str:
        """Where it is served; "" if it is not."""
        if self._server is None:
            return ""
        return f"http://{_HOST}:{self._server.server_address[1]}/{self.token}/"

    def close(self) -> None:
        """Serve no more; who follows the events is told by their end."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def show(self, report: Report) -> None:
        """Put a new report on the page."""
        since = (time.monotonic() - self._started) / 60
        minutes = report.clock.elapsed if report.clock else since
        self._gradings.append(
            Grading(
                minutes,
                report.verdict,
                report.score,
                report.max_score,
                parts_of(report),
                report.sha256,
                report.only,
            )
        )
        end = report.clock.minutes if report.clock else max(minutes, 0.1)
        session = Session(Path(), report.exercise, 0.0, end, self._gradings)
        html = live_page(report, session, limited=report.clock is not None)
        with self._news:
            self._html, self.version = html, self.version + 1
            self._news.notify_all()

    def _next(self, seen: int) -> int:
        """The number of the newest report, as soon as it is another one or the time is up."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self.version != seen, _BEAT)
            return self.version

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            """Answers GET for the page and for its events, and nothing else."""

            def do_GET(self) -> None:
                """Only who knows the token gets anything, and only from a page of this address:
                one that a name of elsewhere was made to point to gets nothing.
                """
                given = self.path.removeprefix("/").split("/")[0]
                known = secrets.compare_digest(given.encode(), page.token.encode())
                if not known or self.headers.get("Host") != page.address.split("/")[2]:
                    self.send_error(HTTPStatus.NOT_FOUND)
                elif self.path == f"/{page.token}/":
                    self._send_page()
                elif self.path == f"/{page.token}/events":
                    self._send_events()
                else:
                    self.send_error(HTTPStatus.NOT_FOUND)

            def _head(self, kind: str) -> None:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", kind)
                for name, value in (
                    ("Cache-Control", "no-store"),
                    ("Referrer-Policy", "no-referrer"),
                    ("X-Content-Type-Options", "nosniff"),
                    ("X-Frame-Options", "DENY"),
                ):
                    self.send_header(name, value)
                self.end_headers()

            def _send_page(self) -> None:
                self._head("text/html; charset=utf-8")
                self.wfile.write(page._html.encode())

            def _send_events(self) -> None:
                self._head("text/event-stream")
                seen = page.version
                try:
                    while not page._closed:
                        newest = page._next(seen)
                        word = f"data: {newest}" if newest != seen else ": nothing new"
                        self.wfile.write(f"{word}\n\n".encode())
                        self.wfile.flush()
                        seen = newest
                except OSError:  # the page is closed
                    return

            def log_message(self, format: str, *values: object) -> None:
                """Say nothing: the screen is the watcher's."""

        return Handler
