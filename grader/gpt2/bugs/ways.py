"""Bugs that show in some ways of using a class and not in others."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="not-registered-until-called",
        names="Some layers are made in the first call, so they are no parameters before it.",
        asks="The brief's classes have all their weights once they are built: an optimizer is "
        "made, and saved weights are loaded, before the first call.",
        look="Look in forward for layers and parameters that are made there.",
        code=r"is None|hasattr|nn\.|Parameter",
        hints=(
            "When does an optimizer learn which parameters there are?",
            "Print len(list(model.parameters())) before and after the first call.",
            "Make every layer in __init__: all sizes are known there from embed_dim.",
        ),
        checks=(".ways", ".gradients"),
    ),
    Bug(
        slug="not-registered",
        names="Some of the weights are not among the module's parameters().",
        asks="The brief's classes are nn.Modules: what they learn is registered, so that an "
        "optimizer changes it, and state_dict() saves it.",
        look="Look for layers in a plain list or dict, or behind a lambda, and for tensors with "
        "requires_grad that are no nn.Parameter.",
        code=r"\[|\{|requires_grad|lambda|tensor\(|randn",
        hints=(
            "Which of your layers does model.parameters() list?",
            "Print the names in model.named_parameters() and compare with what __init__ makes.",
            "Put layers into nn.ModuleList, nn.ModuleDict or nn.Sequential, tensors into "
            "nn.Parameter.",
        ),
        checks=(".parts", ".projections", ".width", ".layers", ".equals", ".ways", ".gradients"),
    ),
    Bug(
        slug="state-dict-incomplete",
        names="A model that has loaded the saved state_dict() is another model.",
        asks="Saving and loading the state_dict() of the brief's classes gives the same function.",
        look="Look at what is random or learnt and is neither an nn.Parameter nor a buffer, and at "
        "a state_dict or load_state_dict of your own.",
        code=r"state_dict|persistent|rand|register_buffer",
        hints=(
            "What would be lost if you saved your model and loaded it tomorrow?",
            "Load model.state_dict() into a second instance and compare the outputs.",
            "Register what is learnt as nn.Parameter, and leave state_dict as it is.",
        ),
        checks=(".ways",),
    ),
    Bug(
        slug="copy-differs",
        names="A copy of the model, by copy.deepcopy or pickle, computes something else.",
        asks="The brief's forward depends on weights and input alone, not on which object it is.",
        look="Look for id(self), for __deepcopy__, __getstate__ and the like, and for what is kept "
        "outside of the module.",
        code=r"id\(|deepcopy|__getstate__|__setstate__|__reduce|weakref|global",
        hints=(
            "What does copy.deepcopy copy, and what does it leave behind?",
            "Compare copy.deepcopy(model)(x) with model(x).",
            "Keep all that forward needs in registered modules, parameters and buffers.",
        ),
        checks=(".ways",),
    ),
    Bug(
        slug="copy-shares-weights",
        names="A deep copy goes on computing with the weights of the original.",
        asks="A copy of the brief's classes is a model of its own, as for an average of weights.",
        look="Look in __init__ for lambdas, inner functions and bound methods that hold self: a "
        "copy keeps those of the original.",
        code=r"lambda|def |partial|self\.\w+ = self\.",
        hints=(
            "Whose layers do the lambdas of a copied module call?",
            "Change all weights of copy.deepcopy(model) and see whether its output changes.",
            "Write methods, or call the layers in forward, in place of lambdas made in __init__.",
        ),
        checks=(".ways",),
    ),
    Bug(
        slug="depends-on-grad-mode",
        names="The output depends on whether gradients are recorded, or inference mode is on.",
        asks="The brief's forward is one function; self.training alone says whether dropout acts.",
        look="Look for is_grad_enabled, is_inference_mode_enabled and requires_grad in forward.",
        code=r"is_grad_enabled|inference|requires_grad|grad_fn",
        hints=(
            "What should torch.no_grad() change in your output?",
            "Compare model(x) with and without torch.no_grad(), and in torch.inference_mode().",
            "Ask self.training where the mode matters, and nothing else.",
        ),
        checks=(".ways", ".dropout"),
    ),
    Bug(
        slug="not-contiguous",
        names="An input that is a view of another tensor, such as batch[:, :-1], is not taken.",
        asks="The brief allows any tensor of the right shape, also one whose rows lie apart.",
        look="Look for view on what comes in, and for is_contiguous, stride and as_strided.",
        code=r"view|contiguous|stride|data_ptr",
        hints=(
            "How do the numbers of batch[:, :-1] lie in memory?",
            "Call the class with torch.cat([x, x], 1)[:, : x.shape[1]] in place of x.",
            "Use reshape or flatten in place of view for what the caller gives you.",
        ),
        checks=(".ways", ".shape"),
    ),
    Bug(
        slug="gradient-wrong",
        names="Autograd's gradients are not those of the output that was computed.",
        asks="The brief's model is to be trained: backward() has to differentiate what forward "
        "did, with the same values dropped.",
        look="Look at checkpoint with preserve_rng_state=False, at backward functions of your own, "
        "and at what is kept from one call to the next.",
        code=r"checkpoint|preserve_rng_state|Function|backward|save_for|hook",
        hints=(
            "Does backward() see the dropout mask that forward drew?",
            "Seed, call, differentiate; then move a weight a little, seed and call again: does the "
            "output change as the gradient says?",
            "Leave preserve_rng_state as it is, and keep on ctx what a backward of your own needs.",
        ),
        checks=(".ways", ".gradients"),
    ),
    Bug(
        slug="dead-initialisation",
        names="Weights are born as zeros such that their gradients stay zero: they never learn.",
        asks="The brief's model is to be trained from the weights that it is built with.",
        look="Look for zeros in __init__: one of two layers in a row may be zero, not both.",
        code=r"zeros|zero_|constant_|fill_|empty",
        hints=(
            "Which gradients are zero as long as the next layer's weights are zero?",
            "Call backward() on a new model and print the largest gradient of each parameter; do a "
            "step and print them again.",
            "Draw the weights of the first layer at random, also where the second begins at zero.",
        ),
        checks=(".ways", ".gradients"),
    ),
    Bug(
        slug="frozen-weight",
        names="Weights that GPT-2 learns have requires_grad=False.",
        asks="The brief's weights are all learned.",
        look="Look for requires_grad, from_pretrained, and buffers in place of parameters.",
        code=r"requires_grad|from_pretrained|freeze|register_buffer|detach",
        hints=(
            "Which of your parameters would an optimizer change?",
            "Print name and requires_grad for all of model.named_parameters().",
            "Leave requires_grad alone; nn.Embedding.from_pretrained needs freeze=False.",
        ),
        checks=(".projections", ".width", ".final_norm", ".logits"),
    ),
    Bug(
        slug="wrong-device",
        names="A tensor is made on the CPU in forward, whatever the device of the input is.",
        asks="The brief's output is on the input's device, so every tensor in between is, too.",
        look="Look for torch.arange, zeros, ones, tril and the like without device=x.device, and "
        "for tensors on self that are no buffers.",
        code=r"arange|zeros|ones|tril|triu|full|tensor\(|eye",
        hints=(
            "On which device is a tensor that torch.arange makes?",
            "Print the device of each tensor that forward makes.",
            "Pass device=x.device (or idx.device), or keep it with register_buffer.",
        ),
        checks=(".ways", ".shape"),
    ),
)
