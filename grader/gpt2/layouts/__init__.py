"""Finds out which of a submission's numbers is which of GPT-2's weights, without any names.

Every style of writing GPT-2 uses each weight linearly, so raising one element of one parameter
changes the output in a way that only that weight of GPT-2 could. A search asks the submission
for these changes and reads off them which element is which weight of which head. What it finds
is a proposal: the proof is that the float64 oracle with these weights equals the submission.
"""

from grader.gpt2.layouts.attention import AttentionLayout
from grader.gpt2.layouts.block import BlockLayout, find_block, fit_eps
from grader.gpt2.layouts.box import LayoutNotFound, ParameterProbe
from grader.gpt2.layouts.gains import find_gained
from grader.gpt2.layouts.heads import find_attention, find_heads
from grader.gpt2.layouts.inline import branch_ends, inline_block
from grader.gpt2.layouts.larger import larger_attentions, larger_mlps
from grader.gpt2.layouts.mlp import MlpLayout, find_mlp
from grader.gpt2.layouts.model import ModelLayout, ModelSizes, find_model
from grader.gpt2.layouts.norm import NormLayout

__all__ = [
    "AttentionLayout",
    "BlockLayout",
    "LayoutNotFound",
    "MlpLayout",
    "ModelLayout",
    "ModelSizes",
    "NormLayout",
    "ParameterProbe",
    "branch_ends",
    "find_attention",
    "find_block",
    "find_gained",
    "find_heads",
    "find_mlp",
    "find_model",
    "fit_eps",
    "inline_block",
    "larger_attentions",
    "larger_mlps",
]
