"""Bugs of `finetune_step`: what a step does, and what it gives back."""

from __future__ import annotations

from grader.bug import Bug

_STEP = r"backward|zero_grad|step\(|cross_entropy"

BUGS: tuple[Bug, ...] = (
    Bug(
        "finetune-no-step",
        "No parameter moves.",
        "The brief asks for one step of the optimizer.",
        "Look at the order: zero_grad, backward, step.",
        _STEP,
        (
            "Which line changes the weights?",
            "Print a weight before and after.",
            "optimizer.zero_grad(), loss.backward(), optimizer.step(), in this order.",
        ),
        (
            "classification.step",
            "classification.step_frozen",
        ),
    ),
    Bug(
        "finetune-loss-summed",
        "The losses of the batch are summed.",
        "The brief asks for their mean: a larger batch takes no larger step.",
        "Look at reduction=, and at what is divided by.",
        r"reduction|sum\(|mean",
        (
            "How does your step grow with the batch?",
            "Take a step with a batch, and with the batch twice over.",
            "F.cross_entropy(logits, labels), whose default is the mean.",
        ),
        (
            "classification.step",
            "classification.loss",
        ),
    ),
    Bug(
        "finetune-uphill",
        "The step goes up the gradient: the loss grows.",
        "The brief asks for a step of the optimizer on the loss.",
        "Look for a minus sign at the loss or at the gradients.",
        r"-|backward|grad",
        (
            "Does the loss fall?",
            "Take ten steps on one batch, and print the loss.",
            "loss.backward() of the cross-entropy itself.",
        ),
        ("classification.step",),
    ),
    Bug(
        "finetune-two-steps",
        "The step is twice as large as it should be.",
        "The brief asks for one step along the gradient of one mean loss.",
        "Look for a second backward or a second step.",
        _STEP,
        (
            "How often are gradients made, and how often used?",
            "Count calls of backward and step.",
            "One backward and one step for each call.",
        ),
        ("classification.step",),
    ),
    Bug(
        "finetune-gradient-scaled",
        "The step has the right direction and a wrong length.",
        "The brief asks for the gradient of the mean cross-entropy as it is.",
        "Look for a factor at the loss or at the gradients.",
        r"\\*|/|scale|clip|norm",
        (
            "By what is your loss multiplied or divided?",
            "Print the norm of all gradients just before the step, and compare it with the "
            "plain loss's.",
            "Call backward() on the mean cross-entropy, without a factor.",
        ),
        ("classification.step",),
    ),
    Bug(
        "finetune-another-loss",
        "The step is not along the gradient of the mean cross-entropy.",
        "The brief asks for the mean cross-entropy between class logits and labels.",
        "Look at the loss, and at what happens to gradients before the step.",
        r"loss|backward|step\(",
        (
            "Of which function is your step the gradient?",
            "Print your loss beside F.cross_entropy(classifier(idx, lengths), labels).",
            "F.cross_entropy(classifier(idx, lengths), labels), then backward() and one step.",
        ),
        ("classification.step",),
    ),
    Bug(
        "finetune-only-the-head",
        "Only the head's parameters move; the backbone's stay.",
        "The brief asks for a step on all parameters that the optimizer has.",
        "Look for gradients that are deleted, and parameters that are left out.",
        r"grad = None|head|parameters|zero_",
        (
            "Which parameters does a step move?",
            "Compare every parameter before and after a step.",
            "loss.backward() and optimizer.step(), with nothing taken out between.",
        ),
        ("classification.step",),
    ),
    Bug(
        "finetune-stale-gradients",
        "Gradients from before are added to those of the step.",
        "The brief asks that they count for nothing.",
        "Look for zero_grad, and whether it comes before backward.",
        _STEP,
        (
            "What does backward() do with a grad that is there?",
            "Call the function twice on one batch, and compare the gradients.",
            "optimizer.zero_grad() before loss.backward().",
        ),
        ("classification.stale",),
    ),
    Bug(
        "finetune-softmax-twice",
        "The cross-entropy is taken of probabilities, which it turns into probabilities again.",
        "The brief asks for the cross-entropy of the class logits.",
        "Look for softmax in or around the loss.",
        r"softmax",
        (
            "What does cross_entropy expect: logits or probabilities?",
            "Print the loss of a batch that is classified perfectly.",
            "F.cross_entropy(classifier(idx, lengths), labels).",
        ),
        (
            "classification.step",
            "classification.loss",
        ),
    ),
    Bug(
        "finetune-loss-after-step",
        "The loss that comes back is that after the step.",
        "The brief asks for the loss before it.",
        "Look at which forward the returned loss is from.",
        r"return|item|loss",
        (
            "Of which weights is the loss that you return?",
            "Print the loss before and after optimizer.step().",
            "return loss.item(), of the loss with which backward() was called.",
        ),
        ("classification.loss",),
    ),
    Bug(
        "finetune-loss-not-a-float",
        "What comes back is no float.",
        "The brief asks for a float: a tensor keeps the graph of its step alive.",
        "Look at the return.",
        r"return",
        (
            "What is the type of what you return?",
            "Print type(finetune_step(…)).",
            "return loss.item().",
        ),
        ("classification.loss",),
    ),
    Bug(
        "finetune-returns-accuracy",
        "What comes back is the share of right answers.",
        "The brief asks for the loss.",
        "Look at the return.",
        r"return|argmax|==",
        (
            "What do you return?",
            "Compare it with the cross-entropy computed by hand.",
            "return loss.item().",
        ),
        ("classification.loss",),
    ),
    Bug(
        "finetune-returns-probability",
        "What comes back is the mean probability of the labels.",
        "The brief asks for the mean cross-entropy: minus the logarithm of each.",
        "Look at the return.",
        r"return|exp|softmax",
        (
            "What do you return?",
            "Compare it with the cross-entropy computed by hand.",
            "return loss.item().",
        ),
        ("classification.loss",),
    ),
    Bug(
        "finetune-in-eval-mode",
        "The step is made in eval mode: dropout does nothing.",
        "The brief asks that dropout act.",
        "Look for eval().",
        r"eval\(|train\(",
        (
            "What does dropout do while you train?",
            "Print classifier.training beside the forward.",
            "Leave the mode alone, or call classifier.train() first.",
        ),
        ("classification.train_mode",),
    ),
    Bug(
        "finetune-learns-nothing",
        "Repeated steps do not bring the loss down.",
        "The brief asks for steps that train the classifier.",
        "Look at what is kept from one call to the next.",
        _STEP,
        (
            "Does the loss fall when a step is repeated?",
            "Print the loss of forty steps on one batch.",
            "Make forward, loss, backward and step anew in every call.",
        ),
        ("classification.learns",),
    ),
)
