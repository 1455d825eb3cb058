"""Measures what Counterfoil promises, on this machine, against servers of known latency: `python -m benchmarks`."""
