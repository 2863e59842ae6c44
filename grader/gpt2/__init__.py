"""What all exercises share of GPT-2: the float64 oracle, the search for a submission's weights, its
known bugs, and the diagnosis.
"""
