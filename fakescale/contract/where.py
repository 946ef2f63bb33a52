"""The options of the contract tests, checked before anything is sent."""

import dataclasses
from urllib.parse import urlsplit

from fakescale.values.hosts import is_loopback
from fakescale.values.keys import read_key


@dataclasses.dataclass(frozen=True)
class Where:
    """The server and the key that the options name. Raises ValueError if they are invalid.

    A server on another machine may be the real service, so it needs a key of test mode: work
    in live mode costs money.
    """

    #: The base URL with ``/v1``; None for a fake that is started for the tests.
    url: str | None = None
    #: The API key; None for a key of the server itself.
    key: str | None = None

    def __post_init__(self) -> None:
        if self.url is None:
            if self.key is not None:
                raise ValueError("--contract-key needs a --contract-url.")
            return
        base = self.url.rstrip("/").removesuffix("/v1")
        object.__setattr__(self, "url", f"{base}/v1")
        if not _is_base(self.url):
            raise ValueError(
                f"--contract-url: {self.url!r} is not a URL like http://127.0.0.1:8675/v1."
            )
        is_test = self.key is not None and read_key(self.key).is_test
        if self.is_far and not is_test:
            raise ValueError(
                f"--contract-url {self.url} is on another machine: it needs a test key,"
                " --contract-key test_… or …|test, so that nothing is changed or charged."
            )

    @property
    def is_far(self) -> bool:
        """Whether the server is on another machine, and so may be the real service."""
        return self.url is not None and not is_loopback(urlsplit(self.url).hostname or "")


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_whole = parts.scheme in ("http", "https") and parts.hostname
    return bool(is_whole and not parts.query and not parts.fragment)
