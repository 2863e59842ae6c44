"""Bugs of `generate`: which tokens it takes at temperature 0, and what it promises besides."""

from __future__ import annotations

from grader.bug import Bug

_MODEL_CALL = r"model\(|logits"
_CROP = r"block_size"
_EOS = r"eos|done|finished|break"
_CHOICE = r"argmax|max\(|multinomial|softmax|temperature"

BUGS: tuple[Bug, ...] = (
    Bug(
        "reads-first-position",
        "The next token is read from the logits of the first position.",
        "The brief asks for the token after the last one: logits[:, -1].",
        "Look at the line that picks a position of the logits.",
        _MODEL_CALL,
        (
            "Which position's logits are about the token that comes next?",
            "Print logits.shape and which of its T positions you use.",
            "Use logits[:, -1], the logits after the last token.",
        ),
        ("generation.greedy", "generation.crop"),
    ),
    Bug(
        "reads-position-before-last",
        "The next token is read from the logits before the last position.",
        "Logits at position t are about token t + 1: the brief asks for the last ones.",
        "Look at the index with which a position of the logits is picked: -1, or -2?",
        _MODEL_CALL,
        (
            "What are the logits at position t about?",
            "Print the index of the position that you read, for a prompt of three tokens.",
            "Logits are shifted by one already: take logits[:, -1].",
        ),
        ("generation.greedy", "generation.crop"),
    ),
    Bug(
        "least-probable",
        "At temperature 0 the least probable token is taken.",
        "The brief asks for the most probable one.",
        "Look at argmin, at a sort and its direction, and at the sign of the logits.",
        _CHOICE + r"|argmin|sort",
        (
            "Is the token that you take the one with the largest logit?",
            "Print the logits of one step and the token you take.",
            "Take logits.argmax(-1); after a sort, take the first of descending=True.",
        ),
        ("generation.greedy", "generation.crop"),
    ),
    Bug(
        "crop-missing",
        "The model is given everything that was generated so far, even beyond block_size.",
        "The brief asks for the last block_size tokens: a model has no positions for more.",
        "Look at what goes into the model at each step.",
        _MODEL_CALL,
        (
            "How long may the model's input be?",
            "Print the shape of the model's input at each step, for block_size=4.",
            "Call the model with idx[:, -block_size:].",
        ),
        ("generation.crop",),
    ),
    Bug(
        "crop-first",
        "The model is given the first block_size tokens rather than the last.",
        "The brief asks for the last block_size tokens: those are what the next one follows.",
        "Look at the slice of idx before the model is called: [:, :block_size]?",
        _CROP,
        (
            "Which part of a long text matters for its next word?",
            "Print the model's input at each step, for block_size=4.",
            "Cut with idx[:, -block_size:], the minus sign included.",
        ),
        ("generation.crop",),
    ),
    Bug(
        "crop-too-short",
        "The model is given fewer than block_size tokens when there are enough.",
        "The brief asks for the last block_size tokens, all of them.",
        "Look at the slice of idx before the model is called: is one taken off?",
        _CROP,
        (
            "How many tokens does the model see once the text is long?",
            "Print the shape of the model's input at each step, for block_size=4.",
            "Cut with idx[:, -block_size:], without a + 1.",
        ),
        ("generation.crop",),
    ),
    Bug(
        "prompt-lost",
        "Only the new tokens come back, without the prompts.",
        "The brief asks for (B, T + n) with the prompts in front.",
        "Look at what is returned.",
        r"return|cat\(",
        (
            "How many columns does the result have?",
            "Print the shapes of idx and of the result.",
            "Append to idx with torch.cat([idx, chosen], dim=1), and return idx.",
        ),
        ("generation.prompt", "generation.greedy"),
    ),
    Bug(
        "token-too-many",
        "One token more than max_new_tokens is generated.",
        "The brief asks for at most max_new_tokens, and for none when that is 0.",
        "Look at the bounds of the loop, and for a step before or after it.",
        r"range|while|for ",
        (
            "How often does the loop run?",
            "Call it with max_new_tokens=0 and print the shape.",
            "for _ in range(max_new_tokens), with one token appended in each turn.",
        ),
        ("generation.zero", "generation.greedy"),
    ),
    Bug(
        "token-too-few",
        "One token fewer than max_new_tokens is generated.",
        "The brief asks for max_new_tokens, unless every row has ended before.",
        "Look at the bounds of the loop.",
        r"range|while|for ",
        (
            "How often does the loop run?",
            "Call it with max_new_tokens=1 and print the shape.",
            "for _ in range(max_new_tokens), with one token appended in each turn.",
        ),
        ("generation.greedy",),
    ),
    Bug(
        "eos-ignored",
        "eos_token_id has no effect.",
        "The brief asks that a row which has produced it go on with it, and that all end once all "
        "rows have.",
        "Look at where eos_token_id is used.",
        _EOS,
        (
            "What does your function do with eos_token_id?",
            "Generate greedily, choose the first new token as eos_token_id, and generate again.",
            "Keep done (B,): chosen = where(done, eos, chosen); done |= chosen == eos; stop when "
            "done.all().",
        ),
        ("generation.eos",),
    ),
    Bug(
        "eos-stops-at-first-row",
        "Everything ends as soon as one row has produced EOS.",
        "The brief asks for the end once every row has; the others go on.",
        "Look at the condition with which the loop ends: any, or all?",
        _EOS,
        (
            "What of the rows that have not finished?",
            "Generate two rows of which one reaches EOS first.",
            "Stop at done.all(), where done remembers every row that has produced EOS.",
        ),
        ("generation.eos",),
    ),
    Bug(
        "eos-not-kept",
        "Rows that have produced EOS go on with other tokens.",
        "The brief asks that such a row go on with EOS.",
        "Look for the line that overwrites the tokens of rows that are done.",
        _EOS,
        (
            "What stands in a row after its EOS?",
            "Print the rows of a batch of which one ends early.",
            "chosen = torch.where(done, eos_token_id, chosen), before it is appended.",
        ),
        ("generation.eos",),
    ),
    Bug(
        "eos-never-stops",
        "Generation goes on to max_new_tokens after every row has ended.",
        "The brief asks for the end as soon as every row has produced EOS.",
        "Look for a break in the loop.",
        _EOS,
        (
            "What is left to do when all rows have ended?",
            "Print the shape of the result when EOS comes first.",
            "if done.all(): break, after the token was appended.",
        ),
        ("generation.eos",),
    ),
    Bug(
        "eos-in-prompt-counts",
        "A row whose prompt has an EOS counts as ended.",
        "The brief asks for EOS that were produced; in a prompt it is a token like any other.",
        "Look at where rows are found to be done: in all of idx, or in the new token?",
        _EOS,
        (
            "Has a row produced the EOS that stands in its prompt?",
            "Generate from a prompt that contains EOS.",
            "Begin with done all False, and update it from the chosen tokens only.",
        ),
        ("generation.eos",),
    ),
    Bug(
        "eos-left-out",
        "The last EOS is not in the result.",
        "The brief asks for as many columns as it took: the EOS that ends it is in.",
        "Look at whether the token is appended before the loop ends.",
        _EOS,
        (
            "Is the token with which it ends part of the text?",
            "Print the last column when every row has ended.",
            "Append first, and leave the loop afterwards.",
        ),
        ("generation.eos",),
    ),
    Bug(
        "generator-ignored",
        "The generator has no effect: chance comes from elsewhere.",
        "The brief asks that all chance come from it when it is given.",
        "Look at what is given to the call that draws.",
        r"multinomial|generator|rand|seed",
        (
            "Where does your draw get its random numbers?",
            "Call it twice with torch.Generator().manual_seed(1): do the results agree?",
            "torch.multinomial(probabilities, 1, generator=generator).",
        ),
        ("generation.generator",),
    ),
    Bug(
        "always-same",
        "Chance is the same at every call.",
        "The brief asks that it come from the generator, or from torch's own state.",
        "Look for a seed that is set inside the function.",
        r"seed|Generator",
        (
            "Who may decide on the seed?",
            "Call it twice, and print whether the results are equal.",
            "Set no seed inside: use the generator that is given, or none.",
        ),
        ("generation.generator",),
    ),
    Bug(
        "mode-not-kept",
        "The model is left in another mode than it was found in.",
        "The brief asks that train or eval mode be as before.",
        "Look at model.eval() and model.train().",
        r"\.eval\(|\.train\(",
        (
            "In which mode was the model before?",
            "Print model.training before and after.",
            "was = model.training … model.train(was), or leave the mode alone.",
        ),
        ("generation.mode",),
    ),
    Bug(
        "gradients-recorded",
        "Gradients are recorded while tokens are generated.",
        "The brief asks for none: they cost memory for every step and are of no use.",
        "Look at where the model is called.",
        _MODEL_CALL,
        (
            "What does autograd do during your loop?",
            "Print torch.is_grad_enabled() beside the call of the model.",
            "@torch.no_grad() above the function.",
        ),
        ("generation.no_grad",),
    ),
    Bug(
        "recording-not-kept",
        "Whether torch records gradients is not afterwards as it was.",
        "What comes after it records gradients where nobody wants them, or none for training.",
        "Look at set_grad_enabled.",
        r"grad_enabled|no_grad|inference_mode",
        (
            "Does torch record gradients after your function as it did before?",
            "Print torch.is_grad_enabled() before and after, also under torch.no_grad().",
            "@torch.no_grad() above the function puts back what was there, also after an error.",
        ),
        ("generation.no_grad", "training.estimate_leaves"),
    ),
    Bug(
        "bad-arguments-accepted",
        "An argument that makes no sense is accepted, or fails with something unclear.",
        "The brief asks for a ValueError with words that help.",
        "Look at the beginning of the function.",
        r"raise|assert|def generate",
        (
            "Who finds out that top_k=0 was a mistake?",
            "Try every bad argument that the brief lists.",
            "if top_k is not None and top_k < 1: raise ValueError(…), and so on for each.",
        ),
        ("generation.errors",),
    ),
)
