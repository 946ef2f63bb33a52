"""Proof that the state machine finds bugs; each test seeds one."""

import bisect
import http.client
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis
import pytest

from fakescale import FakeScale
from fakescale.account import batches, listing, task_filters, tasks
from fakescale.account import task as moves
from fakescale.account.listing import Page, Query
from fakescale.account.task import TRANSITIONS, Status, Task
from fakescale.account.tasks import Tasks
from fakescale.api import app, route, v2
from fakescale.contract.target import Line, Reply, Target
from fakescale.contract.test_machine import run
from fakescale.traffic import idempotency
from fakescale.traffic.idempotency import LIFETIME, OncePerKey
from fakescale.values import errors
from fakescale.values.answer import encode, json_answer
from fakescale.values.clock import stamp
from fakescale.values.frozen import FrozenDict, FrozenList
from tests.support import examples, proofs

# The quick profile with fewer steps, the same in each run, and without shrinking.
SETTINGS = hypothesis.settings(
    max_examples=16,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[*hypothesis.HealthCheck],
)


class _InProcess(Line):
    """Calls a fake without a socket or a client, in a third of the time."""

    def __init__(self, fake: FakeScale) -> None:
        super().__init__("http://localhost/v1")
        self._fake = fake

    def _send(
        self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "REQUEST_URI": target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(data or b"")),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_HOST": "localhost",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data or b""),
            **{f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()},
        }
        statuses: list[str] = []
        content = b"".join(self._fake(environ, lambda status, *_: statuses.append(status)))  # type: ignore[arg-type]
        return Reply(int(statuses[0][:3]), json.loads(content), http.client.HTTPMessage(), content)


@pytest.fixture
def account() -> Iterator[Target]:
    """Return an account of a fake whose clock is stopped."""
    fake = FakeScale(seed="hunt")
    target = Target(fake.url, fake.api_key, fake=fake, line=_InProcess(fake))
    with target.standing_time():
        yield target


@pytest.fixture
def stranger() -> Target:
    """Return an account in test mode of a server that is not steered."""
    fake = FakeScale(seed="stranger")
    return Target(fake.url, fake.test_api_key, line=_InProcess(fake))


# The functions that bugs replace, as they should be.
page, read_query, note = listing.page, listing.read_query, batches.Batches._note
select = Query.select
once, run_once = app._once, OncePerKey.run
cancel, complete, fail, audit = moves.cancel, moves.complete, moves.fail, moves.audit
page_text, put, set_metadata, task_text = Page.to_text, Tasks._put, Tasks.set_metadata, Task.to_text
hold_batch, show_task, within = Tasks._hold_batch, v2.tasks.show_task, v2.references.within
change_tags, check_unique_id = Tasks._change_tags, Tasks._check_unique_id


def page_by_time_alone(matches: Any, query: Query, key: Any = None) -> Any:
    if query.after is None:
        return page(matches, query, key)
    times = [(key(it) if key else it)[0] for it in matches]
    end = bisect.bisect_left(times, query.after[0])
    start = max(0, end - query.limit)
    return matches[start:end][::-1], start > 0


def page_from_the_last_of_the_one_before(matches: Any, query: Query, key: Any = None) -> Any:
    if query.after is None:
        return page(matches, query, key)
    end = bisect.bisect_right(matches, query.after, key=key)
    start = max(0, end - query.limit)
    return matches[start:end][::-1], start > 0


def page_oldest_first(matches: Any, query: Query, key: Any = None) -> Any:
    docs, more = page(matches, query, key)
    return docs[::-1], more


def page_that_says_more_when_it_is_full(matches: Any, query: Query, key: Any = None) -> Any:
    docs, _ = page(matches, query, key)
    return docs, len(docs) == query.limit


def without_filters_behind_the_first_page(*given: Any) -> Query:
    query = read_query(*given)
    return query._replace(filters={}) if query.after else query


def refused_when_canceled(task: Task, now: str, **changes: Any) -> Task:
    if task.status is Status.CANCELED:
        raise errors.BadRequest("The task is canceled already.")
    return cancel(task, now, **changes)


def old_unique_id_kept(self: Tasks, task: Task, before: Task | None = None) -> None:
    put(self, task, before)
    if before is not None and before.unique_id not in (None, task.unique_id):
        self._owners[str(before.unique_id)] = task.id


def replay_rendered_anew(state: Any, call: Any, key: str, work: Any) -> Any:
    answer = once(state, call, key, work)
    if answer.status != 200:
        return answer
    return json_answer(call.world.tasks.get(json.loads(answer.body)["task_id"]))


def key_for_longer(self: OncePerKey, key: Any, fingerprint: Any, work: Any) -> Any:
    answer = run_once(self, key, fingerprint, work)
    self._uses[key].since = self._clock.now()
    return answer


