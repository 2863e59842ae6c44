"""Bugs of `train_step` where it cuts the gradients' norm."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "clipping-missing",
        "Gradients are not clipped, or only after the step.",
        "The brief asks that their norm be cut to max_grad_norm before the step.",
        "Look at where max_grad_norm is used.",
        r"clip|max_grad_norm|step\(",
        (
            "When do gradients act?",
            "Print their norm right before optimizer.step().",
            "clip_grad_norm_ after the last backward() and before step().",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-of-each",
        "Each parameter's gradient is clipped by itself.",
        "The brief asks for the norm of all gradients together.",
        "Look for clipping in a loop over parameters.",
        r"clip|norm|for",
        (
            "Which norm is cut?",
            "Print the norm of all gradients together after clipping.",
            "One norm over all parameters, and one factor for all of them.",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-of-each-group",
        "Each of the optimizer's groups is clipped by itself.",
        "The brief asks for the norm of all gradients together.",
        "Look for clipping in a loop over optimizer.param_groups.",
        r"clip|norm|param_groups",
        (
            "How many groups does the optimizer have, and how many norms do you cut?",
            "Print the norm of all gradients together after clipping.",
            "One norm over the parameters of all groups, and one factor for all of them.",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-of-some",
        "Only some of the parameters are clipped.",
        "The brief asks for the norm of all gradients together, and one factor for all of them.",
        "Look at which parameters are given to clipping: one of the optimizer's groups is not all.",
        r"clip|ndim|parameters|param_groups",
        (
            "Which gradients does clipping reach?",
            "Print the norm of all gradients together after clipping.",
            "Give it all of model.parameters().",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-by-value",
        "Each number is clipped by itself.",
        "The brief asks that the norm of all gradients be cut, and their direction kept.",
        "Look for clip_grad_value_ or clamp.",
        r"clip|clamp",
        (
            "Does clipping change the direction of a step?",
            "Print the norm of all gradients after clipping.",
            "nn.utils.clip_grad_norm_.",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-always",
        "Gradients are scaled to max_grad_norm even if their norm is below it.",
        "The brief asks for that only above it.",
        "Look for a condition, or min(1, …).",
        r"clip|norm",
        (
            "What should happen to small gradients?",
            "Call it with max_grad_norm=1e6.",
            "Scale by min(1, max_grad_norm / norm).",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-too-early",
        "Gradients are clipped before all micro-batches have been added.",
        "The brief asks for the norm of the whole step's gradients.",
        "Look at whether clipping stands in the loop.",
        r"clip|for",
        (
            "When are the gradients complete?",
            "Count how often gradients are clipped for three micro-batches.",
            "Clip once, after the loop.",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-before-division",
        "Gradients are clipped first, and divided by the number of targets afterwards.",
        "The brief asks that the gradient of the mean loss be cut.",
        "Look at the order of clipping and division.",
        r"clip|/=|div_|/",
        (
            "Of which loss is the gradient that you clip?",
            "Print the norm of all gradients right before optimizer.step().",
            "Divide first, or weigh each micro-batch's loss before backward(), and clip then.",
        ),
        ("training.clip",),
    ),
    Bug(
        "clipping-other-norm",
        "Another norm is cut than the brief's.",
        "The brief asks for the root of the sum of all squares.",
        "Look at how the norm is computed.",
        r"norm|sum|abs|max",
        (
            "Which norm is it?",
            "Compare yours with nn.utils.get_total_norm of all gradients.",
            "The root of the sum of squares over all parameters.",
        ),
        ("training.clip",),
    ),
)
