"""The names under which server and application tell each other more than WSGI does."""

from typing import Protocol

#: Where in the environ a server puts an Event that is set when it stops.
STOPPED = "fakescale.stopped"
#: Where it may put what is called with each exchange, instead of logging it.
REPORT = "fakescale.report"
#: The method of an application that tells, of an environ, whether it answers at once. Without
#: it a server takes all requests for slow ones.
IS_QUICK = "_is_quick"
#: In the WSGI environment: the host to listen on, as it was named. SERVER_NAME has the number.
BOUND_HOST = "fakescale.host"
#: In the WSGI environment: whether the client connected, over TLS, to the host of the real API.
STANDS_IN = "fakescale.stands_in"


class BrokenOff(ConnectionResetError):
    """The connection is to be reset, after what ``start_response`` got and ``content``.

    Raised to the server. Whatever else called the application sees the reset in it.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__("The connection was reset by a fault.")
        self.content = content


class Reported(Protocol):
    """An exchange, as far as a server reports it."""

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
        """The status of the answer; 0 where the connection was reset before it."""

    @property
    def answer(self) -> bytes:
        """The body of the answer."""

    @property
    def fault(self) -> str | None:
        """The fault that struck the request, if one did."""
