"""How fast fakescale is, measured beside its peers; `python -m tests.benchmarks`."""
