"""The output for people: tables, colours, and text that cannot steer a terminal."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

_COLOURS = {
    **dict.fromkeys(("completed", "accepted", "done", "ok"), 32),
    **dict.fromkeys(("pending", "owed", "staging", "in_progress"), 33),
    **dict.fromkeys(("error", "failed", "rejected"), 31),
    "canceled": 90,
}


def escaped(text: str) -> str:
    """Return ``text`` with escapes in place of characters that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        it if it.isprintable() else it.encode("unicode_escape", "surrogatepass").decode()
        for it in text
    )


def has_colours(stream: TextIO) -> bool:
    """Return whether to colour the output: on a terminal, unless the environment says otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], nothing: str) -> str:
    """Return a table with a line for each of ``rows``, or ``nothing`` if there are none.

    A column that is empty in all rows is left out. On a terminal, a line is cut to its width.
    """
    cells = [{name: _cell(row.get(name)) for name in columns} for row in rows]
    if not cells:
        return nothing
    shown = [name for name in columns if any(row[name] for row in cells)]
    titles = {name: name.replace("_", " ").upper() for name in shown}
    widths = {name: max(len(row[name]) for row in (titles, *cells)) for name in shown}
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    colours = has_colours(sys.stdout)
    return "\n".join(
        [_line(titles, widths, room, 1 if colours else None)]
        + [_line(row, widths, room, _colour(row) if colours else None) for row in cells]
    )


def line(row: Mapping[str, Any], columns: Sequence[str], *, bodies: bool = False) -> str:
    """Return a row as one line, with ``bodies`` followed by what it has of bodies."""
    cells = {name: _cell(row.get(name)) for name in columns}
    text = "  ".join(it for it in cells.values() if it)
    if has_colours(sys.stdout) and (colour := _colour(cells)) is not None:
        text = f"\x1b[{colour}m{text}\x1b[0m"
    for name in ("body", "answer") if bodies else ():
        if row[name]:
            text += f"\n  {name}: {escaped(row[name])}"
    return text


def _line(
    row: Mapping[str, str], widths: Mapping[str, int], room: int | None, colour: int | None
) -> str:
    text = "  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip()
    if room is not None and len(text) > room:
        text = text[: room - 1] + "…"
    return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"


def _cell(value: Any) -> str:
    return "" if value is None else escaped(str(value))


def _colour(row: Mapping[str, str]) -> int | None:
    """Return the colour of a line, by its status; a refusal is red."""
    status = row.get("status") or row.get("state") or ""
    if status.isdecimal():
        return 31 if int(status) >= 400 or int(status) == 0 else None
    return _COLOURS.get("failed" if status.startswith("not sent") else status)
