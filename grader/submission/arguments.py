"""How a class is built whose constructor has other arguments than the brief asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from grader.submission.classes import ATTENTION, BLOCK, MLP, MODEL, Class, Classes

_OF_BLOCK = ("embed_dim", "num_heads", "block_size", "dropout_p")
BRIEF = {
    ATTENTION: _OF_BLOCK,
    MLP: ("embed_dim", "dropout_p"),
    BLOCK: _OF_BLOCK,
    MODEL: ("vocab_size", "embed_dim", "num_heads", "num_layers", "block_size", "dropout_p"),
}
# Without these nothing can be built that the brief asks for.
_NEEDED = {
    ATTENTION: {"embed_dim", "num_heads"},
    MLP: {"embed_dim"},
    BLOCK: {"embed_dim", "num_heads"},
    MODEL: {"vocab_size", "embed_dim", "num_heads", "num_layers"},
}
# The field's other words, without underscores, for what the brief names, and for what follows
# from that: widths of heads and of the hidden layer, their ratio, and usual settings.
_WORDS = {
    "embed_dim": (
        r"n?emb(ed(ding)?)?s?(dim|size)?|nembd|d?model(dim|size)?|dim|d?embed|width|channels?|c|"
        r"nstate|nx|d(in|out)|(in|out)(put)?(dim|features|channels|size)|ndim|dimension|features"
    ),
    "num_heads": r"n(um)?(attention|attn)?heads?|heads?|h|(attention|attn)heads|headcount",
    "num_layers": r"n(um)?(hidden|decoder)?(layers?|blocks?)|layers|depth|l|blocks",
    "block_size": (
        r"blocksize|(max)?(seq(uence)?|ctx|context|block|token)s?(len(gth)?|size|window)?|"
        r"max(len(gth)?|t|tokens|n?positions?)|n(ctx|positions?)|(n(um)?|max)positionembeddings|"
        r"max(seq(uence)?|context|ctx)(len(gth)?|size)|windowsize|t|maxposition(embeddings|s)?"
    ),
    "vocab_size": r"(n|num)?vocab(ulary)?(size)?|v|(n|num)tokens?|numembeddings|dictsize",
    "dropout_p": r"p|.*(drop|pdrop).*",
    "head_dim": r"(head|h)(dim|size|width)|dim?(head|k|v|q)|d(k|v|q|head)|kdim|vdim",
    "hidden_dim": (
        r"d?ff(n|wd)?(dim|size|hidden(dim|size)?)?|mlp(dim|size|hidden(dim|size)?)|"
        r"dim(feedforward|ff)|feedforward(dim|size)?|ninner|intermediate(dim|size)|"
        r"inner(dim|size)|dinner|dhidden|nhidden"
    ),
    "ratio": r"(mlp|ff|ffn|hidden)?(ratio|mult(iplier)?|expansion(factor|ratio)?|factor)",
    "yes": r"(use|with|qkv|attn|mlp)*bias|(is)?causal|masked|scale",
    "eps": r"(l(ayer)?n(orm)?|norm|layernorm)?(eps(ilon)?)",
    "zero": r"(layer|block)(idx|id|index|number)|idx|index",
    "device": r"device",
}
_FORMS = {name: re.compile(words) for name, words in _WORDS.items()}
# Of a class, or of one that is derived from it, that is both: a width inside of the MLP where
# there is another one, and else the width of all.
_HIDDEN = re.compile(r"hidden(dim|size|units|features)?")
_SETTINGS = re.compile(r"(.*_)?(config(uration)?|cfg|conf|args|hparams?|params|opts?|settings)$")


@dataclass(frozen=True)
class Plan:
    """How to build a class from the brief's arguments.

    brief: their names, in order; arguments: parameter -> what is given for it (one of the brief's
    names or of what follows from them); settings: the parameter that takes a config object, whose
    class is `kind` ("" for none: a mapping with attributes will do) in `kind_file`, and its fields;
    template: the name of such an object in the main file, for what else it has.
    """

    brief: tuple[str, ...]
    arguments: dict[str, str]
    settings: str = ""
    kind: str = ""
    kind_file: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    template: str = ""


def plan_of(name: str, one: Class, classes: Classes, main: ast.Module) -> Plan | None:
    """How to build `one` as the class `name` of the brief; None if as the brief says, or if that
    cannot be told.
    """
    parameters = _parameters(one, classes)
    if parameters is None or _is_as_asked(parameters, BRIEF[name]):
        return None
    settings = next((p for p in parameters if _is_settings(one, p, classes)), None)
    meant = meanings([p.name for p in parameters if p is not settings])
    unknown = [p for p in parameters if p is not settings and p.required and p.name not in meant]
    if unknown:
        return None
    given = {
        p.name: meant[p.name] for p in parameters if p.name in meant and _is_given(p, meant[p.name])
    }
    if settings is None:
        enough = _NEEDED[name] <= set(given.values())
        return Plan(BRIEF[name], given) if enough else None
    read = _read_of(classes)
    kind = _kind_of(settings, read, classes)
    known = {*read, *(_fields(kind) if kind else ())}
    fields = {word: source for word, source in meanings(sorted(known)).items() if source != "zero"}
    further = {word for word in read if fields.get(word) not in SIZES}
    template = _template(main, further) if kind is None else ""
    place = (kind.name, kind.file) if kind else ("", "")
    return Plan(BRIEF[name], given, settings.name, *place, fields, template)


# What is given where the brief says nothing, to what may be asked for.
USUAL = {
    "vocab_size": 16,
    "num_heads": 1,
    "num_layers": 1,
    "block_size": 16,
    "dropout_p": 0.0,
    "ratio": 4,
    "yes": True,
    "eps": 1e-5,
    "zero": 0,
    "device": "cpu",
}
# What the brief says, or follows from that; the rest is given only where there is no default.
SIZES = (*BRIEF[MODEL], "head_dim", "hidden_dim")


@dataclass(frozen=True)
class _Parameter:
    name: str
    required: bool
    annotation: str


def _is_given(parameter: _Parameter, meaning: str) -> bool:
    """Whether a value is given for it, rather than its own default taken."""
    return parameter.required or meaning in SIZES


def _parameters(one: Class, classes: Classes) -> list[_Parameter] | None:
    """Of its constructor, or that of a class that it is derived from; None if it takes anything."""
    waiting, seen = [one], set()
    while waiting:
        current = waiting.pop(0)
        seen.add(current.name)
        for item in current.node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                return _of_function(item)
        waiting += [
            classes.found[base]
            for base in current.bases
            if base in classes.found and base not in seen
        ]
    return None


def _of_function(function: ast.FunctionDef) -> list[_Parameter] | None:
    arguments = function.args
    if arguments.vararg or arguments.kwarg:
        return None
    positional = [*arguments.posonlyargs, *arguments.args][1:]
    late = len(positional) - len(arguments.defaults)
    found = [(a, number < late) for number, a in enumerate(positional)]
    found += [
        (a, default is None)
        for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return [
        _Parameter(a.arg, required, ast.unparse(a.annotation) if a.annotation else "")
        for a, required in found
    ]


def _is_as_asked(parameters: list[_Parameter], brief: Collection[str]) -> bool:
    """Whether the brief's arguments, named, will do."""
    names = {p.name for p in parameters}
    needed = {p.name for p in parameters if p.required}
    return set(brief) <= names and needed <= set(brief)


