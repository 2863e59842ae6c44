"""Weights of others: read, put into a submission's model, checked by their logits; and written."""
