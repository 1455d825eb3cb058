"""Counterfoil beside what a user might pick instead, on the same documents and the same server, in one run.

`contestants` says who they are, how each is set up and why so; `drive_*` are the programs that a user of each would
write; `measure` runs them and counts from outside; `report` prints. `command` is `python -m benchmarks peers`.
"""
