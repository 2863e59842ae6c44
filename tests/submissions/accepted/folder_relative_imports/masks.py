import torch


def causal(n):
    """(n, n): 0 where the row may see the column, -inf where the column is later."""
    return torch.full((n, n), float("-inf")).triu(diagonal=1)
