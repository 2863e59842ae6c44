"""The parts of a GPT-2."""
