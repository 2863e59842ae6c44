"""The trust boundary: locked-down workers that run a submission, and the parent's side of them.

`worker` runs beside the submission, `client` asks it, and `wire` is the language between them.
"""
