# verdict: pass
# style: a folder with a sub-package: gpt2.py only re-exports from model.layers and model.network
from model.layers import MLP, CausalSelfAttention
from model.network import GPT2, TransformerBlock

__all__ = ["CausalSelfAttention", "MLP", "TransformerBlock", "GPT2"]
