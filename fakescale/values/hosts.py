"""Hosts: their names and addresses, loopback, and the addresses that callbacks may go to."""

import contextlib
import functools
import ipaddress
import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

#: The host of the real API (documented).
HOST = "api.scale.com"
#: All names of that host. Older clients have the older names written in (observed in npm `scaleapi`
#: 2.3.2, in the Python client up to 0.1.10, and in public lidar scripts).
HOSTS = (HOST, "api.scaleapi.com", "api.scale.ai")

#: The issuer of the certificates that fakes show for that host.
ISSUER = "fakescale"

#: The host in the URLs of a fake that is not served. No name server knows it (RFC 6761).
NOT_SERVED = "not-served.invalid"


def is_api(host: object) -> bool:
    """Return whether ``host`` is a name of the real API's host, as text or bytes, in any spelling.

    The name has no port.
    """
    if isinstance(host, bytes | bytearray):
        host = host.decode("latin-1")
    if isinstance(host, str) and not host.isascii():
        with contextlib.suppress(UnicodeError):
            host = host.encode("idna").decode()  # as getaddrinfo does
    return isinstance(host, str) and host.removesuffix(".").lower() in HOSTS


def read_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that ``text`` spells, or None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_host(text: str) -> bool:
    """Return whether ``text`` is a host, without a port, as a Host header may name it."""
    return read_ip(text) is not None or re.fullmatch(r"[\w.-]+", text) is not None


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Return whether ``host``, without a port, is a loopback name (RFC 6761) or address."""
    address = read_ip(host)
    if address is not None:
        return address.is_loopback
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


class NotSent(Exception):
    """A callback may not be sent to its address. ``str()`` of it is the reason."""

    @property
    def state(self) -> str:
        """The state to record for the delivery."""
        return f"not sent: {self}"


class Address(NamedTuple):
    """The address of an HTTP callback."""

    scheme: str
    host: str
    port: int
    #: The path and query, encoded as they are sent.
    target: str
    #: Whether the user allowed the host by name, and it is not loopback. Such a host may resolve
    #: to any address.
    named: bool
    #: The ``user:password`` before the host, decoded, or "".
    user: str = ""

    @property
    def origin(self) -> str:
        """The host and port, as the ``Host`` header names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def read_host(text: str) -> str:
    """Return a host in its canonical form, in which hosts are compared.

    Raises ValueError if ``text`` is not a host, or holds more than a host, for example a port.
    """
    host = text.removeprefix("[").removesuffix("]").removesuffix(".").lower()
    if read_ip(host) is not None:
        return host
    if not host or set(host) & set("/:@?#[]\\") or not host.isprintable() or " " in host:
        raise ValueError(f"{text!r} is not a host: it must be a name or an IP address alone")
    return host.encode("idna").decode()


def read_address(url: str, hosts: Collection[str], *, to_loopback: bool = True) -> Address:
    """Return the address in ``url``, without a DNS lookup.

    Raises NotSent if the URL is malformed, or its host is not allowed. The ``hosts`` are allowed.
    All of loopback is allowed if ``hosts`` has one name or address of it, or with ``to_loopback``.
    """
    try:
        parts = urlsplit(url)
        host, port = read_host(parts.hostname or ""), parts.port
    except ValueError:
        raise NotSent("the address is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise NotSent(f"{parts.scheme}:// is not allowed")
    if is_loopback(host):
        is_allowed, is_named = to_loopback or any(map(is_loopback, hosts)), False
    else:
        is_allowed = is_named = host in hosts
    if not is_allowed:
        raise NotSent(f"{host} is not allowed")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    # Characters that a request line cannot hold are percent-encoded; encoded ones stay.
    target = quote(parts.path or "/", safe=_AS_IT_IS)
    if parts.query:
        target += "?" + quote(parts.query, safe=_AS_IT_IS + "?")
    user = unquote_to_bytes(parts.netloc.rpartition("@")[0]).decode(errors="replace")
    return Address(parts.scheme, host, port, target, named=is_named, user=user)


_AS_IT_IS = "%/:@!$&'()*+,;=~[]|"
