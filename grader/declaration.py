"""What an exercise says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Declaration:
    """An exercise as its folder declares it: its name, the file a candidate fills, its check
    files in order.

    order: its place in the path; names: the classes or functions that the candidate writes;
    brief: the file that says what; base: the exercise that it builds on; base_needed: whether
    it cannot be judged without; imports: modules that the policy allows besides torch and
    Python's own; judged_in: check files of each name, where it is not all; ahead: those at the end
    that can be run beside the others, for they ask nothing that these find out; twists: by name,
    what is asked in place of GPT-2's own choices; calls: of a name, others that are called for it:
    where these are broken, those of the exercise's `in_worker` stand in.
    """

    order: int
    name: str
    file: str
    modules: tuple[str, ...]
    names: tuple[str, ...]
    brief: str
    base: str | None = None
    base_needed: bool = True
    imports: tuple[str, ...] = ()
    judged_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ahead: tuple[str, ...] = ()
    twists: tuple[str, ...] = ()
    calls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
