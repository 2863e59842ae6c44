"""Checks of the four classes of `gpt2.py`."""
