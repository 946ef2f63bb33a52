"""The settings of the fakes: the ini keys, and the arguments of ``@pytest.mark.fakescale``."""

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from fakescale.server.limits import Limits

if TYPE_CHECKING:
    from fakescale.fake import Options

_REPORT_LINES = 60
# The arguments that an account of a server can have too.
_REMOTE = ("strict", "account", "complete_after")


def report_lines(config: pytest.Config) -> int:
    """Return the largest number of lines of a report; raises UsageError for a bad value."""
    text = config.getini("fakescale_report_lines") or str(_REPORT_LINES)
    if not text.isdecimal() or int(text) == 0:
        raise pytest.UsageError(f"fakescale_report_lines must be a number over 0 (got {text!r})")
    return int(text)


def configured(config: pytest.Config, settings: Iterable[str]) -> "Options":
    """Return the arguments of FakeScale in the ini file, without the seed.

    ``complete_after`` is a number of seconds there, and ``limits`` are pairs like
    ``max_body=1000``. Raises UsageError for any other value.
    """
    given = {name: config.getini(f"fakescale_{name}") for name in settings}
    options: Any = {name: it for name, it in given.items() if it and name not in ("strict", "seed")}
    if text := given["complete_after"]:
        try:
            options["complete_after"] = dt.timedelta(seconds=float(text))
        except (ValueError, OverflowError):
            raise pytest.UsageError(
                f"fakescale_complete_after must be a number of seconds (got {text!r})"
            ) from None
    if pairs := given["limits"]:
        try:
            limits: Any = {
                name: float(value) if name.endswith("_seconds") else int(value)
                for name, _, value in (pair.partition("=") for pair in pairs)
            }
            options["limits"] = Limits(**limits)
        except (TypeError, ValueError) as error:
            raise pytest.UsageError(f"fakescale_limits: {error}") from None
    made: Options = options
    return made


def refusal(
    item: pytest.Item, given: Mapping[str, Any], settings: Iterable[str], *, is_shared: bool
) -> str | None:
    """Return the reason to refuse the marks of a test, or None if they are right.

    ``given`` holds the arguments of all marks. ``is_shared`` says that all tests share one fake.
    """
    if any(mark.args for mark in item.iter_markers("fakescale")):
        return "all arguments need a name"
    for name in given:
        if name not in settings:
            near = difflib.get_close_matches(name, [*settings], 1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(settings)}"
            return f"there is no argument {name}; {hint}"
        if is_shared and name != "strict":
            return f"{name} needs a fake of this test alone, but fakescale_scope is session"
        if item.config.getoption("--fakescale-url") and name not in _REMOTE:
            return f"{name} cannot be used together with --fakescale-url"
    return None
