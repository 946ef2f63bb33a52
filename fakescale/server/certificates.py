"""A certificate authority, made when it is needed and gone when the process ends."""

import contextlib
import datetime
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from fakescale.values.hosts import ISSUER, read_host

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A throw-away CA with one certificate, for ``host_names`` and the loopback.

    The certificates are valid from 2000 to 3000, so a frozen clock does no harm. Raises
    ImportError without the extra ``redirect``. Raises ValueError for a name that no certificate
    can hold.
    """

    def __init__(self, *host_names: str) -> None:
        try:
            import trustme
        except ImportError as error:
            raise ImportError(
                f"TLS needs the extra `redirect`: pip install 'fakescale[redirect]' ({error})"
            ) from None
        names = [read_host(name) for name in host_names]
        #: The given names, in the form in which hosts are compared.
        self.host_names = frozenset(names)
        with _real_datetime():
            self._make(trustme, names)

    def _make(self, trustme: Any, names: list[str]) -> None:
        # An RSA key would take a hundred times as long to make.
        authority = trustme.CA(organization_name=ISSUER, key_type=trustme.KeyType.ECDSA)
        try:
            leaf = authority.issue_cert(
                *dict.fromkeys([*names, *_LOOPBACK]), key_type=trustme.KeyType.ECDSA
            )
        except ValueError as error:
            raise ValueError(f"no certificate can name {', '.join(names)}: {error}") from None
        #: The certificate that clients must trust, in PEM.
        self.pem: str = authority.cert_pem.bytes().decode()
        self._save: Callable[[], AbstractContextManager[str]] = authority.cert_pem.tempfile
        #: The certificate that servers show, in DER.
        self.certificate = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
        #: The TLS context of a server.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(self.context)
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.sni_callback = _note_name

    def saved(self) -> AbstractContextManager[str]:
        """Save ``pem`` in a temporary file for a ``with`` block, which gets the file's path."""
        return self._save()


@contextlib.contextmanager
def _real_datetime() -> Iterator[None]:
    """Put the real ``datetime.datetime`` in its place.

    cryptography looks the class up once. If freezegun's stood there then, cryptography would
    refuse all real times until the process ends.
    """
    present = datetime.datetime
    *_, real = (kind for kind in present.__mro__ if kind.__name__ in ("datetime", "real_datetime"))
    datetime.datetime = real  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        datetime.datetime = present  # type: ignore[misc]


def _note_name(connection: Any, name: str | None, _: object) -> None:
    # On the server's side, ssl itself does not keep the name that the client asked for.
    connection.server_hostname = name
