"""A list of people in a CSV file, and which of them a name belongs to."""

from __future__ import annotations

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.person import Person
from grader.submission import UnusableInput
from grader.text import shorten

# Columns as they are called in the rosters and gradebooks of Moodle, Canvas, Gradescope, GitHub
# Classroom, and in lists that people keep, without what is no letter.
_COLUMNS = {
    "name": ("name", "fullname", "student", "studentname", "displayname", "vollständigername"),
    "first": ("first", "firstname", "vorname", "givenname"),
    "last": ("last", "lastname", "surname", "nachname", "familyname"),
    "id": ("id", "sid", "studentid", "sisuserid", "idnumber", "matrikelnummer", "studentnumber"),
    "email": ("email", "emailaddress", "mail", "emailadresse"),
    "login": ("login", "loginid", "sisloginid", "username", "user", "githubusername", "github"),
    "record": ("identifier", "record"),
    "section": ("section", "sections", "group"),
}
_NOBODY = re.compile(r"\s*(points possible|student, test|test student)\s*", re.I)
_MOODLE_RECORD = re.compile(r"\D*?(\d+)")
_SEPARATOR = re.compile(r"sep=(.)\n", re.I)
_SHOWN = 200  # characters of a first line that is none
_SHORTEST = 3  # letters of a part of a name by which somebody is known
_MOST_PARTS = 5  # of a name, of which every order is tried


def read(path: Path) -> Roster:
    """The people in a file. Raises UnusableInput."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read ({error.strerror})") from error
    if raw.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):
        raise UnusableInput(f"{path}: a workbook of Excel or the like. Save it as CSV.")
    text = _decoded(raw).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").lstrip("\n")
    said = _SEPARATOR.match(text)  # as Excel writes it
    text = text[said.end() :] if said else text
    delimiter = said[1] if said else max(",;\t", key=text.split("\n", 1)[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise UnusableInput(f"{path}: not a CSV file that can be read ({error})") from None
    columns = _columns(rows[0]) if rows else {}
    if not {"name", "first", "last", "id", "email", "login", "record"} & columns.keys():
        found = shorten(", ".join(rows[0][:_MOST_PARTS]), _SHOWN) if rows else "nothing"
        raise UnusableInput(
            f"{path}: expected a CSV file whose first line names its columns (any of name, id, "
            f"email, login), found {found}"
        )
    people = [_person(row, columns) for row in rows[1:]]
    return Roster(
        tuple(dict.fromkeys(p for p in people if str(p) and not _NOBODY.fullmatch(p.name)))
    )


def _decoded(raw: bytes) -> str:
    for name in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _columns(head: Sequence[str]) -> dict[str, int]:
    """Which column is where."""
    plain = [re.sub(r"[\W_]", "", cell.casefold()) for cell in head]
    found = {}
    for field, names in _COLUMNS.items():
        places = [plain.index(name) for name in names if name in plain]
        if places:
            found[field] = places[0]
    if "sisuserid" in plain or ("sisloginid" in plain and "id" in plain):  # Canvas's gradebook
        found["record"] = plain.index("id")
        found.pop("id")
        if "sisuserid" in plain:
            found["id"] = plain.index("sisuserid")
    return found


def _person(row: Sequence[str], columns: dict[str, int]) -> Person:
    cells = {
        field: " ".join(row[place].split()) if place < len(row) else ""
        for field, place in columns.items()
    }
    whole = " ".join(filter(None, (cells.pop("first", ""), cells.pop("last", ""))))
    record = cells.pop("record", "")
    person = Person(**{"name": whole, **{k: v for k, v in cells.items() if v}})
    numbered = _MOODLE_RECORD.fullmatch(record)
    if numbered:
        return replace(person, record=numbered[1])
    if "@" in record and not person.email:
        return replace(person, email=record)
    return replace(person, id=person.id or record)


@dataclass(frozen=True)
class Roster:
    """People of whom something is expected."""

    people: tuple[Person, ...] = ()

    def known(self, told: Person) -> Person | None:
        """Who is meant by what a platform tells, if that is one of these and no other."""
        for field in ("record", "id", "email", "login"):
            value = getattr(told, field).casefold()
            if value:
                one = _only(p for p in self.people if getattr(p, field).casefold() == value)
                if one:
                    return self._with_record(one, told)
        if not told.name:
            return None
        one = _only(p for p in self.people if _same_name(p.name, told.name))
        one = one or _only(p for p in self.people if _has_parts(p.name, told.name))
        return self._with_record(one, told) if one else None

    def _with_record(self, one: Person, told: Person) -> Person:
        """Somebody, with the number under which the platform knows them."""
        return replace(one, record=one.record or told.record)

    def named(self, text: str) -> tuple[Person, ...]:
        """Whose name, id, e-mail or login is in the name of a file; nobody where a part of a name
        fits several.
        """
        words = _Words(text)
        signs: tuple[Callable[[Person], bool], ...] = (
            lambda person: any(words.have(sign) for sign in _signs(person)),
            lambda person: any(words.have_all(_parts(person.name, s)) for s in _SPELLINGS),
            lambda person: any(
                words.have(part)
                for spelling in _SPELLINGS
                for part in _parts(person.name, spelling)
                if len(part) >= _SHORTEST
            ),
        )
        for fits in signs:
            found = [person for person in self.people if fits(person)]
            whole = fits is not signs[-1]
            found = [p for p in found if not whole or not any(_is_part(p, q) for q in found)]
            if found:
                return tuple(found) if whole or len(found) == 1 else ()
        return ()

    def login_in(self, repository: str) -> Person | None:
        """Whose repository it is, by its name: the assignment's, "-" and the login."""
        name = repository.casefold()
        ends = [
            person
            for person in self.people
            if person.login and re.search(rf"-{re.escape(person.login.casefold())}(-\d+)?$", name)
        ]
        longest = max((len(person.login) for person in ends), default=0)
        return _only(person for person in ends if len(person.login) == longest)


