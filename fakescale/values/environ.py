"""Names that the server and the application share beyond WSGI."""

from typing import Protocol

#: The key in the WSGI environ of an Event that the server sets when it stops. Its ``wait`` may
#: raise an error when the client stops waiting.
STOPPED = "fakescale.stopped"
#: The key in the WSGI environ of an optional function. The application calls it with each
#: exchange and the seconds that the answer took, instead of logging the exchange.
REPORT = "fakescale.report"
#: The name of the application's method that says, given an environ, whether the request is
#: answered at once. Without the method, a server treats every request as slow.
IS_QUICK = "_is_quick"
#: The key in the WSGI environ of the host to listen on, as the user named it. SERVER_NAME has
#: the IP address.
BOUND_HOST = "fakescale.host"
#: The key in the WSGI environ of a flag: the client asked for a host of the real API, over TLS
#: or through a proxy.
STANDS_IN = "fakescale.stands_in"


class BrokenOff(ConnectionResetError):
    """A fault resets the connection.

    The application raises this error to the server. The server sends the status, the headers
    and ``content``, then resets the connection. For any other caller of the application, the
    error itself is the reset.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__("The connection was reset by a fault.")
        self.content = content


class Reported(Protocol):
    """The part of an exchange that a server reports."""

    @property
    def method(self) -> str:
        """The method of the request."""

    @property
    def target(self) -> str:
        """The path of the request, with the query if there was one."""

    @property
    def body(self) -> bytes:
        """The body of the request."""

    @property
    def status(self) -> int:
        """The status of the answer; 0 if the connection was reset before any answer."""

    @property
    def answer(self) -> bytes:
        """The body of the answer."""

    @property
    def fault(self) -> str | None:
        """The fault that applied to the request, or None."""

    @property
    def account(self) -> str | None:
        """The name of the account that the API key led to, or None."""

    @property
    def error(self) -> str | None:
        """The text of a refusal, or None."""
