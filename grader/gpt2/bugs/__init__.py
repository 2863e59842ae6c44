"""The named bugs of GPT-2's four classes: what each is, what the brief asks, hints towards it."""
