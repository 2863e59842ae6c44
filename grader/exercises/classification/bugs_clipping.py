"""Bugs of `finetune_step` where it scales the gradients."""

from __future__ import annotations

from grader.bug import Bug

_CLIP = r"clip|norm|max_grad_norm"

BUGS: tuple[Bug, ...] = (
    Bug(
        "finetune-clips-some-parameters",
        "Only some of the parameters are clipped.",
        "The brief asks for one factor for all gradients, by the norm of all together.",
        "Look at which parameters are given to the clipping.",
        _CLIP,
        (
            "Which gradients does your clipping see?",
            "Print the ratio of gradients before and after clipping, for every parameter.",
            "clip_grad_norm_(classifier.parameters(), max_grad_norm).",
        ),
        ("classification.clipping",),
    ),
    Bug(
        "finetune-clips-unasked",
        "Gradients are clipped although max_grad_norm is None.",
        "The brief asks for clipping only where it is given.",
        "Look for a default norm such as 1.0.",
        _CLIP,
        (
            "What does max_grad_norm=None mean?",
            "Print the norm of the gradients before the step, without max_grad_norm.",
            "if max_grad_norm is not None: clip.",
        ),
        ("classification.step",),
    ),
    Bug(
        "finetune-clipping-missing",
        "max_grad_norm has no effect.",
        "The brief asks that gradients be scaled down to it.",
        "Look at whether clipping stands between backward and step.",
        _CLIP,
        (
            "When are there gradients to clip?",
            "Print the norm of all gradients just before the step.",
            "clip_grad_norm_ after loss.backward() and before optimizer.step().",
        ),
        ("classification.clipping",),
    ),
    Bug(
        "finetune-clips-each-value",
        "Every element of the gradients is clipped by itself.",
        "The brief asks for one factor, by the norm of all together.",
        "Look for clip_grad_value_ or clamp.",
        r"clip|clamp",
        (
            "Does clipping change the direction of your step?",
            "Compare the gradients before and after clipping: what is their ratio?",
            "torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm).",
        ),
        ("classification.clipping",),
    ),
    Bug(
        "finetune-clips-each-parameter",
        "Every parameter's gradient is clipped by its own norm.",
        "The brief asks for one factor, by the norm of all together.",
        "Look for a loop around the clipping.",
        r"clip|for |norm",
        (
            "Does clipping change the direction of your step?",
            "Print the factor with which each parameter's gradient is scaled.",
            "One call of clip_grad_norm_ with all parameters.",
        ),
        ("classification.clipping",),
    ),
    Bug(
        "finetune-clips-each-group",
        "Each of the optimizer's groups is clipped by its own norm.",
        "The brief asks for one factor, by the norm of all together.",
        "Look for a loop over optimizer.param_groups around the clipping.",
        r"clip|param_groups|norm",
        (
            "How many groups does the optimizer have, and how many norms do you cut?",
            "Print the factor with which each parameter's gradient is scaled.",
            "One call of clip_grad_norm_ with the parameters of all groups.",
        ),
        ("classification.clipping",),
    ),
    Bug(
        "finetune-scales-small-gradients",
        "Gradients smaller than max_grad_norm are scaled up to it.",
        "The brief asks that smaller ones stay as they are.",
        "Look for a factor that may be above 1.",
        _CLIP,
        (
            "What happens to a gradient that is small enough?",
            "Take a step with max_grad_norm=1000.",
            "Scale by min(1, max_grad_norm / norm).",
        ),
        ("classification.clipping",),
    ),
    Bug(
        "finetune-clips-by-another-norm",
        "The gradients are scaled together, and not to a Euclidean norm of max_grad_norm.",
        "The brief asks for the Euclidean norm of all gradients together.",
        "Look at norm_type, and at what the norm is taken of.",
        r"norm|sqrt|abs|max",
        (
            "Which norm of the gradients is max_grad_norm about?",
            "Print the square root of the sum of all squares before the step.",
            "clip_grad_norm_(classifier.parameters(), max_grad_norm), with norm_type 2.",
        ),
        ("classification.clipping",),
    ),
)
