"""The guard: while a fake of the pytest plugin is up, this process cannot reach the real API."""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from fakescale.redirection.patches import ADDRESS, Unreachable, certificate_of, in_force
from fakescale.values.hosts import HOST, ISSUER


def guarding() -> AbstractContextManager[None]:
    """Guard the real API for a ``with`` block; a redirection takes precedence.

    It takes effect while ``PATCHES`` are placed.
    """
    return in_force(_GUARD, beneath=True)


class _Guard:
    """The mode in which nothing reaches the host, except by a proxy that is a fake."""

    reason = f"fakescale: {HOST} cannot be reached while a fake is up"

    def check_name(self, name: Any) -> NoReturn:
        """Refuse."""
        # pytest sets the variable; the test may have come long after the fake.
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
        if isinstance(name, bytes | bytearray):
            name = name.decode("latin-1")
        message = (
            f"fakescale: {test or 'this process'} tried to reach the real API at"
            f" {HOST if name == ADDRESS else name}, which is not possible while a fake is up. With"
            " the fixture fakescale_redirect, or the option --fakescale-redirect, the host leads"
            " to the fake. With --fakescale-allow-real, it can be reached."
        )
        raise Unreachable(socket.EAI_FAIL, message)

    check_query = check_name

    def lead(self, name: Any, _: Any) -> NoReturn:
        """Refuse."""
        self.check_name(name)

    def shake_hands(self, connection: Any, original: Callable[[], Any]) -> Any:
        """Do the handshake, and refuse unless the certificate is a fake's."""
        done = original()
        if not self.knows(certificate_of(connection)):
            self.check_name(connection.server_hostname)  # through a proxy of the environment
        return done

    def knows(self, certificate: bytes) -> bool:
        """Return whether this is the certificate of a fake, in any process."""
        return ISSUER.encode() in certificate


_GUARD = _Guard()
