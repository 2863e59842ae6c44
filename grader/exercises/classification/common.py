"""A classifier over a GPT2 of the candidate's, and a second GPT2 that tells what its states are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.check import Counterexample, Failure, NotRun
from grader.exercises.classification.client import Classifier, Pair, freeze, put, read
from grader.exercises.classification.oracle import Batch, Floats, TokenHead, Tokens, find_token_head
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line, show
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size
from grader.sandbox.client import CandidateError, Module
from grader.sandbox.client.function import call

NAME, STEP, BASE = "GPT2Classifier", "finetune_step", "GPT2"
SCALE = 0.5  # of random weights
_SECOND = 1_000_000  # added to a seed: that of the GPT2 which nobody changes
_ADVICE = "grade exercise gpt2 first, or give the folder of another gpt2.py as --base"


@dataclass(frozen=True)
class Setting:
    """Sizes of a backbone, and the number of classes."""

    size: Size
    num_classes: int


def _size(vocab: int, width: int, heads: int, layers: int, block: int) -> Size:
    return {
        "vocab_size": vocab,
        "embed_dim": width,
        "num_heads": heads,
        "num_layers": layers,
        "block_size": block,
    }


# More tokens than channels, so that logits tell the states; more classes than channels, and fewer.
SMALL = Setting(_size(13, 6, 2, 2, 7), 9)
OTHER = Setting(_size(11, 5, 1, 1, 4), 2)
LONG = Setting(_size(300, 8, 2, 1, 130), 3)


class ClassifierHarness:
    """A classifier, the GPT2 `given` to it, and one of the same size that nobody changes.

    build: the seed with which they are built; frozen: how many of the given one's parameters are
    frozen before; any_backbone: else it is NotRun if the given one's parameters are not used.
    reset: whether those had other values after the classifier was built.
    """

    def __init__(
        self,
        evidence: Evidence,
        setting: Setting,
        build: int,
        *,
        frozen: int = 0,
        any_backbone: bool = False,
        **options: Any,
    ) -> None:
        self.evidence = evidence
        self.setting = setting
        self.given = _backbone(evidence, setting, build, options)
        self.second = _backbone(evidence, setting, build + _SECOND, options)
        put(self.given, self.given.random(np.random.default_rng(build), SCALE))  # as if pretrained
        pretrained = self.theta
        if frozen:
            freeze(self.given, frozen)
        self.classifier = _built(evidence, setting, self.given)
        self.module = self.classifier.module
        self.reset = not np.array_equal(self.theta, pretrained)
        self.missing = self._missing(pretrained)
        self._head: TokenHead | None = None
        self._weighed: Module | None = None
        if not any_backbone and self.lost():
            raise NotRun("the classifier does not use the given gpt2's own parameters")

    def _missing(self, pretrained: Floats) -> tuple[int, ...]:
        """The given parameters, by number, that are not the classifier's own."""
        rng = np.random.default_rng(0)
        put(self.given, self.given.random(rng, SCALE))
        values, _ = read(self.given)
        own = {value.tobytes() for value in read(self.module)[0]}
        missing = tuple(n for n, value in enumerate(values) if value.tobytes() not in own)
        put(self.given, pretrained)
        return missing

    def lost(self) -> list[int]:
        """Those of the missing that matter to hidden states; a head for tokens does not."""
        rng = np.random.default_rng(0)
        theta = self.second.random(rng, SCALE)
        idx = self.tokens(rng, (2, self.setting.size["block_size"]))
        found = []
        for number in self.missing:
            other = theta.copy()
            other[self.second.parameters[number].indices] += 1.0
            first, second = (self._states(t, [idx])[0][0] for t in (theta, other))
            if difference(first, second) > CLOSE:
                found.append(number)
        return found

    def draw(self, rng: np.random.Generator, scale: float = SCALE) -> Floats:
        """Random weights for all that is trained; what they are, laid end to end."""
        theta = self.module.random(rng, scale)
        put(self.module, theta)
        return theta

    @property
    def theta(self) -> Floats:
        """The values that the backbone's parameters have now."""
        return laid_out(read(self.given)[0])

    def head(self) -> TokenHead:
        """Where the backbone's head for tokens is. Raises NotRun if its logits have none."""
        if self._head is None:
            idx = self.tokens(np.random.default_rng(1), (6, self.setting.size["block_size"]))
            theta = self.second.random(np.random.default_rng(2), SCALE)
            (logits,) = self._token_logits(theta, [idx])
            flat = logits.reshape(-1, logits.shape[-1])[:200]
            width = self.setting.size["embed_dim"]
            places = [p.indices for p in self.second.parameters]
            self._head = find_token_head(places, theta, flat, width)
            if self._head is None:
                self._head = self._computed_head(theta, flat, width)
            if self._head is None:
                raise NotRun(f"the logits of your GPT2 are no linear map of its states: {_ADVICE}")
            self._expect_causal(theta, idx)
        return self._head

    def _computed_head(self, theta: Floats, logits: Floats, width: int) -> TokenHead | None:
        """The head, if its weights are computed from parameters."""
        example = np.zeros((2, self.setting.size["block_size"]), dtype=np.int64)
        size = self.setting.size
        weighed = self.evidence.subject.build(BASE, kwargs=size, weighed=example, seed=_SECOND - 1)
        if len(weighed.weigh(theta)) == 0:
            return None
        places = [p.indices for p in weighed.parameters]
        found = find_token_head(places, weighed.weigh(theta), logits, width)
        self._weighed = weighed if found else None
        return found

    def _expect_causal(self, theta: Floats, idx: Tokens) -> None:
        other = idx.copy()
        other[:, -1] = (idx[:, -1] + 1) % self.setting.size["vocab_size"]
        first, second = self._token_logits(theta, [idx, other])
        if difference(first[:, :-1], second[:, :-1]) > CLOSE:
            raise NotRun(f"your GPT2 sees later tokens: {_ADVICE}")

    def _token_logits(self, theta: Floats, inputs: Sequence[Tokens]) -> list[Floats]:
        try:
            return self.second.outputs(inputs, theta)
        except CandidateError as fault:
            raise NotRun(f"your GPT2 does not work: {fault.message}; {_ADVICE}") from None

    def batches(self, pairs: Sequence[Pair]) -> list[Batch]:
        """What the backbone makes of batches with the weights it has now."""
        states = self._states(self.theta, [idx for idx, _ in pairs])
        return [Batch(*pair, *found) for pair, found in zip(pairs, states, strict=True)]

    def _states(self, theta: Floats, inputs: Sequence[Tokens]) -> list[tuple[Floats, Floats]]:
        """Hidden states and token logits of a backbone with these parameters, for each input."""
        head, found = self.head(), self._token_logits(theta, inputs)
        weights = theta if self._weighed is None else self._weighed.weigh(theta)
        return [(head.hidden(weights, logits), logits) for logits in found]

    def tokens(self, rng: np.random.Generator, shape: tuple[int, int]) -> Tokens:
        """Random token indices."""
        return rng.integers(0, self.setting.size["vocab_size"], shape)

    def pair(self, rng: np.random.Generator, rows: int, time: int) -> Pair:
        """A batch of any tokens, padding too, with a row that is full and one of a single token
        among several.
        """
        lengths = rng.integers(1, time + 1, rows)
        if rows > 2:
            first, second = rng.choice(rows, 2, replace=False)
            lengths[first], lengths[second] = 1, time
        return self.tokens(rng, (rows, time)), lengths

    def own_places(self) -> NDArray[np.bool_]:
        """Which of the classifier's parameter elements are not the backbone's."""
        owned = {value.tobytes() for value in read(self.given)[0]}
        values, _ = read(self.module)
        none = np.zeros(0, dtype=bool)
        return np.concatenate([none, *(np.full(v.size, v.tobytes() not in owned) for v in values)])

    def head_of_classes(self) -> tuple[Floats, Floats] | None:
        """Weight (K, C) and bias (K,) of the map to class logits, if they are easily told."""
        owned = {value.tobytes() for value in read(self.given)[0]}
        rest = [value for value in read(self.module)[0] if value.tobytes() not in owned]
        shape = self.setting.num_classes, self.setting.size["embed_dim"]
        weights = [w if w.shape == shape else w.T for w in rest if w.shape in (shape, shape[::-1])]
        biases = [b for b in rest if b.shape == shape[:1]]
        if len(weights) != 1 or len(biases) != len(rest) - 1 or len(biases) > 1:
            return None
        return weights[0], biases[0] if biases else np.zeros(shape[0])

    def code(self, draw: int, *lines: str, train: bool = False, scale: float = SCALE) -> str:
        """Code that makes the classifier with the weights of `draw(default_rng(draw))`."""
        arguments = ", ".join(f"{key}={value}" for key, value in self.setting.size.items())
        width = self.setting.size["embed_dim"]
        return "\n".join(
            [
                "import numpy as np",
                "import torch",
                import_line(self.evidence.subject.submission.main, NAME),
                import_line(self.evidence.subject.submission.main, STEP),
                "from gpt2 import GPT2",
                "",
                "torch.set_default_dtype(torch.float64)",
                f"gpt2 = GPT2({arguments})",
                f"model = {NAME}(gpt2, {width}, {self.setting.num_classes})"
                f".{'train' if train else 'eval'}()",
                f"rng = np.random.default_rng({draw})",
                "for p in model.parameters():",
                f"    values = torch.from_numpy(rng.normal(0.0, {scale}, p.shape))",
                "    if p.requires_grad:",
                "        p.data.copy_(values)",
                *lines,
            ]
        )

    def counterexample(
        self, draw: int, *lines: str, expected: object, found: object, train: bool = False
    ) -> Counterexample:
        """The same with what it should show and what it shows."""
        return Counterexample(self.code(draw, *lines, train=train), show(expected), show(found))


