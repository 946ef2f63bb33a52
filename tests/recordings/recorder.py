"""A recorder for tests: it calls a fake in place, and keeps the exchanges."""

import json
import threading
from typing import Any

from fakescale import FakeScale
from fakescale.recordings.exchanges import Recorded
from tests.support import ABSENT, Reply, sent


class Recorder:
    """Calls the API of a fake as one client, and records the exchanges in order of their end."""

    def __init__(self, fake: FakeScale, key: str | None = None) -> None:
        self.fake = fake
        self.exchanges: list[Recorded] = []
        self._key = key or fake.api_key
        self._lock = threading.Lock()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = ABSENT,
        *,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        key: str | None = None,
    ) -> Reply:
        fields = {"Authorization": f"Bearer {key or self._key}", **(headers or {})}
        if body is not ABSENT:
            fields.setdefault("Content-Type", "application/json")
            data = json.dumps(body).encode()
        target = path if path.startswith("/v2/") else f"/v1{path}"
        when = self.fake.now()
        status, answered, text = sent(self.fake, method, target, data, fields)
        with self._lock:
            self.exchanges.append(
                Recorded(
                    method=method,
                    url=f"https://api.scale.com{target}",
                    headers=list(fields.items()),
                    body=data or b"",
                    status=status,
                    answer_headers=list(answered),
                    answer=text,
                    when=when,
                    source=f"memory, exchange {len(self.exchanges) + 1}",
                )
            )
        content = json.loads(text) if answered["Content-Type"].startswith("application/j") else None
        return Reply(status, content, answered, text)

    def ok(self, *given: Any, **more: Any) -> Any:
        """Return the JSON of a good answer."""
        reply = self(*given, **more)
        assert reply.status == 200, reply.json
        return reply.json

    def in_order(self) -> list[Recorded]:
        """Return the exchanges in order of their beginning, as a reader gives them."""
        return sorted(self.exchanges, key=lambda it: it.when or self.fake.now())
