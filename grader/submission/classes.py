"""Classes as their syntax shows them: which are there, and which plays which part of a GPT-2."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

ATTENTION, MLP, BLOCK, MODEL = "CausalSelfAttention", "MLP", "TransformerBlock", "GPT2"
# What the parts are often called; a name is of the first that it fits.
_CALLED = {
    BLOCK: r"block|layer$",
    ATTENTION: r"attention|attn|mha|msa",
    MLP: r"mlp|ffn|feed_?for?ward|ffwd|^ff$|position_?wise",
    MODEL: r"gpt|transformer|language_?model|lm$|decoder|^model$|network",
}
_SCORES = {"softmax", "Softmax", "scaled_dot_product_attention", "MultiheadAttention"}
_ACTIVATIONS = {"gelu", "GELU", "relu", "ReLU", "silu", "SiLU", "tanh", "Tanh", "erf", "leaky_relu"}
_PROJECTS = re.compile(r"linear|conv1d|dense", re.IGNORECASE)
_NORM = re.compile(r"norm", re.IGNORECASE)


@dataclass(frozen=True)
class Names:
    """What is looked for. file: of the exercise; names: that the candidate writes; given: names of
    the exercise -> what plays their part in this submission, as somebody said.
    """

    file: str
    names: tuple[str, ...]
    given: Mapping[str, str]


@dataclass(frozen=True)
class Class:
    """A class at the top level of a file."""

    name: str
    file: str
    node: ast.ClassDef

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Names of the classes that it is derived from, without their modules."""
        return tuple(_last(base) for base in self.node.bases)

    @cached_property
    def words(self) -> frozenset[str]:
        """All names in it, those behind a dot as well, but for annotations."""
        return frozenset(_words(self.node))


@dataclass
class Classes:
    """The classes of some files, by name; those of the first file first."""

    found: dict[str, Class]

    @staticmethod
    def of(trees: Mapping[str, ast.Module], main: str) -> Classes:
        """All classes of these files."""
        found: dict[str, Class] = {}
        for file in sorted(trees, key=lambda file: (file != main, file)):
            for node in _top(trees[file].body):
                known = found.get(node.name)
                if isinstance(node, ast.ClassDef) and (known is None or known.file == file):
                    found[node.name] = Class(node.name, file, node)
        return Classes(found)

    @cached_property
    def modules(self) -> list[Class]:
        """Those that are derived from nn.Module, in the order of the files."""
        return [one for one in self.found.values() if self._is_module(one, set())]

    def _is_module(self, one: Class, seen: set[str]) -> bool:
        seen.add(one.name)
        return any(
            base.endswith("Module")
            or (base in self.found and base not in seen and self._is_module(self.found[base], seen))
            for base in one.bases
        )

    def parts(self, one: Class) -> list[Class]:
        """The modules that a class names, which are those that it builds."""
        return [
            other for other in self.modules if other.name in one.words and other.name != one.name
        ]

    def within(self, one: Class) -> list[Class]:
        """A class and all that it is made of."""
        seen = {one.name: one}
        waiting = [one]
        while waiting:
            for part in self.parts(waiting.pop()):
                if part.name not in seen:
                    seen[part.name] = part
                    waiting.append(part)
        return list(seen.values())

    def all_words(self, one: Class) -> set[str]:
        """The words of a class and of all that it is made of."""
        return {word for part in self.within(one) for word in part.words}

    def attends(self, one: Class) -> bool:
        """Whether it computes attention, itself or in a part."""
        return not _SCORES.isdisjoint(self.all_words(one))

    def embeds(self, one: Class) -> bool:
        """Whether it takes tokens, itself or in a part."""
        words = self.all_words(one)
        return "Embedding" in words or "vocab_size" in words

    def feeds(self, one: Class) -> bool:
        """Whether it may be a feed-forward network."""
        if self.attends(one) or self.embeds(one):
            return False
        words = self.all_words(one)
        projects = any(map(_PROJECTS.search, words)) or "Parameter" in words
        active = not _ACTIVATIONS.isdisjoint(words)
        return projects and (active or not _NORM.search(one.name))

    def acts(self, one: Class) -> bool:
        """Whether it has a feed-forward network, in itself or as one of its parts."""
        return not _ACTIVATIONS.isdisjoint(one.words) or any(map(self.feeds, self.parts(one)))


