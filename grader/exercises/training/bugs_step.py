"""Bugs of `train_step`."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "stale-gradients",
        "Gradients from before the call, or from the step before, count.",
        "The brief asks that they count for nothing.",
        "Look for zero_grad, and where it stands.",
        r"zero_grad|grad = None",
        (
            "What do gradients hold when your function is called?",
            "Set p.grad = torch.ones_like(p) for all parameters before the call: does it show?",
            "optimizer.zero_grad() first, once.",
        ),
        ("training.fresh_gradients",),
    ),
    Bug(
        "mean-of-means",
        "Micro-batches weigh alike, however many targets they have.",
        "The brief asks for the mean over all targets of all micro-batches.",
        "Look at what each loss is multiplied with or divided by.",
        r"/|len\(|mean",
        (
            "Does a target in a small micro-batch weigh more than one in a large one?",
            "Compare the gradients with those of one batch that holds all targets.",
            "Weigh each micro-batch's mean by its targets that count, over those of all.",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "not-divided",
        "Gradients of micro-batches are summed, not averaged.",
        "The brief asks for the mean over all targets.",
        "Look at what each loss is divided by before backward().",
        r"backward|/",
        (
            "What does it do to a step if a batch is cut into ten micro-batches?",
            "Compare the gradients of one batch with those of its two halves.",
            "Weigh each micro-batch's mean by its targets that count, over those of all.",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "ignored-targets-weigh",
        "Micro-batches are weighed by all their targets, those of -100 too.",
        "The brief asks for the mean over targets that count.",
        "Look at how targets are counted.",
        r"numel|size|shape|count",
        (
            "Which targets does a mean loss go by?",
            "Give two micro-batches, one of them with most targets at -100.",
            "Count with (targets != -100).sum().",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "weighed-by-rows",
        "Micro-batches are weighed by their rows.",
        "The brief asks for the mean over all targets: rows may be of other lengths.",
        "Look at how micro-batches are weighed.",
        r"len\(|shape\[0\]|size\(0\)",
        (
            "Are two rows of one token as much as two of ten?",
            "Give two micro-batches of other lengths.",
            "Count targets: (targets != -100).sum().",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "one-micro-batch-only",
        "Only one micro-batch moves the parameters.",
        "The brief asks for one step on all of them.",
        "Look at what is in the loop and what is after it, and at zero_grad.",
        r"zero_grad|backward|for",
        (
            "What becomes of the gradients of the first micro-batch?",
            "Print the norm of the gradients after each backward().",
            "zero_grad once before the loop, backward in it, step once after it.",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "step-for-each",
        "The optimizer makes a step for each micro-batch.",
        "The brief asks for one step on all of them.",
        "Look at whether step() is in the loop.",
        r"step\(\)|for",
        (
            "How many steps is one train_step?",
            "Count how often optimizer.step() is called for three micro-batches.",
            "Call step() once, after the loop.",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "no-step",
        "The parameters do not move.",
        "The brief asks for one step of the optimizer.",
        "Look for backward() and step(), in that order, and for no_grad.",
        r"step\(|backward|no_grad|zero_grad",
        (
            "What makes parameters move?",
            "Print a parameter before and after.",
            "loss.backward(), then optimizer.step(), and no zero_grad in between.",
        ),
        ("training.step",),
    ),
    Bug(
        "step-uphill",
        "The parameters move the wrong way.",
        "The brief asks that the loss be made smaller.",
        "Look at the sign of the loss.",
        r"-|backward",
        (
            "Does the loss fall?",
            "Compare the loss before and after a step on one batch.",
            "Call backward() on the loss itself.",
        ),
        ("training.step",),
    ),
    Bug(
        "step-in-eval",
        "The model computes in eval mode during the step.",
        "The brief asks for train mode: dropout acts.",
        "Look for model.eval().",
        r"eval\(",
        (
            "When should dropout act?",
            "Print model.training where you call the model.",
            "Leave the mode alone, or call model.train().",
        ),
        ("training.step",),
    ),
    Bug(
        "micro-batches-joined",
        "Micro-batches are put together, and the model sees them all at once.",
        "The brief asks that it see one at a time: they are there to save memory.",
        "Look for cat or stack of the micro-batches.",
        r"cat|stack",
        (
            "Why would somebody cut a batch into pieces?",
            "Print the shape of each input of the model.",
            "A loop: forward and backward for each micro-batch, gradients add up by themselves.",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "micro-batches-held",
        "All micro-batches have gone forward before the first goes backward: memory holds them "
        "together.",
        "The brief asks that what one needs for its gradient be let go before the next is seen.",
        "Look for a list or a sum of losses, and for backward() after the loop; or for "
        "retain_graph.",
        r"backward|append|sum\(|stack|retain_graph|create_graph",
        (
            "When is a micro-batch's memory free again?",
            "Print in the order in which they happen: each forward and each backward.",
            "Call backward() on each micro-batch's weighed loss inside the loop: gradients add up "
            "by themselves.",
        ),
        ("training.accumulate",),
    ),
    Bug(
        "loss-of-one-micro-batch",
        "The loss that comes back is that of one micro-batch.",
        "The brief asks for that over all targets of all micro-batches.",
        "Look at what is returned after the loop.",
        r"return|loss",
        (
            "What does your variable hold after the loop?",
            "Print all micro-batches' losses and the one that you return.",
            "Add them up in the loop, each weighed by its share of the targets.",
        ),
        ("training.returned_loss",),
    ),
    Bug(
        "loss-not-averaged",
        "The loss that comes back is a sum over micro-batches.",
        "The brief asks for the mean over all targets.",
        "Look at what is added up, and what it is divided by.",
        r"\+=|sum",
        (
            "What is the loss if a batch is cut into ten?",
            "Compare one batch's loss with that of its two halves.",
            "Weigh each by its share of the targets, and add.",
        ),
        ("training.returned_loss",),
    ),
    Bug(
        "loss-mean-of-means",
        "The loss that comes back weighs micro-batches otherwise than by their targets that count.",
        "The brief asks for the mean over all targets that count.",
        "Look at what is divided by the number of micro-batches.",
        r"/|len\(|mean",
        (
            "Does a small micro-batch weigh as much as a large one?",
            "Compare with the loss of one batch that holds all targets.",
            "Weigh each by its share of the targets that count.",
        ),
        ("training.returned_loss",),
    ),
    Bug(
        "loss-after-the-step",
        "The loss that comes back is computed after the step.",
        "The brief asks for the one before it.",
        "Look at where the returned loss is computed.",
        r"return|step\(",
        (
            "Which parameters does the returned loss belong to?",
            "Compare it with the loss of the model as it was given.",
            "Return what the forward before backward() gave.",
        ),
        ("training.returned_loss",),
    ),
)
