"""What every run of the suite needs, whichever tests it is of."""

import gc
import os
import sys

import hypothesis

pytest_plugins = ["pytester"]

# Processes that are started from here, xdist's and those of tests, are not to compile all anew,
# nor is the next run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No deadline: tests freeze and move the clock that it would be measured with. Fewer examples
# than hypothesis's own 100, which `--hypothesis-profile=thorough` asks for; where more or fewer
# are worth their time, a test says so.
for profile, examples in {"fakescale": 10, "thorough": 100}.items():
    hypothesis.settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        derandomize=False,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("fakescale")


def pytest_collection_finish() -> None:
    """Let the collector pass over what lives to the end: each run of pytester collects often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)  # the tests make much that does not last
