"""Data: texts, what their tokens are, and files of tokens that are mapped into memory."""