def laid_out(values: Sequence[Floats]) -> Floats:
    """Arrays end to end, as one vector."""
    return np.concatenate([np.zeros(0), *(value.ravel() for value in values)])


def tensor(values: Tokens) -> str:
    """Code for a tensor of whole numbers."""
    return f"torch.tensor({values.tolist()})"


def rigs(
    evidence: Evidence, build: int, *settings: Setting, **options: Any
) -> Iterator[tuple[ClassifierHarness, np.random.Generator]]:
    """A rig for each setting, and the generator of what is asked of it."""
    for number, setting in enumerate(settings):
        yield (
            ClassifierHarness(evidence, setting, build, **options),
            np.random.default_rng((evidence.seed, build, number)),
        )


def _backbone(evidence: Evidence, setting: Setting, seed: int, options: dict[str, Any]) -> Module:
    return evidence.models.module(BASE, setting.size, seed=seed, **options)


def _built(evidence: Evidence, setting: Setting, given: Module) -> Classifier:
    """The classifier over a GPT2 that is given to it."""
    width = setting.size["embed_dim"]
    args = [given.itself, width, setting.num_classes]
    dtype = given.dtype.name
    made = call(evidence.subject, NAME, {}, args=args, keep=True, dtype=dtype)
    if made.held is None:
        raise Failure(f"{NAME}(...) gave nothing", cause="wrong-signature")
    try:
        module = evidence.subject.adopt(made.held, NAME, dtype)
    except CandidateError as fault:
        if "uninitialized parameter" not in fault.message:
            raise
        pair = [np.zeros((1, 1), dtype=np.int64), np.ones(1, dtype=np.int64)]
        call(evidence.subject, "__call__", {}, args=pair, on=made.held, dtype=dtype)
        module = evidence.subject.adopt(made.held, NAME, dtype)
    return Classifier(evidence.subject, module, setting.num_classes)
