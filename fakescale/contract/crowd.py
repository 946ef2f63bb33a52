"""Many threads at once on one account, and checks of the answers that they got."""

import dataclasses
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fakescale.contract.asking import BODY, TYPE, get, make, make_batch, make_project, quoted
from fakescale.contract.target import ABSENT, Target
from fakescale.values.errors import ApiError
from fakescale.values.stacks import stack_of

THREADS = 32
# Few shared tasks, so that the threads collide.
_SHARED = 8
_KEPT = [f"kept-{n}" for n in range(6)]  # unique_ids that a task keeps
_PASSED = [f"passed-{n}" for n in range(3)]  # unique_ids that tasks pass on
_KEYS = [f"key-{n}" for n in range(12)]
# The statuses that each step may get. A concurrent duplicate gets 429 (documented).
_EXPECTED: Mapping[str, Sequence[int]] = {
    "create": [200],
    "create once": [200, 429],
    "keep": [200, 409],
    "pass": [200, 409],
    "tag": [200],
    "set metadata": [200],
    "cancel": [200, 400],
    "complete": [200, 400],
    "count": [200],
    "list": [200],
}


@dataclasses.dataclass(frozen=True)
class Event:
    """One step of a thread."""

    #: The name of the step, a key of ``_EXPECTED``.
    what: str
    #: The task, batch, key or unique_id that the step is about.
    about: str
    method: str
    body: Any
    status: int
    json: Any
    #: When the step began and ended, by ``time.monotonic``.
    began: float
    ended: float


class Stuck(Exception):
    """The threads did not finish in time; the text shows the stack of each thread."""


