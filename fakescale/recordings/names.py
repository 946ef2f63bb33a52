"""The names that stand for those of projects and batches that a recording does not tell."""

from fakescale.recordings.bindings import ID

_UNKNOWN = "project of "


def unnamed_project(name: str) -> str:
    """Return the stand-in for the name of a project, of which only something in it is known."""
    return f"{_UNKNOWN}{name}"


def worth(name: str) -> int:
    """Return 0 for a name that says nothing of the home, 1 for its id, and 2 for its own name."""
    return 0 if name.startswith(_UNKNOWN) else 1 if ID.fullmatch(name) else 2
