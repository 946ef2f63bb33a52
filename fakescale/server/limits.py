"""The limits of a server, each with its default, its unit and the help text of its flag."""

import dataclasses
from typing import Any


def _limit(default: float, unit: str, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"unit": unit, "meaning": meaning})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a server on requests and connections.

    All limits are guessed: the API publishes none. Each is also a flag of the command, with the
    same meaning: ``max_body`` is ``--max-body``. ``max_body`` holds without a server too. Raises
    ValueError for a limit that is not over 0 or is over 10**9.
    """

    max_body: int = _limit(32 * 2**20, "bytes", "Refuse a request with 413 if its body is larger.")
    max_request_line: int = _limit(
        64 * 2**10, "bytes", "Refuse a request with 414 if its request line is longer."
    )
    max_headers: int = _limit(
        100, "number", "Refuse a request with 431 if it has more header fields."
    )
    max_header_bytes: int = _limit(
        64 * 2**10, "bytes", "Refuse a request with 431 if its header fields are larger in all."
    )
    max_connections: int = _limit(
        500, "number", "Refuse a client with 503 if this many connections are open."
    )
    idle_seconds: float = _limit(
        60.0, "seconds", "Close the connection of a client that is silent for this time."
    )
    head_seconds: float = _limit(
        30.0, "seconds", "Refuse a request with 408 if its head takes longer to arrive."
    )
    body_seconds: float = _limit(
        600.0, "seconds", "Refuse a request with 408 if its body takes longer to arrive."
    )

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value <= 10**9:  # a socket can wait no longer
                raise ValueError(f"{name} must be over 0 and at most 10**9 (got {value})")


DEFAULTS = Limits()