def without(member: str, text: bytes) -> bytes:
    return encode({name: value for name, value in json.loads(text).items() if name != member})


def any_filter(query: Query, items: list[Any]) -> list[Any]:
    if not query.filters:
        return items
    alone = [Query(filters={name: row}) for name, row in query.filters.items()]
    return [item for item in items if any(select(it, [item]) for it in alone)]


def filtered(name: str, keep: Any, **changes: Any) -> tuple[Any, str, Any]:
    def wrong(wanted: Any, values: Any) -> Any:
        return [keep(value, wanted) for value in values]

    return task_filters.QUERY, name, task_filters.QUERY[name]._replace(**{"keep": wrong, **changes})


def canceled_though_begun(self: Tasks, batch: Any, *, cancels: bool) -> None:
    hold_batch(self, batch, cancels=cancels)
    for task in [*self._table] if cancels else []:
        if task.batch == batch.name and task.status == "pending":
            now = self._clock.now()
            canceled = moves.replace(task, status=Status.CANCELED, updated_at=stamp(now))
            self._replace(task, canceled, now)


# Each bug: the owner, the name in it, and the wrong value that replaces it.
BUGS: dict[str, tuple[Any, Any, Any]] = {
    "a cursor without a tie-break": (tasks, "page", page_by_time_alone),
    "a cursor that repeats a task": (tasks, "page", page_from_the_last_of_the_one_before),
    "the oldest first": (tasks, "page", page_oldest_first),
    "has_more of a full last page": (tasks, "page", page_that_says_more_when_it_is_full),
    "has_more without a token": (
        Page, "to_text", lambda page: without("next_token", page_text(page)),
    ),
    "a total of the page": (
        Page, "to_text",
        lambda page: encode({**json.loads(page_text(page)), "total": len(page.docs)}),
    ),
    "filters of the first page only": (route, "read_query", without_filters_behind_the_first_page),
    "any filter instead of all": (Query, "select", any_filter),
    "all tags instead of any": filtered("tags", lambda tags, wanted: wanted <= {*tags}),
    "the filter of types ignored": filtered("type", lambda name, wanted: True),
    "an exclusive lower bound": filtered("start_time", lambda moment, it: moment > it),
    "an exclusive upper bound": filtered(
        "completed_before", lambda moment, it: (moment or "~") < it
    ),
    "completed_after by the creation": filtered(
        "completed_after", lambda moment, it: moment >= it, field="created_at"
    ),
    "no completion counts as early": filtered(
        "completed_before", lambda moment, it: (moment or "") <= it
    ),
    "a unique_id is not split": filtered(
        "unique_id", lambda name, it: name in it, read=lambda name, texts: frozenset(texts)
    ),
    "24 hours and a millisecond": (
        idempotency._Use, "is_over", lambda use, now: now - use.since > LIFETIME,
    ),
    "keys for ever": (idempotency._Use, "is_over", lambda use, now: False),
    "a key lives on when it is used": (OncePerKey, "run", key_for_longer),
    "refusals not saved": (idempotency, "_NOT_SAVED", {400, 401, 409, 429}),
    "a key for any body": (
        OncePerKey, "run",
        lambda self, key, fingerprint, work: run_once(self, key, fingerprint[:-1], work),
    ),
    "a key heeded by nobody": (app, "_once", lambda state, call, key, work: work()),
    "a replay rendered anew": (app, "_once", replay_rendered_anew),
    "a plain cancel frees the unique_id": (
        moves, "cancel", lambda task, now, **_: cancel(task, now, clear_unique_id=True),
    ),
    "a cancel frees no unique_id": (
        moves, "cancel", lambda task, now, **_: cancel(task, now, clear_unique_id=False),
    ),
    "a second cancel refused": (moves, "cancel", refused_when_canceled),
    "a cancel of begun work": (TRANSITIONS, ("started", "cancel"), Status.CANCELED),
    "a cancel of done work": (TRANSITIONS, ("completed", "cancel"), Status.CANCELED),
    "a cancel sets completed_at": (
        moves, "cancel",
        lambda task, now, **clear: moves.replace(
            cancel(task, now, **clear), completed_at=now
        ),
    ),
    "an error keeps the unique_id": (
        moves, "fail",
        lambda task, now, response: fail(
            moves.replace(task, clear_unique_id_on_error=False), now, response
        ),
    ),
    "an old unique_id not free": (Tasks, "_put", old_unique_id_kept),
    "a unique_id of two": (
        Tasks, "_check_unique_id",
        lambda self, unique_id, own_id=None: None if own_id else check_unique_id(self, unique_id),
    ),
    "tags in another order": (tasks, "distinct", lambda tags: FrozenList(sorted({*tags}))),
    "tags twice": (tasks, "distinct", FrozenList),
    "tags set instead of added": (
        Tasks, "add_tags",
        lambda self, task_id, tags: change_tags(self, task_id, tags, lambda old, new: new),
    ),
    "updated_at stands": (
        moves, "update", lambda task, now, **changes: moves.replace(task, **changes),
    ),
    "completed_at missing": (
        moves, "complete",
        lambda task, now, response: moves.replace(
            complete(task, now, response), completed_at=None
        ),
    ),
    "metadata merged": (
        Tasks, "set_metadata",
        lambda self, task_id, metadata, **how: set_metadata(
            self, task_id, FrozenDict({**self.get(task_id).metadata, **metadata}), **how
        ),
    ),
    "an audit of what is pending": (TRANSITIONS, ("pending", "audit"), Status.PENDING),
    "audits oldest first": (
        moves, "audit",
        lambda task, now, **entry: moves.replace(
            done := audit(task, now, **entry), audits=FrozenList(sorted(done.audits, key=str))
        ),
    ),
    "a counter not counted down": (
        batches.Batches, "_note",
        lambda self, before, after: note(
            self, None if before and before.status != after.status else before, after
        ),
    ),
    "a batch that is never done": (batches, "_with_status_by_tasks", lambda batch, now: batch),
    "a task without its project": (
        Task, "to_text", lambda task: without("project", task_text(task)),
    ),
    "a completion is not printed": (
        Task, "to_text", lambda task: task_text(task).replace(b'"completed"', b'"pending"'),
    ),
}  # fmt: skip


