"""What the lab cannot go on with, in words for the user."""


class LabError(Exception):
    """Something is wrong with what was asked for. The text says what, and what would help."""
