"""The judge of the GPT-2 interview kit. What this package imports never contains torch."""

__version__ = "0.1.0"
