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

    max_body: int = _limit(32 * 2**20, "bytes", "The largest body; a larger one gets 413.")
    max_request_line: int = _limit(
        64 * 2**10, "bytes", "The longest request line; a longer one gets 414."
    )
    max_headers: int = _limit(100, "number", "The largest number of header fields; more get 431.")
    max_header_bytes: int = _limit(
        64 * 2**10, "bytes", "The largest size of all header fields; a larger one gets 431."
    )
    max_connections: int = _limit(
        500, "number", "The largest number of open connections; a client over it gets 503."
    )
    idle_seconds: float = _limit(
        60.0, "seconds", "The longest silence of a client; then its connection is closed."
    )
    head_seconds: float = _limit(
        30.0, "seconds", "The longest time for a request's head to arrive; then 408."
    )
    body_seconds: float = _limit(
        600.0, "seconds", "The longest time for a request's body to arrive; then 408."
    )

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value <= 10**9:  # a socket can wait no longer
                raise ValueError(f"{name} must be over 0 and at most 10**9 (got {value})")


DEFAULTS = Limits()