def _only(found: Iterable[Person]) -> Person | None:
    people = list(itertools.islice(found, 2))
    return people[0] if len(people) == 1 else None


def _signs(person: Person) -> Iterator[str]:
    """What belongs to one person alone."""
    for sign in (person.id, person.login, person.email, person.email.split("@")[0]):
        if len(sign) >= _SHORTEST:
            yield sign


def _plain(text: str) -> str:
    """Without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c))


def _german(text: str) -> str:
    """The same where umlauts are written as two letters."""
    text = unicodedata.normalize("NFC", text.casefold())
    return _plain(text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))


def _bare(text: str) -> str:
    """The same without letters that have accents, as old systems have it."""
    kept = unicodedata.normalize("NFC", text.casefold())
    return kept.encode("ascii", "ignore").decode()


_SPELLINGS = (_plain, _german, _bare)


def _parts(text: str, spelling: Callable[[str], str]) -> list[str]:
    return [part for part in re.split(r"[\W_]+", spelling(text)) if part]


def _same_name(one: str, other: str) -> bool:
    """Whether two names have the same parts, in any order, also written as one word."""
    pairs = itertools.product(_SPELLINGS, repeat=2)
    return any(_same_parts(_parts(one, mine), _parts(other, theirs)) for mine, theirs in pairs)


def _has_parts(one: str, other: str) -> bool:
    """Whether the shorter of two names, of two parts or more, is in the longer one."""
    for mine, theirs in itertools.product(_SPELLINGS, repeat=2):
        few, many = sorted((set(_parts(one, mine)), set(_parts(other, theirs))), key=len)
        if len(few) > 1 and few <= many:
            return True
    return False


def _is_part(one: Person, other: Person) -> bool:
    """Whether the name of one is but a part of that of another."""
    return set(_parts(one.name, _plain)) < set(_parts(other.name, _plain))


def _same_parts(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    if sorted(mine) == sorted(theirs):
        return True
    if len(mine) > _MOST_PARTS or len(theirs) != 1:
        return False
    return any("".join(order) == theirs[0] for order in itertools.permutations(mine))


class _Words:
    """The words of a file's name."""

    def __init__(self, text: str) -> None:
        apart = re.sub(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])", " ", text)
        spelled = [_parts(apart, spelling) for spelling in _SPELLINGS]
        self.parts = {part for parts in spelled for part in parts}
        self.rows = [f" {' '.join(parts)} " for parts in spelled]

    def have(self, sign: str) -> bool:
        """Whether it is there as a word, or as words in a row."""
        word = f" {' '.join(_parts(sign, _plain))} "
        return any(word in row for row in self.rows)

    def have_all(self, parts: Sequence[str]) -> bool:
        """Whether all of them are there, or written as one word."""
        if len(parts) < 2 or len(parts) > _MOST_PARTS:
            return False
        together = ("".join(order) for order in itertools.permutations(parts))
        return set(parts) <= self.parts or any(word in self.parts for word in together)
