"""One adapted layer: what it computes, and what of it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.lora import client
from grader.exercises.lora.common import LAYER, Pair, drawn, equal, pair, trained
from grader.exercises.lora.oracle import WRONG, Adapter, Floats, layer
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line, show, worst
from grader.sandbox.client import Module
from grader.sandbox.client.function import call
from grader.sandbox.client.worker import Values

PART = LAYER
# out_features, in_features, rank, alpha, whether there is a bias, and the shape before in_features.
_CASES = (
    (7, 5, 2, 6.0, True, (2, 3)),
    (4, 9, 3, 0.5, False, ()),
    (6, 5, 1, 8.0, True, (4,)),
    (5, 8, 4, 4.0, True, (1, 2, 2)),
    (1, 6, 8, 16.0, False, (2,)),
)


class Setting:
    """A layer with drawn weights, an input for it, and the submission's adapter around it."""

    def __init__(self, evidence: Evidence, number: int) -> None:
        self.evidence = evidence
        rows, columns, self.rank, self.alpha, self.biased, leading = _CASES[number]
        self.shape = rows, columns
        self.seed = number
        rng = np.random.default_rng(number)
        self.weight: Floats = rng.normal(size=self.shape)
        self.bias: Floats | float = rng.normal(size=rows) if self.biased else 0.0
        self.x: Floats = rng.normal(size=(*leading, columns))
        self.adapter = drawn(rng, self.shape, self.rank, self.alpha)
        self.module = self.built()

    def built(self, dtype: str = "float64", default: str = "float64") -> Module:
        """The adapter, new, around the layer in a dtype. default: torch's own meanwhile."""
        biases = [self.bias] if isinstance(self.bias, np.ndarray) else []
        arrays = [array.astype(dtype) for array in (self.weight, *biases)]
        linear = client.linear(self.evidence.subject, LAYER, arrays)
        given = {"linear": linear, "rank": self.rank, "alpha": self.alpha}
        held = call(self.evidence.subject, LAYER, given, keep=True, dtype=default).held
        assert held is not None
        return client.adapted(self.evidence.subject, LAYER, held)

    def found(self, theta: Floats | None = None) -> Values:
        """The output, for parameters or for those that it has."""
        return self.module.outputs([self.x], theta, any_shape=True)[0]

    def pair(self, alone: bool = False) -> Pair:
        """The two parameters of the adapter, which alone may be trained. Raises Failure."""
        return pair(trained(self.module), self.shape, self.rank, self._words, alone)

    def adapted(self) -> Floats:
        """All parameters, with the drawn adapter among them."""
        theta = self.module.initial.copy()
        self.pair().set(theta, self.adapter)
        return theta

    @property
    def _words(self) -> str:
        return f"nn.Linear({self.shape[1]}, {self.shape[0]})"

    def expect_shape(self, output: Values) -> None:
        """Fail unless the output has the layer's shape."""
        expected = (*self.x.shape[:-1], self.shape[0])
        if output.shape != expected:
            raise Failure(
                f"for x of shape {self.x.shape} expected an output of shape {expected} from the "
                f"adapter of {self._words}, found {output.shape}"
            )

    def counterexample(self, found: Values, expected: Floats, *lines: str) -> Counterexample:
        """Where the output differs most, as code. lines: what is done before the call."""
        place = worst(found - expected)
        return Counterexample(
            "\n".join(
                [
                    "import numpy as np",
                    "import torch",
                    "from torch import nn",
                    import_line(self.evidence.subject.submission.main, LAYER),
                    "",
                    "torch.set_default_dtype(torch.float64)",
                    f"rng = np.random.default_rng({self.seed})",
                    f"linear = nn.Linear({self.shape[1]}, {self.shape[0]}, bias={self.biased})",
                    "for p in linear.parameters():",
                    "    p.data = torch.from_numpy(rng.normal(size=p.shape))",
                    f"x = torch.from_numpy(rng.normal(size={self.x.shape}))",
                    f"layer = LoRALinear(linear, rank={self.rank}, alpha={self.alpha})",
                    *lines,
                    f"print(layer(x)[{', '.join(map(str, place))}].item())",
                ]
            ),
            show(expected[place]),
            show(found[place]),
        )


def _settings(evidence: Evidence, count: int = len(_CASES)) -> Iterator[Setting]:
    return (Setting(evidence, number) for number in range(count))


@check(
    "lora.start",
    PART,
    5,
    hints=(
        "What is B A at the start?",
        "Print (layer(x) - linear(x)).abs().max() for a new layer.",
        "nn.init.zeros_ for one of the two, and random values for the other.",
    ),
)
def test_start(evidence: Evidence) -> None:
    """A new adapter changes nothing: the output is the layer's own."""
    for setting in _settings(evidence):
        output = setting.found()
        setting.expect_shape(output)
        expected = setting.x @ setting.weight.T + setting.bias
        if not equal(output, expected):
            raise Failure(
                "a new adapter changes what the layer gives by up to "
                f"{np.abs(output - expected).max():.3g}",
                setting.counterexample(output, expected),
                _at_start(setting, output),
            )


def _at_start(setting: Setting, output: Values) -> str:
    """Which bug changes the output of a new adapter."""
    zero = Adapter(0 * setting.adapter.A, 0 * setting.adapter.B, setting.alpha)
    return _named(output, setting, zero) or "lora-starts-random"


