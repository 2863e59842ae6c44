"""Where a submission keeps which weight of GPT-2, found out by asking it."""
