"""What every test of the suite needs: pytest's own test tool, and hypothesis's profile."""

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
