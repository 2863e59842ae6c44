"""Who handed something in, as platforms say it in the names of what they export.

Moodle: mod/assign/classes/downloader.php, `get_student_prefix`. Canvas: lib/content_zipper.rb,
`get_filename` and `add_upload_submission`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

_MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<record>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.+)|_?)", re.S
)
_CANVAS = re.compile(
    r"(?P<name>[^\W_]+)_(?:(?P<late>LATE)_)?(?P<record>\d{2,})_"
    r"(?:(?P<order>\d{2,})_(?P<file>.+)|(?P<text>(?:text|link)\.html))",
    re.S,
)
_CANVAS_ANONYMOUS = re.compile(
    r"(?:(?P<late>LATE)_)?(?P<record>anon_[^\W_]+)_(?P<order>\d{2,})_(?P<file>.+)", re.S
)
# What Moodle puts in place of the name where marking is anonymous, in a few languages.
_NOBODY = ("participant", "teilnehmer/in", "teilnehmer", "participante", "partecipante")
# What is put to a name when something is sent again: "gpt2 (1)", "gpt2-2", "gpt2_final".
_AGAIN = re.compile(r"(?:\((\d+)\)|[ _-]+(?:v|attempt[ _-]?|versuch[ _-]?)?(\d{1,3}))$", re.I)
_LATEST = re.compile(r"[ _-]+(final|latest|new|neu|fixed|endfassung)$", re.I)
_FINAL = 1_000  # "gpt2_final" is later than "gpt2_v3"


@dataclass(frozen=True)
class Person:
    """Somebody, as far as it is known.

    id: that of the school; record: the number under which the platform knows them here.
    """

    name: str = ""
    id: str = ""
    email: str = ""
    login: str = ""
    record: str = ""
    section: str = ""

    def __str__(self) -> str:
        return self.name or self.login or self.email or self.id or self.record

    @property
    def key(self) -> str:
        """What is the same for all that they hand in."""
        return (self.id or self.login or self.email or self.record or self.name).casefold()

    def as_json(self) -> dict[str, str]:
        """What is known of them."""
        return {name: value for name, value in asdict(self).items() if value}

    @staticmethod
    def of(told: Mapping[str, object]) -> Person:
        """Somebody from what `as_json` gave."""
        known = {field.name for field in fields(Person)}
        return Person(**{name: str(value) for name, value in told.items() if name in known})


@dataclass(frozen=True)
class Label:
    """What the name of a file or folder says.

    file: what it was called by whom it is from; order: what comes later has a larger one.
    """

    file: str
    people: tuple[Person, ...] = ()
    late: bool = False
    order: int = 0

    @property
    def group(self) -> str:
        """What is the same for all files of one hand-in; "" where each is one of its own."""
        return " ".join(person.key for person in self.people)


def label(name: str) -> Label:
    """What a name says by itself."""
    if found := _MOODLE.fullmatch(name):
        nobody = found["name"].casefold() in _NOBODY
        told = f"{found['name']} {found['record']}" if nobody else found["name"].strip()
        return Label(found["file"] or "", (Person(told, record=found["record"]),))
    if found := _CANVAS.fullmatch(name) or _CANVAS_ANONYMOUS.fullmatch(name):
        parts = found.groupdict()
        person = Person(parts.get("name") or "", record=parts["record"])
        file = parts["file"] or parts.get("text") or ""
        return Label(file, (person,), bool(parts["late"]), int(parts["order"] or 0))
    return Label(name, order=_order(name))


def _order(name: str) -> int:
    """A number that is larger for what was sent later, as far as its name says."""
    stem = re.sub(r"(\.[A-Za-z0-9]{1,5}){1,2}$", "", name)
    if _LATEST.search(stem):
        return _FINAL
    again = _AGAIN.search(stem)
    return int(again[1] or again[2]) if again else 0
