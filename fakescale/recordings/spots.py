"""The spot of an exchange in the API: its noun, its action, and the things that it shows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from fakescale.recordings.bindings import ids_in
from fakescale.recordings.exchanges import Recorded
from fakescale.values.answer import decode

# The nouns of the first segments of paths, in v1 and v2.
_NOUNS = {
    "tasks": "task",
    "batches": "batch",
    "projects": "project",
    "files": "file",
    "teams": "teammate",
    "evaluation_tasks": "quality task",
    "training_tasks": "quality task",
}
# The names of creations in paths.
_CREATES = {"chat", "upload", "import"}
_LISTS = ("docs", "tasks", "batches", "projects")
_NAMES = re.compile(rb'"(project|batch|name|project_name|batch_name)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_LONG = 64 * 1024  # bytes of a body in which names are looked for


class Spot(NamedTuple):
    """The parts of an exchange that tell what it does."""

    #: The status of the recorded answer.
    status: int
    is_v2: bool
    #: The segments of the path behind the version.
    path: tuple[str, ...]
    #: The noun in the singular, for example ``task``.
    noun: str
    #: The verb, for example ``create`` or ``cancel``; empty for a request that only reads.
    action: str
    #: The id, name or type in the path, or "".
    name: str
    #: The parameters of the query, each with its last value.
    query: Mapping[str, str]
    #: The body of the request as JSON; an empty dict for any other.
    body: Any
    #: The body of the recorded answer as JSON, or None.
    answer: Any
    #: The value of the header ``Idempotency-Key``, or "".
    idempotency_key: str

    @property
    def is_good(self) -> bool:
        """Whether the recorded answer is no refusal."""
        return 200 <= self.status < 300

    @property
    def error(self) -> str:
        """The text of a refusal, or ""."""
        return str(self.answer.get("error", "")) if isinstance(self.answer, dict) else ""

    @property
    def shown(self) -> Sequence[Mapping[str, Any]]:
        """The things that the answer shows: one, or those of a list."""
        if not self.is_good:
            return ()
        found = self.answer
        if isinstance(found, dict):
            name = next((it for it in _LISTS if isinstance(found.get(it), list)), None)
            found = [found] if name is None else found[name]
            if self.is_v2 and name is None and isinstance(self.answer.get(self.noun), dict):
                # A move of a batch prints it beside a message.
                found = [self.answer[self.noun]]
        return [it for it in found if isinstance(it, dict)] if isinstance(found, list) else ()

    @property
    def made_id(self) -> str | None:
        """The id that the answer shows of a thing that the request made, or None."""
        if not self.is_good or self.action != "create" or not isinstance(self.answer, dict):
            return None
        url = self.answer.get("attachment_url")
        if isinstance(url, str) and self.noun == "file":
            return url.removeprefix("scaledata://").partition("/")[0]
        found = self.answer.get("id")
        if self.noun != "audits":  # an audit shows the task, too
            found = self.answer.get("task_id", found)
        return found if isinstance(found, str) else None

    @property
    def is_test(self) -> bool | None:
        """Whether the shown tasks are in test mode, or None if the answer does not tell."""
        told = (it.get("is_test") for it in self.shown)
        return next((it for it in told if isinstance(it, bool)), None)

    @property
    def moment(self) -> str | None:
        """The moment at which the request took effect, as its answer tells, or None."""
        if not (self.is_good and self.action and isinstance(self.answer, dict)):
            return None
        if self.action != "create" and self.answer.get("is_test"):
            return None  # its last update is the completion, a few ms after its creation
        found = self.answer.get("created_at" if self.action == "create" else "updated_at")
        return found if isinstance(found, str) else None

    def makes(self) -> Iterator[str]:
        """Yield keys of the things that the request made, or of the change of a task."""
        if self.made_id is not None:
            yield self.made_id
        if self.is_good and self.action == "create" and self.noun in ("project", "batch"):
            yield f"{self.noun}:{self.body.get('name')}"
        if self.is_good and self.action not in ("", "create") and self.noun == "task":
            yield from self._changes("")

    def does(self) -> Iterator[str]:
        """Yield the key of the change that the request made to a task."""
        if self.is_good and self.action and self.noun == "task" and not self.is_v2:
            yield f"{self.action} {self.name}"

    def _changes(self, since: str) -> Iterator[str]:
        """Yield keys of the latest changes of the shown tasks that are later than ``since``.

        A test task is completed a few ms after its creation, so its times say nothing.
        """
        for it in self.shown:
            moment = it.get("updated_at")
            if isinstance(moment, str) and moment > since and not it.get("is_test"):
                yield f"{it.get('task_id')} {moment}"


def read_spot(exchange: Recorded) -> Spot:
    """Return the spot of an exchange."""
    parts = urlsplit(exchange.url)
    version, *names = [unquote(it) for it in parts.path.strip("/").split("/")]
    is_v2 = version == "v2"
    noun, *rest = names or [""]
    if exchange.method in ("GET", "HEAD", "OPTIONS"):
        action = ""
    elif is_v2 or noun in ("files", "teams"):
        action = rest[0] if rest else "create"
    elif noun in ("task", "evaluation_tasks", "training_tasks"):
        action = rest[1] if len(rest) > 1 else "create"
    else:
        action = rest[1] if len(rest) > 1 else "" if rest else "create"
    body = _json(exchange.body)
    return Spot(
        status=exchange.status,
        is_v2=is_v2,
        path=tuple(names),
        noun=_NOUNS.get(noun, noun),
        action="create" if action in _CREATES else action,
        name=rest[0] if rest else "",
        query={name: values[-1] for name, values in parse_qs(parts.query).items()},
        body=body if isinstance(body, dict) else {},
        answer=_json(exchange.answer),
        idempotency_key=next(
            (it for name, it in exchange.headers if name.lower() == "idempotency-key"), ""
        ),
    )


def mentions(exchange: Recorded, spot: Spot, began: str) -> set[str]:
    """Return keys, as those of ``makes``, of the things that an exchange shows.

    ``began`` is the time at which the request began, as the API prints times, or "". Only changes
    after it count.
    """
    found = {*ids_in(exchange.answer), *ids_in(exchange.url.encode())}
    if began and spot.noun == "task":
        found.update(spot._changes(began))
    if not spot.is_good and exchange.status != 409:
        return found
    if spot.noun in ("project", "batch") and spot.name:
        found.add(f"{spot.noun}:{spot.name}")
    for text in (exchange.body, exchange.answer):
        if len(text) <= _LONG:
            for member, name in _NAMES.findall(text):
                noun = spot.noun if member == b"name" else member.decode().partition("_")[0]
                text_of_name = _json(b'"%b"' % name)
                found.add(f"{noun}:{text_of_name}")
    return found


def _json(text: bytes) -> Any:
    try:
        return decode(text)
    except ValueError:
        return None
