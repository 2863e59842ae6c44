"""Which exercises there are, and which checks each one has, without running any."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grader.checks.api import Check
from grader.checks.models import CLASSES
from grader.remote import Server, Subject
from grader.submission import Submission, read

ALL = "all"  # what is typed in place of an exercise's name
FOLDER = Path(__file__).parent
_PACKED = FOLDER.parent / "exercises"  # where an installed kit carries them
# What is handed to a candidate: the stubs and the brief.
HANDOUT = _PACKED if _PACKED.is_dir() else FOLDER.parents[1] / "exercises"


@dataclass(frozen=True)
class Exercise:
    """An exercise: its name, the file a candidate fills, its check files in order.

    names: the classes or functions that the candidate writes; brief: the file that says what;
    base: the exercise that it builds on; base_needed: whether it cannot be judged without;
    imports: modules that the policy allows besides torch and Python's own; judged_in: check files
    of each name, where it is not all.
    """

    name: str
    file: str
    modules: tuple[str, ...]
    names: tuple[str, ...]
    brief: str
    base: str | None = None
    base_needed: bool = True
    imports: tuple[str, ...] = ()
    judged_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def read(
        self,
        path: Path,
        base_folder: Path | None = None,
        given: Mapping[str, str] | None = None,
        beside: bool = True,
    ) -> Submission:
        """What was handed in for this exercise. Raises UnusableInput.

        base_folder: where the exercise that it builds on is, if not beside it; given: a name of
        this exercise -> what the submission calls it; beside: whether a single file may import
        what lies beside it.
        """
        others = {exercise.file for exercise in EXERCISES.values()} - {self.file}
        below = EXERCISES[self.base] if self.base else None
        return read(
            path,
            self.file,
            others,
            below.file if below else None,
            base_folder,
            self.base_needed,
            self.imports,
            self.names,
            {name: own for name, own in (given or {}).items() if name in self.names},
            beside,
            below.names if below else (),
        )

    def subject(
        self,
        submission: Submission,
        server: Server,
        timeout: float,
        stand_ins: Collection[str] = (),
    ) -> Subject:
        """The submission as the checks ask it. stand_ins: classes that are the grader's own."""
        file, names = None, tuple[str, ...]()
        if self.base is not None:
            file, names = EXERCISES[self.base].file, EXERCISES[self.base].names
        return Subject(submission, server, self.names, timeout, file, names, stand_ins)

    @property
    def paths(self) -> list[str]:
        """The check files, in the order in which they run."""
        return [str(FOLDER / self.name / f"{module}.py") for module in self.modules]

    def checks(self) -> dict[str, Check]:
        """The checks by the names of their functions ("test_mlp::test_width"), in order."""
        found = {}
        for name in self.modules:
            module = importlib.import_module(f"grader.checks.{self.name}.{name}")
            for key, item in vars(module).items():
                if key.startswith("test_") and hasattr(item, "check"):
                    found[f"{name}::{key}"] = item.check
        return found


def chosen(name: str) -> list[Exercise]:
    """The exercise of that name, or every one for ALL."""
    return list(EXERCISES.values()) if name == ALL else [EXERCISES[name]]


# In the order of the path: each builds on what stands before.
_PATH = (
    Exercise(
        "gpt2",
        "gpt2.py",
        ("test_policy", "test_attention", "test_mlp", "test_block", "test_model"),
        CLASSES,
        "README.md",
        judged_in={
            "CausalSelfAttention": ("test_attention",),
            "MLP": ("test_mlp",),
            "TransformerBlock": ("test_block",),
            "GPT2": ("test_model",),
        },
    ),
    Exercise(
        "generation",
        "generation.py",
        ("test_greedy", "test_sampling", "test_together", "test_contract", "test_chance"),
        ("generate",),
        "generation.md",
    ),
    Exercise(
        "kv_cache",
        "kv_cache.py",
        ("test_pieces", "test_cache", "test_work", "test_model", "test_limits"),
        ("CachedGPT2",),
        "kv_cache.md",
        base="gpt2",
        base_needed=False,
    ),
    Exercise(
        "training",
        "training.py",
        (
            *("test_contract", "test_data", "test_loss", "test_optimizer", "test_schedule"),
            *("test_step", "test_estimate", "test_run"),
        ),
        (
            *("get_batch", "language_modeling_loss", "configure_optimizer", "learning_rate_at"),
            *("train_step", "estimate_loss"),
        ),
        "training.md",
        base="gpt2",
        judged_in={
            "get_batch": ("test_data",),
            "language_modeling_loss": ("test_loss",),
            "configure_optimizer": ("test_optimizer",),
            "learning_rate_at": ("test_schedule",),
            "train_step": ("test_step",),
            "estimate_loss": ("test_estimate",),
        },
    ),
    Exercise(
        "tokenizer",
        "tokenizer.py",
        ("test_training", "test_contract", "test_encoding", "test_special", "test_decoding"),
        ("train_bpe", "BPETokenizer"),
        "tokenizer.md",
        judged_in={
            "train_bpe": ("test_training",),
            "BPETokenizer": ("test_contract", "test_encoding", "test_special", "test_decoding"),
        },
        imports=("regex",),
    ),
    Exercise(
        "pretrained",
        "pretrained.py",
        ("test_weights", "test_contract", "test_errors"),
        ("load_openai_weights",),
        "pretrained.md",
        base="gpt2",
    ),
    Exercise(
        "classification",
        "classification.py",
        ("test_interface", "test_classifier", "test_backbone", "test_finetuning", "test_clipping"),
        ("GPT2Classifier", "finetune_step"),
        "classification.md",
        base="gpt2",
        judged_in={
            "GPT2Classifier": ("test_interface", "test_classifier", "test_backbone"),
            "finetune_step": ("test_finetuning", "test_clipping"),
        },
    ),
)
EXERCISES = {exercise.name: exercise for exercise in _PATH}