class Crowd:
    """Threads that make random calls in a project of their own, and the history of the calls.

    ``seed`` determines the calls of each thread, but not how the threads interleave.
    """

    def __init__(self, account: Target, seed: int) -> None:
        self._account = account
        self._seed = seed
        self._prefix = account.name()  # of names that are unique beyond the project
        self._project = make_project(account)
        self._batch = make_batch(account, self._project)
        self._passing = [self._make() for _ in _PASSED]  # tasks that pass unique_ids round
        self._shared = [self._make() for _ in range(_SHARED)]
        self._made = list(self._shared)
        self._history: list[Event] = []
        self._errors: list[BaseException] = []

    def _make(self) -> str:
        return str(make(self._account, project=self._project)["task_id"])

    def run(self, *, calls: int, seconds: float) -> None:
        """Let each thread make this many calls.

        Raises Stuck if the threads take longer than ``seconds`` of real time, and re-raises an
        exception of a thread.
        """
        threads = [
            threading.Thread(target=self._work, args=(n, calls), name=f"crowd-{n}", daemon=True)
            for n in range(THREADS)
        ]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)  # lets threads of this process switch in more places
        try:
            deadline = time.monotonic() + seconds
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(max(0, deadline - time.monotonic()))
        finally:
            sys.setswitchinterval(interval)
        if any(thread.is_alive() for thread in threads):
            raise Stuck(f"The threads are not done after {seconds} s:\n{_stacks()}")
        for error in self._errors:
            raise error

    def _work(self, number: int, calls: int) -> None:
        dice = random.Random(f"{self._seed}/{number}")
        try:
            for _ in range(calls):
                dice.choice(_STEPS)(self, number, dice)
        except BaseException as error:
            self._errors.append(error)

    # The steps.

    def _create(self, number: int, dice: random.Random) -> None:
        self._post("create", self._batch, batch=self._batch)

    def _create_once(self, number: int, dice: random.Random) -> None:
        key = dice.choice(_KEYS)
        headers = {"Idempotency-Key": f"{self._prefix}{key}"}
        self._post("create once", key, headers=headers, metadata={"key": key})

    def _keep(self, number: int, dice: random.Random) -> None:
        name = f"{self._prefix}{dice.choice(_KEPT)}"
        self._post("keep", name, unique_id=name)

    def _pass(self, number: int, dice: random.Random) -> None:
        name, task_id = f"{self._prefix}{dice.choice(_PASSED)}", dice.choice(self._passing)
        method, body = dice.choice([("POST", {"unique_id": name}), ("DELETE", ABSENT)])
        self._call("pass", name, method, f"/task/{task_id}/unique_id", body)

    def _tag(self, number: int, dice: random.Random) -> None:
        # Only this thread uses the tag, but four threads share the task.
        task_id, tag = self._shared[number % _SHARED], f"tag-{number}"
        method = dice.choice(["PUT", "DELETE"])
        self._call("tag", f"{task_id} {tag}", method, f"/task/{task_id}/tags", [tag])

    def _set_metadata(self, number: int, dice: random.Random) -> None:
        task_id, value = dice.choice(self._shared), {"n": dice.randrange(10**9)}
        self._call("set metadata", task_id, "POST", f"/task/{task_id}/setMetadata", value)

    def _cancel(self, number: int, dice: random.Random) -> None:
        task_id = dice.choice(self._made)
        self._call("cancel", task_id, "POST", f"/task/{task_id}/cancel")

    def _complete(self, number: int, dice: random.Random) -> None:
        if self._account.fake is None:
            return
        task_id, began, status = dice.choice(self._made), time.monotonic(), 200
        try:
            self._account.world.tasks.complete(task_id)
        except ApiError as error:
            status = error.status
        ended = time.monotonic()
        self._history.append(Event("complete", task_id, "", None, status, None, began, ended))

    def _count(self, number: int, dice: random.Random) -> None:
        self._call("count", self._batch, "GET", f"/batches/{quoted(self._batch)}/status")

    def _list(self, number: int, dice: random.Random) -> None:
        self._call("list", self._batch, "GET", f"/tasks?batch={quoted(self._batch)}&limit=5")

    def _post(self, what: str, about: str, headers: Any = None, **params: Any) -> None:
        body = {**BODY, "project": self._project, **params}
        event = self._call(what, about, "POST", f"/task/{TYPE}", body, headers)
        if event.status == 200:
            self._made.append(event.json["task_id"])

    def _call(
        self, what: str, about: str, method: str, path: str, body: Any = ABSENT, headers: Any = None
    ) -> Event:
        began = time.monotonic()
        reply = self._account.call(method, path, body, headers=headers)
        ended = time.monotonic()
        event = Event(what, about, method, body, reply.status, reply.json, began, ended)
        self._history.append(event)
        return event

    # The checks of the history.

    def problems(self) -> list[str]:
        """Return the problems of the history and of the account as it is now."""
        tasks = {task["task_id"]: task for task in self._all()}
        return [problem for check in _CHECKS for problem in check(self, tasks)]

    def _all(self) -> Iterator[Any]:
        query, token = f"/tasks?project={quoted(self._project)}&limit=100", ""
        for _ in range(100):
            page = get(self._account, f"{query}&next_token={token}")
            yield from page["docs"]
            if not page["has_more"]:
                return
            token = quoted(page["next_token"])
        raise AssertionError("The list of tasks has no end.")

    def _of(self, what: str) -> list[Event]:
        return [event for event in self._history if event.what == what]

    def _by_about(self, what: str) -> Mapping[str, list[Event]]:
        events: dict[str, list[Event]] = {}
        for event in self._of(what):
            events.setdefault(event.about, []).append(event)
        return events

    def _unexpected(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        for event in self._history:
            if event.status not in _EXPECTED[event.what]:
                yield f"{event.what} was answered with {event.status}: {event.json}"

    def _lost_tags(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        for about, events in self._by_about("tag").items():
            task_id, tag = about.split()
            seen = [(event.method, event.json) for event in events if event.status == 200]
            seen += [(seen[-1][0], tasks[task_id])] if seen else []
            for method, task in seen:
                if (tag in task.get("tags", [])) != (method == "PUT"):
                    yield f"{tag} was lost, or came back, on {task_id}"

    def _lost_metadata(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        for task_id, events in self._by_about("set metadata").items():
            latest = max(event.began for event in events)
            last = [event.body for event in events if event.ended >= latest]
            if tasks[task_id]["metadata"] not in last:
                yield f"{task_id} has metadata that had been replaced"

    def _owners(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        counts = Counter(task["unique_id"] for task in tasks.values() if "unique_id" in task)
        for name, count in counts.items():
            if count > 1:
                yield f"{count} tasks have the unique_id {name}"
        for name, events in self._by_about("keep").items():
            owners = {event.json["task_id"] for event in events if event.status == 200}
            if len(owners) != 1:
                yield f"{len(owners)} tasks got the unique_id {name}"
            for event in events:
                if event.status == 409 and not any(id in event.json["error"] for id in owners):
                    yield f"a refusal names another owner of {name}: {event.json['error']}"
        for name in {*counts, *(event.about for event in self._of("pass"))}:
            found = get(self._account, f"/tasks?unique_id={quoted(name)}")["docs"]
            if found != [task for task in tasks.values() if task.get("unique_id") == name]:
                yield f"the search for the unique_id {name} does not find its owner"

    def _twins(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        counts = Counter(task["metadata"].get("key") for task in tasks.values())
        for key, events in self._by_about("create once").items():
            told = {event.json["task_id"] for event in events if event.status == 200}
            if len(told) != counts[key] or counts[key] > 1:
                yield f"{counts[key]} tasks were made for one {key}, and {len(told)} were answered"

    def _counters(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        mine = [task for task in tasks.values() if task.get("batch") == self._batch]
        listed = Counter(task["status"] for task in mine)
        status = get(self._account, f"/batches/{quoted(self._batch)}/status")
        counted = {name: status.get(name, 0) for name in ("pending", "completed", "canceled")}
        if any(counted[name] != listed[name] for name in counted):
            yield f"the batch counts {counted}, but the list has {dict(listed)}"
        for filters, found in ((f"batch={self._batch}", mine), (f"project={self._project}", tasks)):
            total = get(self._account, f"/tasks?{filters}&limit=1")["total"]
            if total != len(found):
                yield f"the total is {total}, but {len(found)} are listed"
        created = {event.json["task_id"] for event in self._of("create") if event.status == 200}
        if created != {task["task_id"] for task in mine}:
            yield "the listed tasks are not those that were created"

    def _counted_meanwhile(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        created = [event for event in self._of("create") if event.status == 200]
        for event in (*self._of("count"), *self._of("list")):
            if event.status != 200:
                continue
            counts = {name: n for name, n in event.json.items() if name != "status"}
            count = event.json["total"] if event.what == "list" else sum(counts.values())
            least = sum(creation.ended < event.began for creation in created)
            most = sum(creation.began < event.ended for creation in created)
            if not least <= count <= most:
                yield f"{event.what} showed {count} tasks instead of {least} to {most}"

    def _ends(self, tasks: Mapping[str, Any]) -> Iterator[str]:
        ended = [
            (event.about, {"cancel": "canceled", "complete": "completed"}[event.what])
            for event in (*self._of("cancel"), *self._of("complete"))
            if event.status == 200
        ]
        for task_id, status in ended:
            if tasks[task_id]["status"] != status:
                yield f"{task_id} was {status}, but is now {tasks[task_id]['status']}"


_STEPS: Sequence[Callable[[Crowd, int, random.Random], None]] = (
    *(Crowd._create, Crowd._create_once, Crowd._keep, Crowd._pass, Crowd._tag, Crowd._tag),
    *(Crowd._set_metadata, Crowd._cancel, Crowd._complete, Crowd._count, Crowd._list),
)
_CHECKS: Sequence[Callable[[Crowd, Mapping[str, Any]], Iterator[str]]] = (
    *(Crowd._unexpected, Crowd._lost_tags, Crowd._lost_metadata, Crowd._owners, Crowd._twins),
    *(Crowd._counters, Crowd._counted_meanwhile, Crowd._ends),
)


def _stacks() -> str:
    return "\n".join(f"--- {it.name}\n{stack_of(it.ident)}" for it in threading.enumerate())
