"""Benchmarks of fakescale and its peers: `python -m tests.benchmarks`."""