def meanings(words: Collection[str]) -> dict[str, str]:
    """What each of these names means, where that is known."""
    found = {}
    for word in words:
        bare = word.lower().replace("_", "")
        meaning = next((n for n, form in _FORMS.items() if form.fullmatch(bare)), None)
        meaning = word if word in _FORMS else meaning
        if meaning is not None:
            found[word] = meaning
    inner = "hidden_dim" if "embed_dim" in found.values() else "embed_dim"
    hidden = (word for word in words if _HIDDEN.fullmatch(word.lower().replace("_", "")))
    return dict.fromkeys(hidden, inner) | found


def _is_settings(one: Class, parameter: _Parameter, classes: Classes) -> bool:
    """Whether a parameter takes an object with all settings."""
    known = len(parameter.name) > 1 and parameter.name in meanings([parameter.name])
    if not known and set(_attributes(one.node, parameter.name)) - _OF_TENSORS:
        return True
    kind = re.split(r"\W+", parameter.annotation)
    return bool(_SETTINGS.match(parameter.name.lower())) or any(
        word in classes.found and classes.found[word] not in classes.modules for word in kind
    )


_OF_TENSORS = {"shape", "size", "dtype", "device"}


def _attributes(node: ast.AST, name: str) -> Iterator[str]:
    """What is read of the object that a class is given as `name`: `name.x`, `name["x"]`, also of
    `self.name` or whatever else it is kept as.
    """
    kept = {name}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign) and getattr(inner.value, "id", "") == name:
            kept |= {_name(target) for target in inner.targets}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and _name(inner.value) in kept:
            yield inner.attr
        elif (
            isinstance(inner, ast.Subscript)
            and _name(inner.value) in kept
            and isinstance(inner.slice, ast.Constant)
            and isinstance(inner.slice.value, str)
        ):
            yield inner.slice.value


