"""A certificate authority that is made when it is needed and ends with the process."""

import ssl
from contextlib import AbstractContextManager
from typing import Any

from fakescale.values.hosts import read_host

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A throw-away CA, and a certificate by it for ``host_names`` and the loopback.

    No clock matters, so that one which is frozen anywhere from 2000 to 3000 does no harm.
    Raises ImportError without the extra ``redirect``, and ValueError for a name that no
    certificate can hold.
    """

    def __init__(self, *host_names: str) -> None:
        try:
            import trustme
        except ImportError as error:
            raise ImportError(
                f"TLS needs the extra `redirect`: pip install 'fakescale[redirect]' ({error})"
            ) from None
        names = [read_host(name) for name in host_names]
        #: The names that were given, in the form in which hosts are compared.
        self.host_names = frozenset(names)
        # Elliptic curves: an RSA key takes a hundred times as long to make.
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        try:
            leaf = authority.issue_cert(
                *dict.fromkeys([*names, *_LOOPBACK]), key_type=trustme.KeyType.ECDSA
            )
        except ValueError as error:
            raise ValueError(f"no certificate can name {', '.join(names)}: {error}") from None
        #: The certificate that clients must trust, as text.
        self.pem: str = authority.cert_pem.bytes().decode()
        self._save = authority.cert_pem.tempfile
        #: The certificate that servers show, in DER.
        self.certificate = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
        #: What a server wraps its connections with.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(self.context)
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.sni_callback = _note_name

    def saved(self) -> AbstractContextManager[str]:
        """Keep ``pem`` in a temporary file for a ``with`` block, which gets the file's path."""
        return self._save()


def _note_name(connection: Any, name: str | None, _: object) -> None:
    # On the server's side ssl keeps the name that the client asked for nowhere itself.
    connection.server_hostname = name
