"""One folder for each exercise, with all that the grader knows of it.

Its `declaration` says what there is to grade; a module called `in_worker` runs beside the
submission and imports nothing of the rest.
"""
