"""The debugging interview: a small GPT that trains and is wrong, in bugs that were planted.

The clean texts and the plants are data, in `texts` and `plants` beside this file: a plant has an
entry by topic and level, and an edit for each clean text where it makes sense.
"""