@check(
    "lora.update",
    PART,
    8,
    hints=(
        "By what is the update scaled, and what is it added to?",
        "Set A and B to ones and compare with the formula by hand.",
        "linear(x) + alpha / rank * (x @ A.T @ B.T)",
    ),
)
def test_update(evidence: Evidence) -> None:
    """The output is linear(x) + alpha / rank * (x @ A.T @ B.T)."""
    for setting in _settings(evidence):
        theta = setting.adapted()
        output = setting.found(theta)
        setting.expect_shape(output)
        expected = layer(setting.x, setting.weight, setting.bias, setting.adapter)
        if not equal(output, expected):
            cause = _named(output, setting, setting.adapter)
            raise Failure(
                f"with drawn A and B the output differs by up to "
                f"{np.abs(output - expected).max():.3g} from linear(x) + alpha / rank * "
                f"(x @ A.T @ B.T), rank being {setting.rank} and alpha {setting.alpha}",
                setting.counterexample(output, expected, *_set_lines(setting)),
                cause,
                proven=bool(cause),
            )
        _expect_same_in_use(setting, theta, output)


def _expect_same_in_use(setting: Setting, theta: Floats, expected: Values) -> None:
    """Fail unless train mode gives the same, and x stays as it is."""
    trained, after = setting.module.outputs(
        [setting.x], theta, train=True, inputs_back=True, any_shape=True
    )
    if not np.array_equal(after, setting.x):
        raise Failure("x was changed in place", cause="mutates-input")
    if not equal(trained, expected):
        raise Failure(
            "in train mode the output is not linear(x) + alpha / rank * (x @ A.T @ B.T)",
            cause="differs-in-train-mode",
        )


def _set_lines(setting: Setting) -> Sequence[str]:
    """Code that sets the adapter as the check did."""
    one = setting.pair()
    lines = []
    for parameter, shape in (
        (one.A, (setting.rank, setting.shape[1])),
        (one.B, (setting.shape[0], setting.rank)),
    ):
        turned = "" if parameter.shape == shape else f".T.reshape({parameter.shape})"
        lines += [
            f"values = torch.from_numpy(rng.normal(size={shape})){turned}",
            f"layer.get_parameter({parameter.name!r}).data.copy_(values)",
        ]
    return lines


def _named(output: Values, setting: Setting, adapter: Adapter) -> str:
    """The bug that computes just this, if there is one."""
    for cause, forms in WRONG.items():
        for form in forms:
            if equal(output, form(setting.x, setting.weight, setting.bias, adapter)):
                return cause
    return ""


@check(
    "lora.trained",
    PART,
    4,
    hints=(
        "Which parameters of the layer would an optimizer change?",
        "Print the name, shape and requires_grad of every parameter of your layer.",
        "linear.requires_grad_(False), and A and B as nn.Parameter without biases.",
    ),
)
def test_trained(evidence: Evidence) -> None:
    """A and B are trained, and nothing else: the layer's weight and bias are frozen."""
    for setting in _settings(evidence):
        setting.pair(alone=True)


@check(
    "lora.learns",
    PART,
    19,
    hints=(
        "What is the gradient of A where B is zero, and of B where A is?",
        "Call backward() on a new layer's output and print the gradients of A and B.",
        "Only one of the two begins at zero; and nothing between them may be detached.",
    ),
)
def test_learns(evidence: Evidence) -> None:
    """A new adapter can learn, and what is before it: gradients reach A or B, and x."""
    for setting in _settings(evidence, 2):
        output = setting.found()
        _, gradients = setting.module.gradient(
            setting.x, setting.module.initial, np.ones_like(output)
        )
        own = zip(setting.module.parameters, gradients, strict=False)
        if not any(g is not None and g.any() for p, g in own if p.trainable):
            raise Failure(
                "in a new adapter the gradients of A and B are all zero, so that no training "
                "changes them",
                cause="lora-never-learns",
            )
        _expect_gradient_of_x(setting)


def _expect_gradient_of_x(setting: Setting) -> None:
    """Fail unless autograd's gradient of x is the slope of the output."""
    theta, x, step = setting.adapted(), setting.x, 1e-4
    higher, lower = setting.module.outputs([x + step, x - step], theta, any_shape=True)
    slope = (higher - lower).sum() / (2 * step)
    gradient = setting.module.gradient(x, theta, np.ones_like(higher))[1][-1]
    if gradient is None or abs(gradient.sum() - slope) > 1e-5 * max(1.0, abs(slope)):
        raise Failure(
            "the gradient of x is not the slope of the output: what comes before this layer in a "
            "model does not learn as it should",
            cause="detach-breaks-gradients",
        )


@check(
    "lora.dtype",
    PART,
    2,
    hints=(
        "Which dtype do A and B have if the model is in bfloat16?",
        "Make an adapter around nn.Linear(4, 4).double(), and call it.",
        "linear.weight.new_zeros(...), or dtype=linear.weight.dtype and device=….",
    ),
)
def test_dtype(evidence: Evidence) -> None:
    """A and B have the dtype of the layer, whatever torch's default is."""
    setting = Setting(evidence, 0)
    for dtype, default in (("float32", "float64"), ("float64", "float32")):
        module = setting.built(dtype, default)
        output = module.outputs([setting.x.astype(dtype)], any_shape=True)[0]
        if output.dtype != np.dtype(dtype):
            raise Failure(
                f"around a {dtype} layer expected a {dtype} output, found {output.dtype}",
                cause="wrong-dtype",
            )
    theta = setting.adapted()
    expected = setting.found(theta)
    setting.module = module  # of float64 as well, but made where torch's default is float32
    if not equal(setting.found(theta), expected):
        raise Failure(
            "around a float64 layer A and B are not float64: the update is that of rounded values",
            cause="dtype-mismatch",
        )