def definitions(tree: ast.Module) -> set[str]:
    """Classes and functions at the top level of a text, also those below an `if` or `try`."""
    return {node.name for node in _top(tree.body)}


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _top(node.body)
            yield from _top(getattr(node, "orelse", []))


def roles_of(trees: Mapping[str, ast.Module], main: str, wanted: Names) -> dict[str, Class]:
    """Which class plays which part, for parts whose names no class has and one class alone fits."""
    if MODEL not in wanted.names:
        return {}
    classes = Classes.of(trees, main)
    roles = {name: classes.found[name] for name in wanted.names if name in classes.found}
    for name, own in wanted.given.items():
        if own in classes.found:
            roles[name] = classes.found[own]
    exact = set(roles)
    for name, fits in (
        (MODEL, _is_model),
        (BLOCK, _is_block),
        (ATTENTION, _is_attention),
        (MLP, _is_mlp),
    ):
        if name in roles:
            continue
        taken = {one.name for one in roles.values()}
        free = [one for one in classes.modules if one.name not in taken]
        one = _only(name, classes, [one for one in free if fits(classes, one, roles)], free)
        if one is not None:
            roles[name] = one
    return {name: one for name, one in roles.items() if name not in exact or one.name != name}


Roles = Mapping[str, Class]


def _is_model(classes: Classes, one: Class, roles: Roles) -> bool:
    return classes.embeds(one) and classes.attends(one)


def _is_block(classes: Classes, one: Class, roles: Roles) -> bool:
    """What attends and feeds; of the model, if that is known."""
    if MODEL in roles and one not in classes.within(roles[MODEL]):
        return False
    if ATTENTION in roles and one in classes.within(roles[ATTENTION]):
        return False
    return classes.attends(one) and not classes.embeds(one) and classes.acts(one)


def _is_attention(classes: Classes, one: Class, roles: Roles) -> bool:
    """What attends and does not feed; of the block, if that is known."""
    if BLOCK in roles and one not in classes.parts(roles[BLOCK]):
        return False
    return classes.attends(one) and not classes.embeds(one) and not classes.acts(one)


def _is_mlp(classes: Classes, one: Class, roles: Roles) -> bool:
    """What feeds; of the block, if that is known."""
    if BLOCK in roles and one not in classes.parts(roles[BLOCK]):
        return False
    return classes.feeds(one) and (BLOCK in roles or classes.acts(one))


def _only(name: str, classes: Classes, fitting: list[Class], free: list[Class]) -> Class | None:
    """The one class that fits, by what it is made of, then by what it is called."""
    outer = [
        one
        for one in fitting
        if not any(one in classes.within(other) for other in fitting if other is not one)
    ]
    for choice in (outer, [one for one in outer if _is_called(one, name)]):
        if len(choice) == 1:
            return choice[0]
    if fitting:
        return None
    # Unwritten ones show nothing but their names.
    empty = [one for one in free if not (classes.attends(one) or classes.embeds(one))]
    by_name = [one for one in empty if not classes.feeds(one) and _is_called(one, name)]
    return by_name[0] if len(by_name) == 1 else None


def _is_called(one: Class, name: str) -> bool:
    """Whether it has a name that this part often has."""
    first = next((p for p, words in _CALLED.items() if re.search(words, one.name.lower())), None)
    return first == name


def _words(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.arg):
            continue
        if isinstance(child, ast.Attribute):
            yield child.attr
        elif isinstance(child, ast.Name):
            yield child.id
        yield from _words(child)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
