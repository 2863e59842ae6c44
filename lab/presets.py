"""Recipes: every number that makes a training run what it is. A recipe is data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from lab.about import meant
from lab.errors import LabError

CHOICES = {
    "tokens": ("chars", "bytes", "gpt2"),
    "precision": ("auto", "float32", "bfloat16"),
    "compile": ("auto", "on", "off"),
    "attention": ("explicit", "auto", "sdpa"),
    "linear": ("auto", "torch", "onednn"),
    "optimizer": ("adamw", "muon"),
    "schedule": ("cosine", "linear"),
    "tied_head": ("own", "yes", "no"),
    "activation": ("own", "gelu", "gelu_new"),
}
SIZES = ("embed_dim", "num_heads", "num_layers", "block_size", "d_ff")
FORMS = ("tied_head", "activation", "layer_norm_epsilon")
MODEL_FIELDS = (*SIZES, *FORMS, "tokens")


@dataclass(frozen=True)
class Recipe:
    """Model, batch, optimisation, arithmetic, and how often what is done."""

    # The model
    embed_dim: int = 128
    num_heads: int = 4
    num_layers: int = 4
    block_size: int = 64
    d_ff: int = 0  # width inside the MLP; 0: the submission's own, which is 4 × embed_dim
    dropout: float = 0.0
    tokens: str = "chars"
    # own (epsilon: 0): as the submission has it; others set what its modules let be set
    tied_head: str = "own"
    activation: str = "own"  # gelu: the exact one; gelu_new: by tanh, as GPT-2 has it
    layer_norm_epsilon: float = 0.0

    freeze: int = 0  # first blocks that do not learn, with the embeddings below them

    lora: int = 0  # rank of the adapters that lab finetune trains in place of the weights; 0: none

    # Sequences in a batch, over all processes, and batches to one step of the optimizer
    batch_size: int = 12
    accumulation: int = 1

    # adamw: the submission's. muon: the lab's, for the matrices of the blocks, beside AdamW; each
    # takes a step every so many iterations, as many times as large. The learning rate warms up,
    # then falls over decay_iterations (0: all), along half a cosine as the submission has it, or in
    # a straight line
    optimizer: str = "adamw"
    muon_every: int = 1
    schedule: str = "cosine"
    iterations: int = 2_000
    learning_rate: float = 1e-3
    min_learning_rate: float = 1e-4
    warmup_iterations: int = 100
    decay_iterations: int = 0
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    max_grad_norm: float = 1.0

    # Arithmetic. auto: as is faster on the device. attention: explicit is the submission's own
    precision: str = "auto"
    compile: str = "auto"
    attention: str = "explicit"
    linear: str = "auto"
    fused: bool = True

    # How often, in iterations; 0: never
    log_every: int = 10
    eval_every: int = 250
    eval_batches: int = 20
    sample_every: int = 1_000
    sample_tokens: int = 200
    checkpoint_every: int = 250

    seed: int = 1337

    def decay_ends(self) -> int:
        """The iteration from which the learning rate is at its lowest."""
        return self.decay_iterations or self.iterations

    def betas(self) -> tuple[float, float]:
        """As AdamW takes them."""
        return self.beta1, self.beta2


# The command for a CPU in nanoGPT's README, number for number.
_CPU = Recipe()
_CPU_FAST = replace(
    _CPU,
    batch_size=24,
    optimizer="muon",
    muon_every=2,
    schedule="linear",
    iterations=1_850,
    learning_rate=1e-2,
    min_learning_rate=0.0,
    warmup_iterations=50,
    beta1=0.8,
    beta2=0.95,
    max_grad_norm=0.0,  # the size of a gradient does not matter to either optimizer
    attention="auto",
    eval_every=1_000,
    eval_batches=10,  # twice as large: as many tokens as with `cpu`
    checkpoint_every=500,
)

PRESETS: dict[str, Recipe] = {
    "cpu": _CPU,
    # The same model with the learning rate and the iterations of "Mini GPT-2 Transformer from
    # Scratch" (CPU Training Configuration), which names no warm-up and no schedule: those of `cpu`.
    "cpu-seed": replace(_CPU, iterations=4_000, learning_rate=3e-4, min_learning_rate=3e-5),
    # The same model, in about the time that nanoGPT takes for that command.
    "cpu-fast": _CPU_FAST,
    # To nanoGPT's loss in less than a quarter of that time: few steps may be long ones, and dear.
    "cpu-quick": replace(
        _CPU_FAST, iterations=320, muon_every=1, learning_rate=1.2e-2, warmup_iterations=30
    ),
    # GPT-2's smallest, as nanoGPT trains it: 40 × 12 × 1024 tokens to a step.
    "gpt2-small": Recipe(
        embed_dim=768,
        num_heads=12,
        num_layers=12,
        block_size=1024,
        tokens="gpt2",
        batch_size=12,
        accumulation=40,
        iterations=600_000,
        learning_rate=6e-4,
        min_learning_rate=6e-5,
        warmup_iterations=2_000,
        beta2=0.95,
        attention="sdpa",
        eval_every=1_000,
        eval_batches=100,
        sample_every=5_000,
        checkpoint_every=500,
    ),
    # For lab finetune without --base: most of what tells classes apart are the words themselves.
    "classifier": replace(
        _CPU,
        num_layers=1,
        dropout=0.3,
        tokens="gpt2",
        batch_size=16,
        learning_rate=2e-3,
        min_learning_rate=2e-4,
        warmup_iterations=50,
    ),
    "demo": replace(
        _CPU,
        iterations=1_500,
        num_layers=3,
        learning_rate=3e-3,
        min_learning_rate=3e-4,
        warmup_iterations=50,
        eval_batches=10,
        sample_every=250,
        sample_tokens=120,
    ),
}


def preset(name: str) -> Recipe:
    """The recipe of that name. Raises LabError."""
    if name not in PRESETS:
        raise LabError(f"there is no preset {name!r}; there is: {', '.join(PRESETS)}")
    return PRESETS[name]


def gently(recipe: Recipe) -> Recipe:
    """For a model that knows something: at the full rate it would forget that."""
    return replace(
        recipe,
        learning_rate=recipe.learning_rate / 10,
        min_learning_rate=recipe.min_learning_rate / 10,
    )


def changed(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with settings such as "learning_rate=1e-3". Raises LabError."""
    known = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    values: dict[str, Any] = {}
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign or name not in known:
            raise LabError(
                f"{setting!r} sets nothing"
                + (meant(name, known) or f": use NAME=VALUE with a name of {', '.join(known)}")
            )
        values[name] = _value(name, text, known[name])
    recipe = replace(recipe, **values)
    _check(recipe)
    return recipe


