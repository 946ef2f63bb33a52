"""Hosts: their names and numbers, which of them are this machine, and where callbacks go."""

import functools
import ipaddress
import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote, urlsplit

#: The host of the real API (documented).
HOST = "api.scale.com"


def read_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that ``text`` is, or None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_host(text: str) -> bool:
    """Return whether a Host header can hold ``text``, without a port."""
    return read_ip(text) is not None or re.fullmatch(r"[\w.-]+", text) is not None


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Return whether ``host``, without a port, is a loopback name (RFC 6761) or address."""
    address = read_ip(host)
    if address is not None:
        return address.is_loopback
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


class NotSent(Exception):
    """Nothing may be sent there; says why, and ``state`` is what to record."""

    @property
    def state(self) -> str:
        """The state of such a delivery."""
        return f"not sent: {self}"


class Address(NamedTuple):
    """Where an HTTP callback goes."""

    scheme: str
    host: str
    port: int
    #: Path and query, as they are sent.
    target: str
    #: Whether the host was named by the user, so that it may lead anywhere.
    named: bool

    @property
    def origin(self) -> str:
        """The receiver, as the ``Host`` field names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def read_host(text: str) -> str:
    """Return the name of a host in the form in which hosts are compared.

    Raises ValueError when it is none, or holds more, such as a port.
    """
    host = text.removeprefix("[").removesuffix("]").removesuffix(".").lower()
    if read_ip(host) is not None:
        return host
    if not host or set(host) & set("/:@?#[]\\") or not host.isprintable() or " " in host:
        raise ValueError(f"{text!r} is no host: it must be a name or an IP address, no more")
    return host.encode("idna").decode()


def read_address(url: str, hosts: Collection[str]) -> Address:
    """Return the address in ``url``; raises NotSent where nothing may be sent.

    Only loopback hosts and ``hosts`` are allowed. Nothing is looked up.
    """
    try:
        parts = urlsplit(url)
        host, port = read_host(parts.hostname or ""), parts.port
    except ValueError:
        raise NotSent("the address is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise NotSent(f"{parts.scheme}:// is not allowed")
    if host not in hosts and not is_loopback(host):
        raise NotSent(f"{host} is not allowed")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    # What a request line cannot hold is percent-encoded; what is encoded stays as it is.
    target = quote(parts.path or "/", safe=_AS_IT_IS)
    if parts.query:
        target += "?" + quote(parts.query, safe=_AS_IT_IS + "?")
    return Address(parts.scheme, host, port, target, named=host in hosts)


_AS_IT_IS = "%/:@!$&'()*+,;=~[]|"
