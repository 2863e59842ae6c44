"""The untrusted side: a fork server that imports torch once, and the workers it forks.

`server` forks; `lockdown` takes away what a worker must not have; `loader` turns the submitted
bytes into modules; `answers` answers the parent's questions. Nothing here grades: no module of
this package knows an expected value.
"""
