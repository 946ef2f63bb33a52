"""The batches of one world, and their statuses, which follow from their tasks.

The file has over 300 lines, since the values, filters and owner of a noun stay together.
"""

import builtins
import dataclasses
import datetime as dt
import enum
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypedDict, Unpack, get_args

from fakescale.account.labeling import Note, actor
from fakescale.account.listed import Listed
from fakescale.account.listing import (
    FLAG,
    NUMBER_OF_PAGE,
    PAGE,
    Filter,
    Page,
    Parameter,
    Query,
    any_of,
    filters_query,
    one_of,
    page,
    read_names,
    since,
    sort_key,
    until,
)
from fakescale.account.projects import Project, Projects
from fakescale.account.task import Status, Task
from fakescale.account.task_types import check_common
from fakescale.account.words import BatchStatus, Moment, Texts
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, expect, to_data
from fakescale.values.errors import BadRequest, Conflict, invalid
from fakescale.values.frozen import EMPTY_DICT, FrozenDict
from fakescale.values.ids import TaskIds
from fakescale.values.merging import merged
from fakescale.values.named import named
from fakescale.values.schemas import TEXT, Parameters, frozen_json

CREATION = Parameters(
    {
        "type": "object",
        "required": ["project", "name"],
        "properties": {
            "project": TEXT,
            "name": TEXT,
            "callback": {"type": "string", "format": "callback or nothing"},
            "calibration_batch": {"type": "boolean"},
            "self_label_batch": {"type": "boolean"},
            "metadata": {"type": "object"},
        },
    }
)
PRIORITY = Parameters(
    {
        "type": "object",
        "required": ["priority"],
        "properties": {"priority": {"type": "integer", "minimum": 10, "maximum": 30}},
    }
)
#: The statuses of a batch (documented).
STATUSES = get_args(BatchStatus)
#: The moves by a client of v2: (status, action) -> status (documented). Any other pair is refused.
#: The last task of a batch in progress completes it; that is no move of a client.
TRANSITIONS: Mapping[tuple[str, str], BatchStatus] = {
    ("staging", "finalize"): "in_progress",
    ("in_progress", "pause"): "paused",
    ("paused", "resume"): "in_progress",
    ("staging", "cancel"): "cancelled",
    ("in_progress", "cancel"): "cancelled",
    ("paused", "cancel"): "cancelled",
}
_PAST = {"finalize": "finalized", "pause": "paused", "resume": "resumed", "cancel": "cancelled"}
# The statuses in which no labeler begins to work on a task of the batch (documented).
_HELD = ("staging", "paused", "cancelled")
#: The filters of the list, by parameter. Observed: one client names the filters by time.
#: Guessed: the filters by time of completion work as in the list of tasks.
FILTERS: Mapping[str, Filter] = {
    "start_time": since("created_at"),
    "end_time": until("created_at"),
    "completed_after": since("completed_at"),
    "completed_before": until("completed_at"),
    # Observed in that client: the filter is by the time of the last audit. Guessed: an audit
    # of any task of the batch.
    "audited_after": since("audited_at"),
    "audited_before": until("audited_at"),
    "status": one_of("status", STATUSES),
    "project": any_of("project", read_names),
    "exclude_archived": Filter(
        FLAG.read,
        "archived",
        lambda exclude, archived: [not (exclude and it) for it in archived],
        FLAG.schema,
    ),
}
#: All parameters of the list.
QUERY: Mapping[str, Filter | Parameter] = {
    **FILTERS,
    "limit": PAGE["limit"],
    "offset": PAGE["offset"],
    # Guessed: a client that follows `nextPage` sends it so. An offset wins.
    "page": NUMBER_OF_PAGE,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch at one moment. It never changes."""

    _key = "name"

    #: The id; the API prints it only in the Studio.
    id: str
    #: The name, unique within the account's mode.
    name: str
    #: The name of the batch's project.
    project: str
    #: The status: ``staging``, ``in_progress``, ``completed``, ``paused`` or ``cancelled``
    #: (documented).
    status: str
    #: The address of the batch's callback, or None.
    callback: str | None = None
    #: The time of creation, as the API prints times.
    created_at: str
    #: The metadata, an object.
    metadata: Mapping[str, Any] = EMPTY_DICT
    #: The time of completion, or None. Not printed.
    completed_at: str | None = None
    #: The time of the last audit of one of the batch's tasks, or None. Not printed.
    audited_at: str | None = None
    #: Whether the batch began in staging, so it takes no tasks once finalized. Not printed.
    staged: bool = False
    #: The time at which the batch left staging, or None. Not printed.
    finalized_at: str | None = None
    #: The time of the last resume, or None. Not printed.
    resumed_at: str | None = None
    #: Whether the batch is a calibration batch. Printed only in the Studio.
    calibration: bool = False
    #: Whether the batch is a self-label batch. Not printed.
    self_label: bool = False
    #: The priority from 10 to 30, or None. Not printed.
    priority: int | None = None
    #: Whether the batch is archived. Not printed.
    archived: bool = False
    #: The number of the batch's tasks in each status. Printed only by ``status_json``.
    counts: Mapping[str, int] = EMPTY_DICT

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Batch {self.name!r} {self.status} project={self.project!r}>"

    def to_json(self) -> dict[str, Any]:
        """Return the batch as a dict, as the API prints it."""
        printed = {
            "name": self.name,
            "project": self.project,
            "status": self.status,
            "callback": self.callback,
            "created_at": self.created_at,
            "metadata": self.metadata,
        }
        return {name: value for name, value in printed.items() if value is not None}

    def status_json(self) -> dict[str, Any]:
        """Return the answer of ``GET /v1/batches/{name}/status``: the status and the counts."""
        return {"status": self.status} | {status: self.counts.get(status, 0) for status in Status}


class BatchFilters(TypedDict, total=False):
    """The filters of ``batches.list``."""

    #: Batches created at or after this moment.
    start_time: Moment | None
    #: Batches created at or before this moment.
    end_time: Moment | None
    #: Batches completed at or after this moment.
    completed_after: Moment | None
    #: Batches completed at or before this moment.
    completed_before: Moment | None
    #: Batches with a last audit at or after this moment.
    audited_after: Moment | None
    #: Batches with a last audit at or before this moment.
    audited_before: Moment | None
    #: Batches in this status.
    status: BatchStatus | enum.Enum | Iterable[BatchStatus | enum.Enum] | None
    #: Batches of this project.
    project: Project | Texts | None
    #: Whether to leave archived batches out.
    exclude_archived: bool | None


class PriorityBody(TypedDict):
    """The body of ``batches.prioritize``."""

    #: The priority, from 10 to 30.
    priority: int


class BatchPage(NamedTuple):
    """One page of the list of batches."""

    #: The batches on the page, newest first.
    docs: list[Batch]
    #: The number of matches on all pages.
    total: int
    #: The query that the page answers.
    query: Query

    def to_json(self) -> dict[str, Any]:
        """Return the page as a dict, as the API prints it.

        The official client reads ``totalDocs`` and ``has_more``, another client ``total``, and
        the service's own downloader ``hasNextPage``, ``nextPage`` and ``totalPages`` (observed).
        Guessed: the numbers of pages begin with 1, and the last page has ``nextPage`` null.
        """
        offset, limit = self.query.offset, self.query.limit
        has_more = offset + len(self.docs) < self.total
        return {
            "docs": [batch.to_json() for batch in self.docs],
            "totalDocs": self.total,
            "total": self.total,
            "limit": limit,
            "offset": offset,
            "has_more": has_more,
            "totalPages": max(1, -(-self.total // limit)),
            "hasNextPage": has_more,
            "nextPage": offset // limit + 2 if has_more else None,
        }


class Batches(Listed[Batch]):
    """The batches of one mode of one account.

    Iteration yields the batches newest first. Every method is safe to call from any thread. A
    method that takes a name raises NotFound for an unknown name. A method raises BadRequest
    for a call that the API refuses, and then changes nothing.

    ``run_due`` runs the labelers that are due, which may complete a batch. ``completed`` is called
    for each completed batch, and ``held`` for each paused or cancelled one, both under the lock.
    ``begun`` is called for each finalized or resumed batch, without the lock. ``note`` adds an
    event to the log.
    """

    def __init__(
        self,
        clock: Clock,
        ids: TaskIds,
        lock: threading.RLock,
        projects: Projects,
        run_due: Callable[[], None],
        *,
        completed: Callable[[Batch], None] = lambda batch: None,
        begun: Callable[[Batch], None] = lambda batch: None,
        held: Callable[[Batch], None] = lambda batch: None,
        note: Note = lambda *_, **__: None,
    ) -> None:
        self._note_event = note
        self._clock = clock
        self._run_due = run_due
        self._completed = completed
        self._begun = begun
        self._held = held
        self._ids = ids
        self._lock = lock
        self._projects = projects
        # The text is guessed.
        self._table = Table(Batch, "name", lock, 'Batch "{}" not found.')

    # For clients of the API.

    def create(
        self,
        name: str,
        *,
        project: Project | str,
        callback: str | None = None,
        calibration_batch: bool = False,
        self_label_batch: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Batch:
        """Create a batch as ``POST /v1/batches`` does, and return it.

        ``callback`` is the address of the batch's callback. Raises Conflict if any project has
        a batch of this name (documented), BadRequest for a bad argument.
        """
        body = {"name": name, "project": named(project), "callback": callback}
        kind = {"calibration_batch": calibration_batch, "self_label_batch": self_label_batch}
        return self._create({**body, **kind, "metadata": metadata})

    def _create(self, body: Mapping[str, Any], *, staged: bool | None = None) -> Batch:
        """Create a batch from the body of a request.

        ``staged`` says whether the batch begins in staging; by default, its project decides.
        """
        given = CREATION.read(frozen_json("value", body))
        check_common("metadata", given.get("metadata", EMPTY_DICT))
        with self._lock:
            if given["project"] not in self._projects:  # guessed: 400, not 404
                raise invalid("project", "must be the name of a project", given["project"])
            if given["name"] in self._table:  # documented, except the text
                raise Conflict(f'A batch with the name "{given["name"]}" already exists.')
            now = self._clock.now()
            if staged is None:
                staged = self._projects.get(given["project"]).stages_batches
            batch = Batch(
                id=self._ids.make(now),
                name=given["name"],
                project=given["project"],
                status="staging" if staged else "in_progress",
                callback=given.get("callback") or None,
                created_at=stamp(now),
                metadata=given.get("metadata", EMPTY_DICT),
                staged=staged,
                calibration=given.get("calibration_batch", False),
                self_label=given.get("self_label_batch", False),
            )
            self._note_change(None, batch, now)
            return self._table.put(batch)

    def get(self, name: Batch | str) -> Batch:
        """Return the batch with this name; raises NotFound if there is none."""
        self._run_due()
        return self._table.get(name)

    def list(self, **filters: Unpack[BatchFilters]) -> list[Batch]:
        """Return all batches that pass ``filters``, newest first.

        The filters are those of ``GET /v1/batches``: ``start_time``, ``end_time``,
        ``completed_after``, ``completed_before``, ``audited_after``, ``audited_before``,
        ``status``, ``project`` and ``exclude_archived``. A value is a text, a moment, or
        several of them. Raises TypeError for any other filter, BadRequest for a bad value.
        """
        return self._matches(filters_query(filters, FILTERS))

    def _page(self, query: Query) -> BatchPage:
        """Return a page of the list."""
        matches = self._matches(query)
        docs = matches[query.offset : query.offset + query.limit]
        return BatchPage(docs, len(matches), query)

    def finalize(self, name: Batch | str) -> Batch:
        """Close a staging batch, so that work on its tasks begins, and return the batch.

        Documented: a batch that never was in staging stays as it is. Any other batch can be
        finalized once; then this raises BadRequest.
        """
        self._run_due()
        with self._lock:
            batch = self._table.get(name)
            if not batch.staged:
                return batch
            if batch.status != "staging":
                raise BadRequest(
                    f'Batch "{batch.name}" was finalized already.'
                )  # the text is guessed
        return self._act(batch, "finalize")

    def pause(self, name: Batch | str) -> Batch:
        """Pause a batch in progress, and return it (documented, in v2).

        Labelers begin no more tasks of it. Tasks that are started go on, and ``tasks.complete``
        works on all. Observed: a batch without unfinished tasks stays as it is. Raises
        BadRequest for a batch in another status.
        """
        return self._act(name, "pause")

    def resume(self, name: Batch | str) -> Batch:
        """Let the work on a paused batch go on, and return the batch (documented, in v2).

        Guessed: the turnaround of its tasks begins anew. Raises BadRequest for a batch in
        another status.
        """
        return self._act(name, "resume")

    def cancel(self, name: Batch | str) -> Batch:
        """Cancel a batch for good, and return it (documented, in v2).

        Its pending tasks that are not started become canceled. Raises BadRequest for a batch
        that is completed or cancelled.
        """
        return self._act(name, "cancel")

    def _act(self, name: Batch | str, action: str) -> Batch:
        """Make a move of ``TRANSITIONS``, and return the batch; raises BadRequest."""
        self._run_due()
        with self._lock:
            batch = self._table.get(name)
            status = TRANSITIONS.get((batch.status, action))
            if status is None:  # the status and the text are guessed
                raise BadRequest(
                    f'Batch "{batch.name}" is {batch.status} and cannot be {_PAST[action]}.'
                )
            if action == "pause" and not batch.counts.get(Status.PENDING):
                return batch
            now = stamp(self._clock.now())
            moments: Mapping[str, Mapping[str, Any]] = {
                "finalize": {"finalized_at": now},
                "resume": {"resumed_at": now},
            }
            after = dataclasses.replace(batch, status=status, **moments.get(action, {}))
            after = self._move(batch, _with_status_by_tasks(after, now))
            if after.status in _HELD:
                self._held(after)
        if action in moments:
            self._begun(after)
        return self._table.get(after.name)

    def set_metadata(
        self, name: Batch | str, metadata: Mapping[str, Any], *, merge: bool = False
    ) -> Batch:
        """Replace the metadata of a batch, and return the batch (documented, in v2).

        With ``merge``, objects in it merge member by member, and new values win.
        """
        given = frozen_json("metadata", metadata)
        check_common("metadata", given)
        self._run_due()
        with self._lock:
            if merge:
                given = merged(self._table.get(name).metadata, given)
                check_common("metadata", given)
            return self._table.change(name, metadata=given)

    def prioritize(self, name: Batch | str, /, **body: Unpack[PriorityBody]) -> Batch:
        """Set ``priority``, from 10 to 30, and return the batch.

        The call is observed in clients. The priority has no effect in the fake.
        """
        return self._change(name, priority=PRIORITY.read(frozen_json("value", body))["priority"])

    # For tests: no client can do this.

    def archive(self, name: Batch | str, *, archived: bool = True) -> Batch:
        """Archive a batch, or restore it with ``archived=False``. Return the batch."""
        return self._change(name, archived=archived)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    # Inside.

    def _find(self, id: str | None, name: str | None) -> Batch | None:
        """Return the batch with this id or name, as v2 finds it, or None; the id decides."""
        self._run_due()
        if id is None:
            return None if name is None else self._table.find(name)
        return next((batch for batch in self._table if batch.id == id), None)

    def _page_after(self, query: Query) -> Page:
        """Return a page of the list, with a token for the next page."""
        matches = self._matches(query)[::-1]
        docs, has_more = page(matches, query, key=sort_key)
        return Page(docs, len(matches), query, has_more)

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes, without the counts."""
        return [to_data(dataclasses.replace(batch, counts=EMPTY_DICT)) for batch in self._table]

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data.

        The projects must be restored before. ``_recount`` must follow.
        """
        self._table.restore(data)
        for batch in self._table:
            expect(batch.project in self._projects, "batch", "project", batch.project)
            expect(batch.status in STATUSES, "batch", "status", batch.status)
        self._ids.reserve(batch.id for batch in self._table)

    def _recount(self, tasks: Iterable[Task]) -> None:
        """Count the tasks of restored batches, without a change of their statuses."""
        counts: dict[str, Counter[str]] = {batch.name: Counter() for batch in self._table}
        for task in tasks:
            if task.batch is not None:
                counts[task.batch][task.status] += 1
        for name, counter in counts.items():
            self._table.change(name, counts=FrozenDict(counter))

    def _home(self, name: str) -> str | None:
        """Return the project of a batch, or None if there is no such batch."""
        batch = self._table.find(name)
        return None if batch is None else batch.project

    def _abandon(self) -> None:
        """Let go of the world, because the fake has forgotten it."""
        self._run_due = lambda: None
        self._completed = self._begun = self._held = lambda batch: None

    def _begins(self, task: Task) -> str | None:
        """Return when work on a pending task may begin, or None while its batch holds it.

        Documented: work on a batch in staging begins when the batch is finalized. Work on a task of
        a paused batch begins when the batch is resumed, unless the task was started.
        """
        batch = None if task.batch is None else self._table.find(task.batch)
        if batch is None:
            return task.updated_at
        is_started = task.work_started and batch.status != "staging"
        if batch.status in _HELD and not is_started:
            return None
        resumed_at = None if is_started else batch.resumed_at
        return max(task.updated_at, batch.finalized_at or "", resumed_at or "")

    def _check_open(self, name: str) -> None:
        """Raise BadRequest unless tasks may be added to the batch (documented)."""
        batch = self._table.get(name)
        if batch.status == "cancelled":  # guessed
            raise invalid("batch", "must not be cancelled", name)
        if batch.staged and batch.status != "staging":
            raise invalid("batch", "must not be finalized already", name)

    def _note(self, before: Task | None, after: Task) -> None:
        """Count a task that was added or changed; called under the world's lock."""
        if after.batch is None:
            return
        batch = self._table.get(after.batch)
        if before is not None and before.audits != after.audits:
            batch = self._table.change(batch.name, audited_at=after.audits[0]["audited_at"])
        if before is not None and before.status == after.status:
            return
        counts = dict(batch.counts)
        if before is not None:
            counts[before.status] -= 1
        counts[after.status] = counts.get(after.status, 0) + 1
        counted = dataclasses.replace(batch, counts=FrozenDict(counts))
        self._move(batch, _with_status_by_tasks(counted, after.updated_at))

    def _forget(self, task: Task) -> None:
        """Stop counting a deleted task; called under the world's lock."""
        batch = self._table.get(task.batch or "")
        counts = {**batch.counts, task.status: batch.counts[task.status] - 1}
        counted = dataclasses.replace(batch, counts=FrozenDict(counts))
        is_empty = not any(counts.values())
        now = stamp(self._clock.now())
        self._move(batch, counted if is_empty else _with_status_by_tasks(counted, now))

    def _adopt(self, name: str, project: str, created_at: str) -> None:
        """Create the batch of a loaded task, unless it exists."""
        with self._lock:
            if name not in self._table:
                batch_id = self._ids.make(self._clock.now())
                self._table.put(
                    Batch(
                        id=batch_id,
                        name=name,
                        project=project,
                        status="in_progress",
                        created_at=created_at,
                    )
                )

    def _matches(self, query: Query) -> builtins.list[Batch]:
        self._run_due()
        return query.select(sorted(self._table, key=sort_key, reverse=True))

    def _change(self, name: Batch | str, **changes: Any) -> Batch:
        self._run_due()
        return self._table.change(name, **changes)

    def _move(self, before: Batch, batch: Batch) -> Batch:
        self._table.put(batch)
        if batch.status != before.status:
            self._note_change(before, batch)
        if batch.status == "completed" and before.status != "completed":
            self._completed(batch)
        return batch

    def _note_change(
        self, before: Batch | None, batch: Batch, when: dt.datetime | None = None
    ) -> None:
        was = before and before.status
        facts = {"was": was, "status": batch.status, "project": batch.project}
        self._note_event("batch changed", batch.name, when=when, by=actor(), **facts)


def _with_status_by_tasks(batch: Batch, now: str) -> Batch:
    """Return the batch in the status that follows from its tasks.

    Documented: a batch is completed with its last task. Guessed: canceled tasks and errors
    count as done, and a new task reopens a completed batch. Guessed: a paused batch stays so
    until it is resumed.
    """
    if batch.status in _HELD:
        return batch
    done = sum(batch.counts.values()) > 0 and batch.counts.get(Status.PENDING, 0) == 0
    if done == (batch.status == "completed"):
        return batch
    return dataclasses.replace(
        batch,
        status="completed" if done else "in_progress",
        completed_at=now if done else None,
    )