BUGS |= {
    "a paused batch can be completed": (batches, "_HELD", ("staging", "cancelled")),
    "a cancelled batch can be resumed": (
        batches.TRANSITIONS, ("cancelled", "resume"), "in_progress",
    ),
    "a batch in progress can be finalized by v2": (
        batches.TRANSITIONS, ("in_progress", "finalize"), "in_progress",
    ),
    "a cancelled batch keeps its tasks": (
        Tasks, "_hold_batch",
        lambda self, batch, *, cancels: hold_batch(self, batch, cancels=False),
    ),
    "a paused batch cancels its tasks": (
        Tasks, "_hold_batch", lambda self, batch, *, cancels: hold_batch(self, batch, cancels=True),
    ),
    "a cancelled batch cancels begun work": (Tasks, "_hold_batch", canceled_though_begun),
    "a cancelled batch takes tasks": (batches.Batches, "_check_open", lambda self, name: None),
    "metadata of v2 merged at the top alone": (tasks, "merged", lambda old, new: {**old, **new}),
    "a token after the last page of v2": (
        v2.tasks, "page_of", lambda name, docs, token: {name: docs, "next_token": token or ""},
    ),
    "v2 shows the status before": (
        v2.tasks, "show_task",
        lambda world, task, given: {**show_task(world, task, given), "status": "pending"},
    ),
    "v2 forgets the batch in a filter": (
        v2.tasks, "within",
        lambda query, world, noun, given: (
            query if noun == "batch" else within(query, world, noun, given)
        ),
    ),
}  # fmt: skip


def seed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong = BUGS[bug]
    if isinstance(owner, Mapping):
        monkeypatch.setitem(owner, name, wrong)
    else:
        monkeypatch.setattr(owner, name, wrong)


def find(account: Target, log: pytest.LogCaptureFixture, *, steered: bool) -> None:
    """Check that a comparison finds the bug, and that nothing else broke."""
    with pytest.raises(AssertionError) as found:
        run(account, SETTINGS, steered=steered)
    assert str(found.traceback[-1].path).endswith("test_machine.py")
    assert "a bug in fakescale" not in log.text


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    "bug", proofs(BUGS, "a cursor that repeats a task", "keys for ever", "updated_at stands")
)
def test_the_machine_finds(
    bug: str,
    account: Target,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seed(bug, monkeypatch)
    find(account, caplog, steered=True)


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    "bug", ["a unique_id of two", "filters of the first page only", "a replay rendered anew"]
)
def test_the_machine_finds_in_test_mode_of_a_server_that_is_not_steered(
    bug: str,
    stranger: Target,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seed(bug, monkeypatch)
    find(stranger, caplog, steered=False)


# A thorough run tries more examples here. The machine's own test tries all of them.
LONGER = hypothesis.settings(SETTINGS, max_examples=examples(8))


def test_the_machine_finds_nothing_if_there_is_no_bug(account: Target, stranger: Target) -> None:
    run(account, LONGER, steered=True)
    run(stranger, LONGER, steered=False)
