"""The requirements: one pytest function each, in one folder for each exercise.

Run them through `grader grade`, or directly: `pytest grader/checks --submission PATH`.
"""
