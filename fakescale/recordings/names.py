"""Stand-ins for the names of projects and batches that a recording does not tell."""

from fakescale.recordings.bindings import ID

_UNKNOWN = "project of "


def unnamed_project(name: str) -> str:
    """Return the stand-in for the name of a project that is known only by something in it."""
    return f"{_UNKNOWN}{name}"


def worth(name: str) -> int:
    """Return 0 for the stand-in of a name, 1 for an id, and 2 for a real name."""
    return 0 if name.startswith(_UNKNOWN) else 1 if ID.fullmatch(name) else 2
