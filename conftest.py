"""Settings of pytest and hypothesis for every run of the suite."""

import gc
import os
import sys

import hypothesis

pytest_plugins = ["pytester"]

# Lets Python write bytecode, so that the processes of xdist and of tests, and the next run, do
# not compile everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No deadline: tests freeze and move the clock that would measure it. Hypothesis's own 100 examples
# need `--hypothesis-profile=thorough`. Single tests set other numbers.
for profile, examples in {"fakescale": 10, "thorough": 100}.items():
    hypothesis.settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        derandomize=False,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("fakescale")


gc.set_threshold(500_000, 20, 50)  # collection and tests make many objects


def pytest_collection_finish() -> None:
    """Exempt the objects so far from garbage collection: each run of pytester collects often."""
    gc.collect()
    gc.freeze()
