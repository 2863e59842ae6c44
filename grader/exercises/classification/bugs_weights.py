"""Bugs of `GPT2Classifier`: whose weights it has, and how many of its own."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "class-head-not-trained",
        "The map to class logits is not trained: its weights are no parameters, or frozen.",
        "The brief asks for a learned linear map.",
        "Look at how the head's weights are made.",
        r"buffer|requires_grad|Parameter|Linear|randn|\[nn",
        (
            "Which parameters does your head have?",
            "Print the names in classifier.named_parameters() that are not the backbone's.",
            "self.head = nn.Linear(embed_dim, num_classes), and nothing that freezes it.",
        ),
        (
            "classification.linear",
            "classification.frozen",
            "classification.step_frozen",
        ),
    ),
    Bug(
        "class-head-too-narrow",
        "Not every linear map can be learned: there are too few weights, or a narrow "
        "layer between.",
        "The brief asks for a linear map from embed_dim to num_classes, with all the "
        "weights it has.",
        "Look at the sizes of the layers in the head.",
        r"Linear|Parameter|expand|repeat",
        (
            "How many weights has a linear map from embed_dim to num_classes?",
            "Print the shapes of the head's parameters.",
            "One nn.Linear(embed_dim, num_classes).",
        ),
        ("classification.linear",),
    ),
    Bug(
        "num-classes-ignored",
        "The number of class logits is not num_classes.",
        "The brief asks for (B, num_classes).",
        "Look at the head's size in __init__: is it a constant?",
        r"Linear|num_classes|Parameter|return",
        (
            "How many columns has your result?",
            "Print its shape for num_classes = 2 and for 9.",
            "nn.Linear(embed_dim, num_classes).",
        ),
        ("classification.shape",),
    ),
    Bug(
        "class-logits-wrong-shape",
        "The class logits have another shape than (B, num_classes).",
        "The brief asks for one row for each sequence and one column for each class.",
        "Look at squeeze, flatten and transpose before the return.",
        r"squeeze|flatten|view|reshape|\.T|transpose|return",
        (
            "What shape has your result for one text?",
            "Print the shape for B = 1 and for B = 3.",
            "Return (B, num_classes) always; squeeze only an axis that you name.",
        ),
        ("classification.shape",),
    ),
    Bug(
        "copies-the-backbone",
        "The classifier has a copy of the backbone's weights.",
        "The brief asks for the given gpt2's own parameters.",
        "Look for deepcopy, load_state_dict and clone.",
        r"copy|state_dict|clone",
        (
            "If the classifier is trained, does the gpt2 learn?",
            "Compare id(p) of gpt2.parameters() and classifier.parameters().",
            "self.backbone = gpt2.",
        ),
        ("classification.own_weights",),
    ),
    Bug(
        "resets-the-backbone",
        "Building the classifier changes the weights of the given gpt2.",
        "The brief asks for its parameters with the values that they had: they may have"
        " been pretrained.",
        "Look for self.apply(…) and nn.init in the constructor.",
        r"apply|init\.|reset|normal_|zeros_",
        (
            "What becomes of pretrained weights when the classifier is built?",
            "Compare gpt2.state_dict() before and after.",
            "Initialise the new head alone.",
        ),
        ("classification.own_weights",),
    ),
    Bug(
        "another-in-train-mode",
        "In train mode other class logits come than in eval mode, with nothing to drop.",
        "The brief asks for one function: train mode adds dropout and nothing else.",
        "Look for self.training in forward.",
        r"training|train\(",
        (
            "What should train() change in your class?",
            "Compare the class logits in both modes, for dropout_p = 0.",
            "Read the same position in both modes.",
        ),
        ("classification.deterministic",),
    ),
    Bug(
        "ignores-the-backbone",
        "The classifier has a new backbone, and not the one that it was given.",
        "The brief asks for the given gpt2's own parameters: they may have been pretrained.",
        "Look for a GPT2(…) in the constructor.",
        r"GPT2\(|gpt2",
        (
            "What becomes of the weights that the gpt2 came with?",
            "Set one weight of the gpt2 to 100: do the class logits change?",
            "self.backbone = gpt2, and no new model.",
        ),
        ("classification.own_weights",),
    ),
    Bug(
        "backbone-not-registered",
        "The backbone's parameters are not among the classifier's.",
        "The brief asks for them in classifier.parameters(): an optimizer finds them nowhere else.",
        "Look at how the gpt2 is kept: in a list, a lambda, a closure?",
        r"gpt2|backbone|\[",
        (
            "What does an optimizer get from classifier.parameters()?",
            "Print len(list(classifier.parameters())).",
            "Set the module itself as an attribute: self.backbone = gpt2.",
        ),
        ("classification.own_weights",),
    ),
    Bug(
        "backbone-cut-off",
        "Gradients reach the head, and not the backbone, or not always.",
        "The brief asks that gradients reach all weights that have a part in the result"
        " and are not frozen.",
        "Look for no_grad, detach and .data around the call of the backbone.",
        r"no_grad|detach|\.data|set_grad|inference|requires_grad",
        (
            "Could the backbone learn?",
            "Call backward() on the sum of the class logits, and print every grad of the gpt2.",
            "Call the backbone as it is; whoever wants it frozen freezes it from outside.",
        ),
        (
            "classification.gradients",
            "classification.frozen",
        ),
    ),
    Bug(
        "freezes-the-backbone",
        "The classifier freezes parameters of the backbone itself.",
        "The brief leaves that to whoever uses it.",
        "Look for requires_grad in the class.",
        r"requires_grad|no_grad|eval\(",
        (
            "Who decides which weights are trained?",
            "Print requires_grad of the gpt2's parameters before and after.",
            "Leave requires_grad alone.",
        ),
        (
            "classification.gradients",
            "classification.frozen",
        ),
    ),
    Bug(
        "unfreezes-the-backbone",
        "Parameters that were frozen are trained again.",
        "The brief asks that frozen parameters stay frozen.",
        "Look for requires_grad_(True) and requires_grad = True.",
        r"requires_grad",
        (
            "Who decides which weights are trained?",
            "Freeze the gpt2 before, and print every requires_grad afterwards.",
            "Leave requires_grad alone, in the class and in finetune_step.",
        ),
        (
            "classification.frozen",
            "classification.step_frozen",
        ),
    ),
)
