"""A recorded exchange: a request that went to the API, and the answer that came."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fakescale.recordings.report import Report


class Recorded(NamedTuple):
    """A request that went to the API, and the answer that came."""

    #: The method, in upper case.
    method: str
    #: The URL as recorded, absolute.
    url: str
    #: The header fields of the request.
    headers: Sequence[tuple[str, str]]
    #: The body of the request, without transfer and content encodings.
    body: bytes
    #: The status of the answer.
    status: int
    #: The header fields of the answer.
    answer_headers: Sequence[tuple[str, str]]
    #: The body of the answer, also without them.
    answer: bytes
    #: The time of the request in UTC, or None if the file does not tell.
    when: dt.datetime | None
    #: The place, for messages: ``FILE, exchange 3``.
    source: str


class Unreadable(ValueError):
    """A file or an exchange cannot be read; the text names it and the reason."""

    #: The report on the exchanges before it, if they were compared, or else None.
    report: "Report | None" = None
