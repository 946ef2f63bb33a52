"""The names that stand for those of projects and batches that a recording does not tell."""

from fakescale.recordings.bindings import ID

_UNKNOWN = "project of "


def project_of(name: str) -> str:
    """Return the stand-in for the name of a project, of which only something in it is known."""
    return f"{_UNKNOWN}{name}"


def worth(name: str) -> int:
    """Return how much is known by a name: 0 for nothing, 1 for an id, 2 for the name itself."""
    return 0 if name.startswith(_UNKNOWN) else 1 if ID.fullmatch(name) else 2