def _name(node: ast.expr) -> str:
    """`config` or `self.config`, without self."""
    if isinstance(node, ast.Attribute):
        return node.attr if getattr(node.value, "id", "") == "self" else ""
    return getattr(node, "id", "")


def _read_of(classes: Classes) -> dict[str, None]:
    """What all modules together read of their config objects, in order."""
    found: dict[str, None] = {}
    for one in classes.modules:
        for parameter in _parameters(one, classes) or ():
            if _is_settings(one, parameter, classes):
                found |= dict.fromkeys(_attributes(one.node, parameter.name))
    return {word: None for word in found if word not in ("get", "items", "keys", "to_dict")}


def _kind_of(settings: _Parameter, read: Mapping[str, None], classes: Classes) -> Class | None:
    """The class of the config object: the annotated one, or the only one that has all fields."""
    plain = [one for one in classes.found.values() if one not in classes.modules]
    for one in plain:
        if one.name in re.split(r"\W+", settings.annotation):
            return one
    fitting = [one for one in plain if read and set(read) <= _members(one)]
    return fitting[0] if len(fitting) == 1 else None


def _fields(one: Class) -> list[str]:
    """Names of what a config class is built with or keeps."""
    found = []
    for item in one.node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.append(item.target.id)
        elif isinstance(item, ast.Assign):
            found += [target.id for target in item.targets if isinstance(target, ast.Name)]
        elif isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = item.args
            found += [a.arg for a in (*arguments.posonlyargs, *arguments.args)[1:]]
            found += [a.arg for a in arguments.kwonlyargs]
    return found


def _members(one: Class) -> set[str]:
    """All that can be read of it: fields, properties, what its methods set."""
    methods = {item.name for item in one.node.body if isinstance(item, ast.FunctionDef)}
    kept = {
        node.attr
        for node in ast.walk(one.node)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"
    }
    return {*_fields(one), *methods, *kept}


def _template(main: ast.Module, wanted: Collection[str]) -> str:
    """The first object at the top level of the file with values for all these, or ""."""
    for statement in main.body if wanted else ():
        if isinstance(statement, ast.Assign) and set(wanted) <= set(_keys(statement.value)):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    return target.id
    return ""


def _keys(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        yield from (str(k.value) for k in node.keys if isinstance(k, ast.Constant))
    elif isinstance(node, ast.Call):
        yield from (keyword.arg for keyword in node.keywords if keyword.arg)
        yield from (key for argument in node.args for key in _keys(argument))
