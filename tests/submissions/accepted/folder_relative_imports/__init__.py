from .gpt2 import GPT2, MLP, CausalSelfAttention, TransformerBlock

__all__ = ["CausalSelfAttention", "MLP", "TransformerBlock", "GPT2"]
