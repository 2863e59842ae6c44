"""A classifier: made of a model, fine-tuned on labelled texts, measured, asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import nn

from lab import checkpoint
from lab.checkpoint import NotWrittenError, put_weights, read_weights, write_weights
from lab.data.labelled import Labelled, Row, per_class
from lab.data.tokens import Tokens
from lab.device import training_precision
from lab.errors import LabError
from lab.freezing import freeze
from lab.log import Log
from lab.loop import not_finite
from lab.model import build, dressed
from lab.optimization import learning_rate_of, optimizer_of
from lab.origin import Origin
from lab.presets import Recipe
from lab.progress import Shown
from lab.run_folder import Run
from lab.submission import Submission

_MEASURED_AT_ONCE = 32  # rows


@dataclass(frozen=True)
class Task:
    """What is learned, with what, where."""

    submission: Submission
    run: Run
    data: Labelled
    tokens: Tokens
    device: torch.device

    @property
    def recipe(self) -> Recipe:
        """The numbers."""
        return self.run.recipe


def make(
    submission: Submission, recipe: Recipe, vocab_size: int, classes: int, base: Origin | None
) -> nn.Module:
    """The submission's classifier on its GPT2, which begins with weights if they are given."""
    gpt2 = build(submission, recipe, vocab_size)
    if base is not None:
        put_weights(gpt2, base.weights, str(base.place))
    freeze(gpt2, recipe, vocab_size)
    if recipe.lora:
        submission.get("lora", "add_lora")(gpt2, recipe.lora, float(2 * recipe.lora))
    classifier: nn.Module = submission.get("classification", "GPT2Classifier")(
        gpt2, recipe.embed_dim, classes
    )
    return classifier


def encoded(texts: Sequence[str], tokens: Tokens, block_size: int) -> list[torch.Tensor]:
    """The beginnings of texts as tokens, at least one each. Characters never seen are left out."""
    ids = (tokens.encode(text, skip_unknown=True)[:block_size] for text in texts)
    return [torch.from_numpy(one) if len(one) else torch.zeros(1, dtype=torch.int64) for one in ids]


def padded(rows: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows side by side: (B, T), padded on the right with token 0, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True), lengths


class FineTuning:
    """A classifier and its optimizer, epoch by epoch."""

    def __init__(self, task: Task, classifier: nn.Module) -> None:
        recipe = task.recipe
        self._task = task
        self._step = task.submission.get("classification", "finetune_step")
        self._learning_rate_of = learning_rate_of(recipe, task.submission)
        self.classifier = classifier.to(task.device)
        self._optimizer = optimizer_of(
            self.classifier, recipe, task.submission, task.tokens.vocab_size
        )
        precision = training_precision(recipe.precision, task.device)
        self._dressed = dressed(self.classifier, recipe, task.device, precision)
        self._train = _tensors(task.data.train, task)
        self._test = _tensors(task.data.test, task)
        torch.manual_seed(recipe.seed)
        self.done = 0
        self.best = -1.0  # accuracy
        self.best_table: list[list[int]] = []

    def step(self, places: torch.Tensor) -> tuple[float, float]:
        """One step on these rows; returns its loss before the step, and its learning rate."""
        recipe, device = self._task.recipe, self._task.device
        rate = self._learning_rate_of(self.done)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        rows, labels = self._train
        idx, lengths = padded([rows[i] for i in places.tolist()])
        loss: float = self._step(
            self._dressed.train(),
            self._optimizer,
            idx.to(device),
            lengths.to(device),
            labels[places].to(device),
            max_grad_norm=recipe.max_grad_norm or None,
        )
        self.done += 1
        return loss, rate

    def epoch_length(self) -> int:
        """In steps."""
        return math.ceil(len(self._train[0]) / self._task.recipe.batch_size)

    def save(self) -> None:
        """Write a checkpoint. Raises LabError."""
        chance = {"cpu": torch.get_rng_state()}
        if self._task.device.type == "cuda":
            chance["cuda"] = torch.cuda.get_rng_state(self._task.device)
        state = {
            "done": self.done,
            "best": self.best,
            "best_table": self.best_table,
            "optimizer": self._optimizer.state_dict(),
            "chance": chance,
        }
        try:
            checkpoint.save(self._task.run.checkpoints, self.done, self.classifier, state)
        except NotWrittenError as error:
            raise LabError(f"the checkpoint could not be written: {error}") from error

    def restore(self) -> bool:
        """Go on from the newest checkpoint of the run; says whether there is one."""
        state = checkpoint.load_newest(self._task.run.checkpoints, self.classifier)
        if state is None:
            return False
        self.done, self.best, self.best_table = state["done"], state["best"], state["best_table"]
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["chance"]["cpu"])
        if self._task.device.type == "cuda" and "cuda" in state["chance"]:
            torch.cuda.set_rng_state(state["chance"]["cuda"], self._task.device)
        return True

    def batches(self, epoch: int) -> Iterator[torch.Tensor]:
        """The rows of an epoch in an order of its own, as places (B,)."""
        chance = torch.Generator().manual_seed(self._task.recipe.seed + epoch)
        order = torch.randperm(len(self._train[0]), generator=chance)
        size = self._task.recipe.batch_size
        return (order[start : start + size] for start in range(0, len(order), size))

    def confusion(self) -> list[list[int]]:
        """Of each class (row) of the rows to measure on, how many were taken for which (column)."""
        rows, labels = self._test
        taken = most_probable(self._dressed, rows, self._task.device)[1]
        n = len(self._task.data.classes)
        table = torch.bincount(labels * n + taken, minlength=n * n).view(n, n)
        return [[int(cell) for cell in row] for row in table]


