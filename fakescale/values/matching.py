"""Assertions about what is there: the items that fit, or else the nearest, and how they differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fakescale.values.named import named

Item = TypeVar("Item")

_NEAREST = 3  # items that a failure shows
_WIDTH = 100  # characters of a value


def matching(
    noun: str,
    items: Sequence[Item],
    show: Callable[[Item], Mapping[str, Any]],
    expected: Mapping[str, Any],
    count: int | None,
    label: Callable[[Item], str] = repr,
) -> list[Item]:
    """Return the items that have all members of ``expected``. An item may have further members.

    ``show`` returns the members of an item, and ``label`` its name in a failure. Raises
    AssertionError unless ``count`` items fit, or at least one if that is None.
    """
    __tracebackhide__ = True
    faults = [(list(differences(expected, show(item))), item) for item in items]
    found = [item for differing, item in faults if not differing]
    if len(found) == count or (count is None and found):
        return found
    number = _number(noun, 1 if count is None else count)
    least = "at least " if count is None else ""
    lines = [f"expected {least}{number}{_with(expected)}; {len(found)} of {len(items)} fit"]
    if found:
        lines += ["these fit:", *_labels(found, label)]
    if count is None or len(found) < count:
        # The latest of equally near ones comes first.
        near = sorted((it for it in faults[::-1] if it[0]), key=lambda it: len(it[0]))[:_NEAREST]
        lines += ["the nearest:"] * bool(near)
        for differing, item in near:
            lines += [f"  {label(item)}", *(f"    {line}" for line in differing)]
    raise AssertionError("\n".join(lines))


def not_in_time(
    noun: str,
    found: Sequence[Item],
    count: int,
    timeout: float,
    asked: Mapping[str, Any],
    items: Sequence[Item],
    label: Callable[[Item], str] = repr,
) -> AssertionError:
    """Return the error of a wait for ``count`` items, of which only those ``found`` came."""
    line = f"expected {_number(noun, count)}{_with(asked)}; {len(found)} came in {timeout} s"
    lines = [line, f"there are {len(items)} in all" + (", the latest:" if items else "")]
    return AssertionError("\n".join([*lines, *_labels(items, label)]))


def _number(noun: str, count: int) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _with(asked: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name}={short(value)}" for name, value in asked.items())
    return f" with {told}" if told else ""


def _labels(items: Sequence[Item], label: Callable[[Item], str]) -> list[str]:
    return [f"  {label(item)}" for item in items[-_NEAREST:]]


def differences(expected: Any, actual: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each place where ``actual`` is not as expected.

    An object may have further members, also within other objects. A missing member is None.
    """
    expected = named(expected)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            inner = f"{place}.{name}" if place else str(name)
            if name in actual or value is None:
                yield from differences(value, actual.get(name), inner)
                continue
            import difflib  # seldom needed

            near = difflib.get_close_matches(str(name), [str(it) for it in actual], 1)
            there = f' (there is "{near[0]}")' if near else ""
            yield f"{inner}: missing{there}, expected {short(value)}"
    elif _is_list(expected) and _is_list(actual) and len(expected) == len(actual):
        for index, (wanted, value) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(wanted, value, f"{place}[{index}]")
    elif expected != actual:
        yield f"{place}: {short(actual)}, expected {short(expected)}"


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def short(value: Any) -> str:
    """Return the text of a value, cut if it is long."""
    text = repr(named(value))
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
