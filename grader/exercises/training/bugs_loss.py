"""Bugs of `language_modeling_loss`."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "loss-summed",
        "The losses are summed, over all positions or over time.",
        "The brief asks for the mean over all targets that count.",
        "Look at reduction, sum and mean.",
        r"reduction|sum|mean",
        (
            "What happens to your loss when the batch grows?",
            "Give it logits of zeros: the loss has to be ln(V), for any B and T.",
            'Mean over all positions, or reduction="mean", which is the default.',
        ),
        (
            "training.loss",
            "training.loss_ignore",
        ),
    ),
    Bug(
        "loss-divided-by-all",
        "Ignored targets are left out of the sum, but still counted where it is divided.",
        "The brief asks for the mean over those that are not ignored.",
        "Look at what the sum is divided by.",
        r"mean|numel|/|sum",
        (
            "How many targets count?",
            "With half of the targets ignored and logits of zeros, the loss is still ln(V).",
            "Divide by the number of targets that are not ignore_index.",
        ),
        ("training.loss_ignore",),
    ),
    Bug(
        "ignore-index-without-effect",
        "Targets that equal ignore_index count like others.",
        "The brief asks that they do not count.",
        "Look at whether ignore_index is passed on, whatever its value is.",
        r"ignore_index|-100|mask",
        (
            "What does your function do with ignore_index=0?",
            "Change the logits at an ignored target: the loss must not move.",
            "Give ignore_index=ignore_index to F.cross_entropy, or leave those positions out "
            "yourself.",
        ),
        ("training.loss_ignore",),
    ),
    Bug(
        "ignore-index-looked-up",
        "Targets that do not count are looked up among the logits: an ignore_index of V or more is "
        "out of range.",
        "The brief asks that they not count, whatever value ignore_index has.",
        "Look at what gather or an index is given where targets do not count.",
        r"gather|clamp|clip|index|where|masked",
        (
            "Which logit belongs to a target that is no token?",
            "Give it ignore_index=V and a target of V.",
            "Before you look up, put a token, such as 0, in the place of each target that equals "
            "ignore_index.",
        ),
        ("training.loss_ignore",),
    ),
    Bug(
        "loss-of-softmax",
        "A softmax is taken twice: the cross-entropy is given probabilities.",
        "The brief's logits are raw, and cross-entropy takes them so.",
        "Look for a softmax or log_softmax before F.cross_entropy.",
        r"softmax|cross_entropy",
        (
            "What does F.cross_entropy do with its input first?",
            "Give it logits that are certain, 50 at each target: is the loss 0?",
            "F.cross_entropy on the logits themselves, or nll_loss on their log_softmax.",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-negative",
        "The loss has the wrong sign.",
        "The brief asks for minus the log-probability of the targets.",
        "Look at the sign of the mean.",
        r"-|return|mean",
        (
            "Should a better model have a larger loss?",
            "Give it logits of zeros: it has to be +ln(V).",
            "Minus the mean of the targets' log-probabilities.",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-in-bits",
        "The loss is measured in bits.",
        "The brief asks for nats.",
        "Look for log2 or a division by ln(2).",
        r"log2|log\(2",
        (
            "Which logarithm is it?",
            "Give it logits of zeros for V = 2: is it 1 or 0.693?",
            "The natural logarithm, as log_softmax takes it.",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-of-row-means",
        "Each row's mean is taken first, and then the mean of those.",
        "The brief asks for the mean over all targets that count: rows with fewer of them "
        "weigh less.",
        "Look for two means, or a mean over one axis.",
        r"mean|dim",
        (
            "Does a row with one target weigh as much as one with ten?",
            "Ignore all but one target of one row, and compare with the mean by hand.",
            "One sum over everything, divided by one number.",
        ),
        ("training.loss_ignore",),
    ),
    Bug(
        "loss-smoothed",
        "The targets are smoothed.",
        "The brief asks for the plain cross-entropy.",
        "Look at label_smoothing.",
        r"smooth",
        (
            "What is the loss of a model that is right and certain?",
            "Give it logits of 50 at each target: is the loss 0?",
            "Leave label_smoothing out.",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-axes-mixed",
        "Logits meet the targets of other positions: axes are mixed up in a reshape.",
        "The brief's logits are (B, T, V) and its targets (B, T).",
        "Look at view, reshape, transpose and permute.",
        r"view|reshape|transpose|permute|flatten|\.T\b|mT",
        (
            "Which target belongs to which row of your two-dimensional logits?",
            "Try B = 2, T = 3, V = 5 and compare with a loop over positions.",
            "logits.view(B * T, V) and targets.view(B * T); or logits.transpose(1, 2), (B, V, "
            "T), with targets (B, T).",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-shifted-again",
        "Logits and targets are shifted once more inside the loss.",
        "The brief's targets are shifted already: position t of both belongs together.",
        "Look for [:, :-1] and [:, 1:].",
        r":-1|1:",
        (
            "Who shifts: get_batch or the loss?",
            "Give it logits that are certain of targets: is the loss 0?",
            "Use all T positions as they come.",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-of-last-position",
        "Only the last position counts.",
        "The brief asks for all positions.",
        "Look for an index of -1 on the axis of time.",
        r"-1",
        (
            "From how many positions does a model learn at once?",
            "Change the logits at the first position: does the loss move?",
            "Keep the axis of time, and flatten it into the batch.",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-unstable",
        "Large logits make the loss infinite, NaN or capped.",
        "The brief asks that large logits be no trouble.",
        "Look for exp, for the log of a softmax, and for a small number that is added before "
        "a log.",
        r"exp|log\(|softmax|eps|clamp|1e-",
        (
            "What is exp(1000), and log(0)?",
            "Give it logits of 10000 and -10000.",
            "log_softmax, or F.cross_entropy, or logsumexp minus the target's logit.",
        ),
        ("training.loss_stable",),
    ),
    Bug(
        "loss-not-a-scalar",
        "The loss is not a tensor of shape ().",
        "The brief asks for a scalar tensor.",
        'Look at the return: item(), keepdim, reduction="none", a tuple.',
        r"return|item|keepdim|reduction",
        (
            "What does backward() want to be called on?",
            "Print type(loss) and loss.shape.",
            "Return the mean as it is: a tensor of shape ().",
        ),
        ("training.loss",),
    ),
    Bug(
        "loss-without-gradient",
        "No gradient flows through the loss.",
        "The brief asks for a loss that a model can learn from.",
        "Look for detach(), item(), no_grad, numpy() and torch.tensor(…).",
        r"detach|item|no_grad|numpy|tensor\(|\.data",
        (
            "Could a model learn from it?",
            "Print loss.requires_grad for logits that require one.",
            "Compute it with torch's functions on the logits themselves.",
        ),
        ("training.loss_gradient",),
    ),
)
