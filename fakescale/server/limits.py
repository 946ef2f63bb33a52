"""The limits of what a client may ask of the server, each with a default and a meaning."""

import dataclasses
from typing import Any


def _limit(default: float, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"meaning": meaning})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused, with which status, and when a connection ends.

    All of it is guessed: the API publishes no limits. ``max_body`` holds without a server too.
    Each is a flag of the command. Raises ValueError for what is not over 0.
    """

    max_body: int = _limit(32 * 2**20, "bytes of a body; over it: 413")
    max_request_line: int = _limit(64 * 2**10, "bytes of a request line; over it: 414")
    max_headers: int = _limit(100, "header fields of a request; over it: 431")
    max_header_bytes: int = _limit(64 * 2**10, "bytes of them all; over it: 431")
    max_connections: int = _limit(500, "connections that are open at once; over it: 503")
    idle_seconds: float = _limit(60.0, "silence of a client; then its connection ends")
    head_seconds: float = _limit(30.0, "until a request's head is there; then: 408")
    body_seconds: float = _limit(600.0, "until a request's body is there; then: 408")

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value <= 10**9:  # what a socket can wait for
                raise ValueError(f"{name} must be over 0 and at most 10**9 (got {value})")


DEFAULTS = Limits()