def most_probable(
    classifier: nn.Module, rows: Sequence[torch.Tensor], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """For each row the probability of its most probable class, and which that is."""
    classifier.eval()
    probabilities = torch.empty(len(rows))
    classes = torch.empty(len(rows), dtype=torch.int64)
    # Those of like length together: little padding.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    with torch.inference_mode():
        for start in range(0, len(order), _MEASURED_AT_ONCE):
            places = order[start : start + _MEASURED_AT_ONCE]
            idx, lengths = padded([rows[i] for i in places])
            logits = classifier(idx.to(device), lengths.to(device))
            best = F.softmax(logits.float(), dim=-1).max(-1)
            probabilities[places], classes[places] = best.values.cpu(), best.indices.cpu()
    return probabilities, classes


def _tensors(data: Sequence[Row], task: Task) -> tuple[list[torch.Tensor], torch.Tensor]:
    rows = encoded([text for text, _ in data], task.tokens, task.recipe.block_size)
    return rows, torch.tensor([label for _, label in data])


def finetune(
    tuning: FineTuning, task: Task, log: Log, bar: Shown, stop: Callable[[], bool]
) -> bool:
    """Train to the end or until asked to stop, measure after each epoch, keep the best; says
    whether the end was reached.

    Raises LabError if the loss is no number any more.
    """
    end, every = task.recipe.iterations, task.recipe.checkpoint_every
    while tuning.done < end and not stop():
        epoch, within = divmod(tuning.done, tuning.epoch_length())
        for places in islice(tuning.batches(epoch), within, None):
            loss, rate = tuning.step(places)
            if not math.isfinite(loss):
                raise LabError(not_finite(tuning.done, loss, task.run.checkpoints))
            if tuning.done % max(1, task.recipe.log_every) == 0:
                log.write("step", tuning.done, loss=loss, learning_rate=rate)
                bar.advance(tuning.done, [f"loss {loss:.3f}"])
            if stop() or tuning.done == end:
                break
            if every and tuning.done % every == 0:
                tuning.save()
        if tuning.done == end or tuning.done % tuning.epoch_length() == 0:
            _measure(tuning, task, log, bar)
        tuning.save()
    return tuning.done == end


def _measure(tuning: FineTuning, task: Task, log: Log, bar: Shown) -> None:
    """Accuracy on the rows for it; the best weights are kept. Raises LabError."""
    table = tuning.confusion()
    accuracy = sum(table[i][i] for i in range(len(table))) / sum(map(sum, table))
    log.write("eval", tuning.done, accuracy=accuracy, report=per_class(table, task.data.classes))
    epochs = tuning.done / tuning.epoch_length()
    bar.say(f"epoch {epochs:g}: accuracy {accuracy:.4f}")
    if accuracy <= tuning.best:
        return
    tuning.best, tuning.best_table = accuracy, table
    facts = {"step": str(tuning.done), "accuracy": repr(accuracy)}
    try:
        write_weights(task.run.best, tuning.classifier, facts)
    except NotWrittenError as error:
        raise LabError(f"the weights could not be written: {error}") from error


@dataclass(frozen=True)
class Judge:
    """A fine-tuned classifier, ready to be asked."""

    classifier: nn.Module
    run: Run
    tokens: Tokens
    device: torch.device

    def ask(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The class of each text, and how probable the classifier holds it."""
        rows = encoded(texts, self.tokens, self.run.recipe.block_size)
        probabilities, classes = most_probable(self.classifier, rows, self.device)
        names = self.run.facts["classes"]
        return [
            (names[i], p) for i, p in zip(classes.tolist(), probabilities.tolist(), strict=True)
        ]


def judge(run: Run, submission: Submission, device: torch.device) -> Judge:
    """The classifier of a run. Raises LabError."""
    classes = len(run.facts["classes"])
    classifier = make(submission, run.recipe, run.facts["vocab_size"], classes, None)
    put_weights(classifier, read_weights(run.weights()), str(run.path))
    return Judge(classifier.to(device), run, run.tokens(submission), device)
