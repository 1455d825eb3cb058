"""A seeded simulation of whole batches: the real commit, manifest, worker and pipeline code, in one thread and on a
virtual clock, while a store, a model and the processes themselves fail in every way that is known to happen.

    python -m tests.simulation --seed 17     one run, and what came of it
    python -m tests.simulation               ten thousand runs and every mutant, as one table (`make prove`)

It promises that a run is the same whenever its seed is, and that the verdict comes from a checker of its own, which
sees what the store accepted, what the model was asked, and what callers were told; never what the code believes.
"""