def on_base(recipe: Recipe, base: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe for a model that is there already: the base's. Raises LabError for settings that
    would make it another model.
    """
    start = replace(recipe, **{field: getattr(base, field) for field in MODEL_FIELDS})
    wanted = changed(start, settings)
    check_same_model(start, wanted)
    return wanted


def check_same_model(given: Recipe, wanted: Recipe) -> None:
    """Raise LabError if what makes a model is not the same in both."""
    for field in MODEL_FIELDS:
        if getattr(wanted, field) != getattr(given, field):
            raise LabError(
                f"{field} cannot be set anew: the model has it from its beginning "
                f"({getattr(given, field)})"
            )


def _value(name: str, text: str, like: Any) -> Any:
    """The text as a value of the same type."""
    if isinstance(like, bool):
        if text.lower() not in ("true", "false"):
            raise LabError(f"{name} is true or false, not {text!r}")
        return text.lower() == "true"
    try:
        return type(like)(text.replace("_", "") if isinstance(like, int) else text)
    except ValueError:
        raise LabError(f"{name} is of type {type(like).__name__}, not {text!r}") from None


def _check(recipe: Recipe) -> None:
    """Raise LabError for a recipe that cannot be followed."""
    for name, choices in CHOICES.items():
        if getattr(recipe, name) not in choices:
            found = getattr(recipe, name)
            raise LabError(
                f"{name} is one of {', '.join(choices)}, not {found!r}{meant(found, choices)}"
            )
    counted = ("embed_dim", "num_heads", "num_layers", "block_size", "batch_size")
    least = dict.fromkeys((*counted, "accumulation", "muon_every"), 1)
    for name, value in asdict(recipe).items():
        if isinstance(value, int | float) and not value >= least.get(name, 0):
            raise LabError(f"{name} must be at least {least.get(name, 0)}, not {value}")
    if recipe.freeze > recipe.num_layers:
        raise LabError(f"freeze={recipe.freeze} is more than num_layers={recipe.num_layers}")
    if recipe.embed_dim % recipe.num_heads:
        raise LabError(
            f"embed_dim must be divisible by num_heads (got {recipe.embed_dim} and "
            f"{recipe.num_heads})"
        )
