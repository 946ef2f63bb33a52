"""What every test of the suite needs: pytest's own test tool, and hypothesis's profile."""

import gc

import hypothesis

pytest_plugins = ["pytester"]

# No deadline: tests freeze and move the clock that it would be measured with.
hypothesis.settings.register_profile(
    "fakescale",
    deadline=None,
    derandomize=False,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("fakescale")


def pytest_collection_finish() -> None:
    """Let the collector pass over what lives to the end: each run of pytester collects often."""
    gc.collect()
    gc.freeze()
