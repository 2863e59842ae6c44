"""Who handed something in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


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
        return (self.record or self.id or self.login or self.email or self.name).casefold()

    def as_json(self) -> dict[str, str]:
        """What is known of them."""
        return {name: value for name, value in asdict(self).items() if value}

    @staticmethod
    def of(told: Mapping[str, object]) -> Person:
        """Somebody from what `as_json` gave."""
        known = {field.name for field in fields(Person)}
        return Person(**{name: str(value) for name, value in told.items() if name in known})
