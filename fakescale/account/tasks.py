"""The tasks of one world, and every operation on them, behind one lock.

This file is long because all operations share the same state: the lock, the table, the order
of creation, the owners of unique_ids and the times at which tasks are due.
"""

import bisect
import builtins
import datetime as dt
import enum
import functools
import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Unpack, get_args, overload

from fakescale.account import responses, threads
from fakescale.account import task as moves
from fakescale.account.batches import Batch, Batches
from fakescale.account.inheritance import inherit
from fakescale.account.labeling import NEVER, Decide, Labeling, Note, actor, failed
from fakescale.account.listed import Listed
from fakescale.account.listing import (
    PAGE,
    Filter,
    Page,
    Parameter,
    Query,
    SortKey,
    filters_query,
    newest,
    page,
    sort_key,
)
from fakescale.account.printed import (
    JsonFile,
    check_new,
    dump_tasks,
    printed_tasks,
    read_dump,
    read_json_file,
    read_tasks,
    with_projects,
)
from fakescale.account.projects import Projects
from fakescale.account.task import AUDIT_RESULTS, Task, event
from fakescale.account.task_filters import HELPER_FILTERS, TaskFilters
from fakescale.account.task_types import (
    check_common,
    check_enabled,
    check_tags,
    distinct,
    read_creation,
    required,
)
from fakescale.account.words import (
    AnyType,
    AuditResult,
    AuditSource,
)
from fakescale.drawing.values import Drawing
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, expect, is_stamp
from fakescale.values.errors import BadRequest, Conflict, NotFound, invalid
from fakescale.values.frozen import FrozenDict
from fakescale.values.ids import TaskIds
from fakescale.values.matching import matching, not_in_time
from fakescale.values.merging import merged
from fakescale.values.named import named
from fakescale.values.schemas import frozen_json
from fakescale.waiting import HIDDEN, Wait, in_thread, look_once

# The time from creation to completion in test mode (observed in 2016).
TEST_MODE_TAKES = dt.timedelta(milliseconds=8)


# The filters of a list that polls for outcomes. Such a list shows a task only once it has one.
_OF_OUTCOMES = {
    "status",
    "completed_after",
    "completed_before",
    "updated_after",
    "updated_before",
    "customer_review_status",
}

# Owes a callback about an event of a task, and returns whether the task has an address for it.
# The last argument is a function. It gets True if the callback succeeded, otherwise False.
Owe = Callable[[str, Task, Callable[[bool], None]], bool]


def _owe_nothing(*_: Any) -> bool:
    return False


_NONE: Mapping[str, Any] = {"tasks": (), "beside": {}}  # the dump of no tasks
_PAGED_FILTERS: Mapping[str, Filter | Parameter] = {**HELPER_FILTERS, **PAGE}


class TaskPage(NamedTuple):
    """A page of tasks."""

    #: The tasks, newest first.
    docs: Sequence[Task]
    #: The number of matches on all pages.
    total: int
    #: The token of the next page, or None on the last page.
    next_token: str | None


class TaskCounts(NamedTuple):
    """The numbers of tasks."""

    #: By status.
    statuses: Mapping[str, int]
    #: By type.
    types: Mapping[str, int]
    #: By the name of the project, for tasks that have one.
    projects: Mapping[str, int]


class Tasks(Listed[Task]):
    """The tasks of one mode of one account.

    Iteration yields the tasks newest first. Every method is safe to call from any thread. A
    returned task never changes: a method that changes a task returns the new state. A method
    that takes a task's id raises NotFound for an unknown id. A method raises BadRequest for a
    call that the API refuses, and then changes nothing.
    """

    def __init__(
        self,
        clock: Clock,
        ids: TaskIds,
        lock: threading.RLock,
        projects: Projects,
        batches: Batches,
        labeling: Labeling,
        *,
        is_test: bool,
        disabled_types: Collection[str] = (),
        origin: Callable[[], str] = lambda: responses.NOWHERE,
        owe: Owe = _owe_nothing,
        note: Note = lambda *_, **__: None,
        wait: Wait = look_once,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._projects = projects
        self._batches = batches
        self._is_test = is_test
        self._labeling = labeling
        self._disabled_types = disabled_types
        self._origin = origin  # of the result files that a response points to
        self._owe = owe
        self._note = note
        self._wait = wait
        # The text was observed in 2019.
        self._table = Table(Task, "id", lock, "Task with that ID not found.")
        self._deleted = Table(Task, "id", lock, "Task with that ID not found.")  # as they were
        self._sorted: list[SortKey] = []  # in order of creation, so that a page is a slice
        self._is_in_order = True  # whether the table has that order too
        self._counts = Counter[str](), Counter[str](), Counter[str]()  # as in `TaskCounts`
        self._owners: dict[str, str] = {}  # unique_id -> task id
        self._due_at: dict[str, str] = {}  # task id -> the stamp at which the labeler is called
        self._looks: dict[str, int] = {}  # task id -> the looks until the labeler is called

    # For clients of the API.

    def create(self, type: AnyType, /, **params: Any) -> Task:
        """Create a task as ``POST /v1/task/{type}`` does, and return it.

        ``params`` are the members of the request's body. The task is pending; in test mode it
        is completed at once, with a made-up response (observed). Raises NotFound for an unknown
        type, PaymentRequired for a disabled type, BadRequest for bad parameters, and Conflict
        if the unique_id is in use.
        """
        return self._submit(named(type), {name: named(value) for name, value in params.items()})

    def _submit(
        self, type: str, body: Mapping[str, Any], *, form: bool = False, is_json: bool = False
    ) -> Task:
        """Create a task from a body.

        ``form`` says that the body was form-encoded. ``is_json`` says that the body is frozen
        JSON already.
        """
        given = body if is_json else frozen_json("value", body)
        inherited = inherit(type, given, self._projects, self._batches)
        creation = read_creation(type, inherited.body, form=form)
        check_enabled(creation.type, self._disabled_types)
        self._run_due()
        with self._lock:
            now = self._clock.now()
            moment = stamp(now)
            for name, wanted in creation.references.items():
                self._check_reference(name, creation.params.get(name), wanted)
            self._check_unique_id(creation.fields.get("unique_id"))
            if "batch" in creation.fields:
                self._batches._check_open(creation.fields["batch"])
            members = {
                "task_id": self._ids.make(now),
                "created_at": moment,
                "updated_at": moment,
                "type": creation.type,
                "params": creation.params,
                "is_test": self._is_test,
                "project_param_version": inherited.version,
                **creation.fields,
            }
            # The only parameter of every type that no task prints.
            clear = members.pop("clear_unique_id_on_error", False)
            task = Task(members, clear_unique_id_on_error=clear)
            if self._is_test:  # observed: completed already in the answer to the creation
                pending, done = task, stamp(now + TEST_MODE_TAKES)
                task = moves.complete(task, done, responses.response(task, self._origin()))
                self._note_change(None, task, now)
                self._tell(pending, task)
            else:
                self._note_change(None, task, now)
            self._put(task)
        if not self._is_test:
            self._schedule(task)
        return task

    def get(self, task_id: Task | str) -> Task:
        """Return the task with this id; raises NotFound if there is none."""
        self._run_due()
        return self._table.get(task_id)

    def one(self, **filters: Unpack[TaskFilters]) -> Task:
        """Return the only task that passes ``filters``, which are those of ``list``.

        Raises NotFound if there is none, Conflict if there are several.
        """
        found = self.list(**filters)
        if len(found) == 1:
            return found[0]
        asked = ", ".join(f"{name}={value!r}" for name, value in filters.items()) or "no filter"
        if not found:
            raise NotFound(f"No task passes {asked}, of {len(self)} tasks.")
        raise Conflict(f"{len(found)} tasks pass {asked}: {', '.join(map(repr, found[:5]))}")

    def list(self, **filters: Unpack[TaskFilters]) -> list[Task]:
        """Return all tasks that pass ``filters``, newest first.

        The filters are those of ``GET /v1/tasks``: ``start_time``, ``end_time``,
        ``completed_after``, ``completed_before``, ``updated_after``, ``updated_before``,
        ``status``, ``type``, ``project``, ``batch``, ``customer_review_status``,
        ``unique_id`` and ``tags``. A value is a text, a moment, a member of an enum, or several
        of them. Raises TypeError for any other filter. Raises BadRequest for a bad value, also
        for a type that does not exist.
        """
        return self._matches(filters_query(filters, HELPER_FILTERS))[::-1]

    def assert_created(
        self, type: AnyType | None = None, /, count: int | None = None, **members: Any
    ) -> builtins.list[Task]:
        """Return the tasks of ``type`` that have all ``members``, newest first.

        ``members`` are parameters and other members of a task as the API prints it, for example
        ``unique_id="u"``. An object may have further members, and None stands for a missing
        member. Without ``type``, tasks of all types count.

        Raises AssertionError unless ``count`` tasks fit, or at least one if that is None. It
        shows the nearest tasks, and how they differ. Raises NotFound for an unknown type.
        """
        __tracebackhide__ = HIDDEN
        of_type = {} if type is None else {"type": required(named(type))}
        return matching("created task", self.list()[::-1], _members, {**of_type, **members}, count)[
            ::-1
        ]

    def wait_for(
        self, count: int = 1, timeout: float = 10, **filters: Unpack[TaskFilters]
    ) -> builtins.list[Task]:
        """Wait until ``count`` tasks pass ``filters``, and return all that do, newest first.

        Waits in real time, up to ``timeout`` seconds, also while the clock is frozen. Tasks that
        are there already count too. The filters are those of ``list``. Raises AssertionError if
        there are fewer tasks in the end.
        """
        __tracebackhide__ = HIDDEN
        found: builtins.list[Task] = []

        def look() -> builtins.list[Task] | None:
            found[:] = self.list(**filters)
            return found if len(found) >= count else None

        if self._wait(look, timeout) is None:
            raise not_in_time("task", found, count, timeout, filters, self.list()[::-1])
        return found

    async def until(
        self, count: int = 1, timeout: float = 10, **filters: Unpack[TaskFilters]
    ) -> builtins.list[Task]:
        """Wait as ``wait_for`` does, in async code, while the event loop runs on."""
        __tracebackhide__ = HIDDEN
        return await in_thread(functools.partial(self.wait_for, count, timeout, **filters))

    def page(
        self,
        limit: int = 100,
        next_token: str | None = None,
        **filters: Unpack[TaskFilters],
    ) -> TaskPage:
        """Return the first ``limit`` tasks that pass ``filters``, newest first.

        ``next_token`` is that of the page before, as in ``GET /v1/tasks``. The filters are those
        of ``list``. Raises BadRequest for a limit that is not from 1 to 100, for a wrong token
        and for a bad value of a filter. Raises TypeError for an unknown filter.
        """
        asked = {**filters, "limit": limit, "next_token": next_token}
        found = self._page(filters_query(asked, _PAGED_FILTERS))
        return TaskPage(tuple(found.docs), found.total, found.next_token)

    def counts(self) -> TaskCounts:
        """Return the numbers of tasks by status, type and project, without a look at each task."""
        self._run_due()
        with self._lock:
            return TaskCounts(*({name: it for name, it in of.items() if it} for of in self._counts))

    def drawing(
        self, task_id: Task | str, *, frame: int = 0, without: Sequence[str] = ()
    ) -> Drawing:
        """Return the `Drawing` of a task: a picture of its response, and the labels as text.

        ``frame`` is the frame of a video or a scene, or the page of a document, counted from 0. A
        number too high stands for the last one. ``without`` are labels to leave out.
        ``fakescale.draw`` returns only the picture.
        """
        from fakescale.account.pictures import drawing

        return drawing(self.get(task_id), frame=frame, without=without)

    def _page(self, query: Query) -> Page:
        """Return a page of the list."""
        if query.filters:
            matches = self._matches(query)
            docs, has_more = page(matches, query, key=sort_key)
            return Page(docs, len(matches), query, has_more)
        self._run_due()
        with self._lock:
            keys, has_more = page(self._sorted, query)
            docs = [self._table.get(task_id) for _, task_id in keys]
            return Page(docs, len(self._sorted), query, has_more)

    def _look_at(self, task_id: str) -> None:
        """Count a look of a client at a task."""
        if self._looks:
            self._count_looks([task_id])

    def _look_at_list(self, query: Query, get_page: Callable[[], Page]) -> Page:
        """Count the looks of a list, as ``after_looks`` tells them, and return its page."""
        if self._looks:
            others = {name: it for name, it in query.filters.items() if name not in _OF_OUTCOMES}
            if len(others) == len(query.filters):
                self._count_looks(task.id for task in get_page().docs)
            elif query.after is None and not query.offset:  # a further page is the same look
                self._count_looks(task.id for task in self._matches(Query(others)))
        return get_page()

    def _count_looks(self, task_ids: Iterable[str]) -> None:
        """Count a look at each of the tasks. After its last look, a task is due."""
        now = stamp(self._clock.now())
        due = []
        with self._lock:
            for task_id in task_ids:
                left = self._looks.pop(task_id, 0) - 1
                if left > 0:
                    self._looks[task_id] = left
                elif left == 0:
                    self._due_at[task_id] = now
                    due.append(task_id)
        for task_id in due:
            self._labeling.put(now, self, task_id)

    def _page_of_all(self, query: Query) -> Page:
        """Return a page of the list of v2, which also has the deleted tasks.

        It looks at no more tasks than the page needs, since v2 shows no total. So the cost of all
        pages of a list grows no faster than the list.
        """
        _, statuses = query.filters.get("status", (None, None))
        found: builtins.list[Task] = []
        if statuses is None or "deleted" in statuses:
            filters = {name: row for name, row in query.filters.items() if name != "status"}
            found = Query(filters).select([it for it in self._deleted if query.is_after(it)])
        if statuses != {"deleted"}:
            self._run_due()
            others = newest(query, self._sorted, self._table.get, self._lock)
            found += itertools.islice(others, query.limit + 1)
        found.sort(key=sort_key, reverse=True)
        return Page(found[: query.limit], len(found), query, len(found) > query.limit)

    def _get_of_all(self, task_id: str) -> Task:
        """Return the task with this id, as v2 finds it: also a deleted one."""
        self._run_due()
        return self._deleted.find(task_id) or self._table.get(task_id)

    def _is_deleted(self, task: Task) -> bool:
        return task.id in self._deleted

    def cancel(self, task_id: Task | str, *, clear_unique_id: bool = False) -> Task:
        """Cancel a pending task, and return it.

        With ``clear_unique_id``, the unique_id is free again. A canceled task can be canceled
        again (documented). Raises BadRequest for a task that is started, completed or failed.
        """
        return self._change(
            task_id, lambda task, now: moves.cancel(task, now, clear_unique_id=clear_unique_id)
        )

    def set_metadata(
        self, task_id: Task | str, metadata: Mapping[str, Any], *, merge: bool = False
    ) -> Task:
        """Replace the metadata of a task in any status (documented), and return the task.

        With ``merge``, objects in it merge member by member, and new values win (documented, in
        v2).
        """
        given = frozen_json("metadata", metadata)
        check_common("metadata", given)

        def change(task: Task, now: str) -> Task:
            whole = merged(task.metadata, given) if merge else given
            check_common("metadata", whole)
            return moves.update(task, now, metadata=whole)

        return self._change(task_id, change)

    def set_unique_id(
        self, task_id: Task | str, unique_id: str, *, clear_unique_id_on_error: bool | None = None
    ) -> Task:
        """Set the unique_id of a task, and return the task.

        The task's earlier unique_id is free again. ``clear_unique_id_on_error`` sets that field
        of the task, unless it is None. Raises Conflict if another task has the unique_id.
        """
        check_common("unique_id", frozen_json("unique_id", unique_id))
        changes: dict[str, Any] = {"unique_id": unique_id}
        if clear_unique_id_on_error is not None:
            check_common("clear_unique_id_on_error", clear_unique_id_on_error)
            changes["clear_unique_id_on_error"] = clear_unique_id_on_error

        def change(task: Task, now: str) -> Task:
            self._check_unique_id(unique_id, task.id)
            return moves.update(task, now, **changes)

        return self._change(task_id, change)

    def clear_unique_id(self, task_id: Task | str) -> Task:
        """Remove the unique_id of a task, if it has one, and return the task."""

        def change(task: Task, now: str) -> Task:
            return moves.update(task, now, unique_id=None) if task.unique_id is not None else task

        return self._change(task_id, change)

    def add_tags(self, task_id: Task | str, tags: Sequence[str]) -> Task:
        """Append tags to those of a task, and return the task.

        Tags that the task already has are ignored (documented).
        """
        return self._change_tags(task_id, tags, lambda old, new: [*old, *new])

    def set_tags(self, task_id: Task | str, tags: Sequence[str]) -> Task:
        """Replace the tags of a task, and return the task."""
        return self._change_tags(task_id, tags, lambda old, new: new)

    def remove_tags(self, task_id: Task | str, tags: Sequence[str]) -> Task:
        """Remove tags from a task, and return the task.

        Tags that the task does not have are ignored (documented).
        """
        return self._change_tags(
            task_id, tags, lambda old, new: [tag for tag in old if tag not in new]
        )

    @overload
    def audit(
        self,
        task_id: Task | str,
        result: AuditResult | enum.Enum,
        comments: str | None = None,
        *,
        source: AuditSource = "customer",
    ) -> Task: ...
    @overload
    def audit(
        self,
        task_id: Task | str,
        *,
        accepted: bool,
        comments: str | None = None,
        source: AuditSource = "customer",
    ) -> Task: ...
    def audit(
        self,
        task_id: Task | str,
        result: AuditResult | enum.Enum | None = None,
        comments: str | None = None,
        *,
        accepted: bool | None = None,
        source: AuditSource = "customer",
    ) -> Task:
        """Audit a completed task, and return it.

        ``result`` is ``accepted``, ``fixed``, ``commented`` or ``rejected``. ``accepted=True``
        and ``accepted=False`` stand for the first and the last of them, as in the API.
        ``source`` is ``customer`` or ``scale``. A client of the API can only accept and reject.

        Raises BadRequest for another value, or a task that is not completed. Raises TypeError
        unless either ``result`` or ``accepted`` is given.
        """
        if (result is None) == (accepted is None):
            raise TypeError("audit() takes either a result or accepted=True or accepted=False")
        result = named(result) if accepted is None else "accepted" if accepted else "rejected"
        for name, value, allowed in (
            ("result", result, AUDIT_RESULTS),
            ("source", source, get_args(AuditSource)),
        ):
            if value not in allowed:
                raise invalid(name, f"must be one of [{', '.join(allowed)}]", value)
        if comments is not None and not isinstance(comments, str):
            raise invalid("comments", "must be a string", comments)
        by = f"{source}@example.com"
        return self._change(
            task_id,
            lambda task, now: moves.audit(
                task, now, result=result, comments=comments, source=source, audited_by=by
            ),
        )

    def send_callback(self, task_id: Task | str) -> Task:
        """Send the callback of a completed or failed task again, and return the task.

        The outbox sends it like any other callback. Raises BadRequest for a task in another
        status, or without an address for callbacks. Observed: two clients use the endpoint.
        Everything else is guessed.
        """
        self._run_due()
        with self._lock:
            task = self._table.get(task_id)
            if task.status not in ("completed", "error"):
                raise BadRequest(f"The task is {task.status} and has no callback to send.")
            if not self._owe(task.status, task, self._on_outcome(task.id)):
                raise BadRequest("The task has no callback_url, and the account has no default.")
            return task

    # For labelers and tests: no client can do this.

    def start(self, task_id: Task | str) -> Task:
        """Let a labeler begin to work on a pending task, and return the task.

        From then on the task cannot be canceled.
        """
        return self._change(task_id, moves.start)

    def complete(self, task_id: Task | str, response: Mapping[str, Any] | None = None) -> Task:
        """Complete a pending task with ``response``, and return the task.

        Without ``response``, the fake makes up a response that fits the type. The member
        ``threads`` of a response is the result that v2 shows; missing ids and empty lists in it
        are added. Raises BadRequest if a client could not read the threads.
        """
        given = None if response is None else _object("response", response)
        return self._change(
            task_id,
            lambda task, now: moves.complete(
                task,
                now,
                responses.response(task, self._origin())
                if given is None
                else threads.stored(task.id, given),
            ),
        )

    def fail(self, task_id: Task | str, response: Mapping[str, Any] | str | None = None) -> Task:
        """Let a pending task end in the status ``error``, and return the task.

        ``response`` holds the detail; a text stands for ``{"error": text}``. By default it says
        that the attachments could not be downloaded (documented).
        """
        detail = {"error": response} if isinstance(response, str) else response
        given = None if detail is None else _object("response", detail)
        return self._change(
            task_id,
            lambda task, now: moves.fail(
                task, now, responses.failure(task) if given is None else given
            ),
        )

    def recall(self, task_id: Task | str) -> Task:
        """Make a completed task pending again, and return the task."""
        return self._change(task_id, moves.recall)

    def report(self, task_id: Task | str, type: str, message: str) -> Task:
        """Report sensitive content in a task, and return the task.

        Documented: v2 then shows the reports, and no threads.
        """
        report = frozen_json("report", {"type": type, "message": message})
        return self._change(
            task_id,
            lambda task, now: moves.update(
                task, now, sensitive_content_reports=[*task.sensitive_content_reports, report]
            ),
        )

    def delete(self, task_id: Task | str) -> Task:
        """Delete a task, and return it as it was.

        Documented: v2 has the status ``deleted``. Guessed: only Scale deletes tasks, v1 no longer
        has the task, and its unique_id is free.
        """
        self._run_due()
        with self._lock:
            now = self._clock.now()
            task = self._table.remove(task_id)
            self._count(task, None)
            self._sorted.remove(sort_key(task))
            self._due_at.pop(task.id, None)
            self._looks.pop(task.id, None)
            if task.unique_id is not None:
                del self._owners[task.unique_id]
            self._deleted.put(task)
            if task.batch is not None:
                self._batches._forget(task)
            self._note_change(task, task, now, status="deleted")
        return task

    def load(self, printed: Iterable[Any] | Mapping[str, Any] | JsonFile) -> None:
        """Add tasks that the API printed, with their ids and times: all of them, or none.

        ``printed`` holds a dict for each task, or is a page of them, or is the path of a JSON
        file with an array or a page. Missing projects and batches are created.

        Raises BadRequest for a bad task, Conflict if an id or unique_id is in use, and OSError
        if a file cannot be read.
        """
        if isinstance(printed, str | os.PathLike):
            self._load(printed_tasks(read_json_file(printed)), is_json=True)
        else:
            is_page = isinstance(printed, Mapping)
            self._load(printed_tasks(printed) if is_page else printed, is_json=False)

    def _load(self, printed: Iterable[Any], *, is_json: bool) -> None:
        tasks = read_tasks(printed, is_test=self._is_test, is_json=is_json)
        with self._lock:
            check_new(tasks, self._table, self._owners)
            tasks = with_projects(tasks, self._batches._home)
            self._ids.reserve(task.id for task in tasks)
            # The API prints the newest first, which would have to go before all others each time.
            for task in sorted(tasks, key=sort_key):
                if task.project is not None:
                    self._projects._adopt(task.project, task.type, task.created_at)
                    if task.batch is not None:
                        self._batches._adopt(task.batch, task.project, task.created_at)
                self._put(task)
        self._note("state loaded", tasks=len(tasks))
        for task in tasks:
            if task.status == "pending":
                self._schedule(task)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, task: object) -> bool:
        return task in self._table

    # Time.

    def _run_due(self) -> None:
        """Run the labelers that are due, in order of time, in all worlds.

        Every operation begins with this, as if the labelers had worked in the meantime.
        """
        self._labeling.run_due()

    def _label(self, task_id: str, due: str, decide: Decide) -> None:
        """Make the move that ``decide`` returns, unless the task is no longer due at ``due``."""
        with self._lock:
            if self._due_at.get(task_id) != due:
                return  # completed or canceled meanwhile, or scheduled for another time
            del self._due_at[task_id]
            task = self._table.get(task_id)
        done = decide(task, self._note)
        with self._lock:
            task = self._table.get(task_id)  # it may have changed meanwhile
            if done is not None and task.status == "pending":
                move, response = done
                self._replace(task, move(task, due, response), self._clock.now())

    def _is_due(self, task_id: str, due: str) -> bool:
        """Return whether the task is due at ``due``."""
        return self._due_at.get(task_id) == due

    def _next_due(self) -> str | None:
        """Return the stamp at which the next task is due, or None if no task is."""
        with self._lock:
            return min(self._due_at.values(), default=None)

    def _reschedule(self) -> None:
        """Schedule all pending tasks anew, with the current turnaround."""
        with self._lock:
            self._due_at.clear()
            self._looks.clear()
        self._schedule_pending(lambda task: True)

    def _schedule_batch(self, batch: Batch) -> None:
        """Schedule the pending tasks of a batch that was finalized or resumed."""
        self._schedule_pending(
            lambda task: (
                task.batch == batch.name
                and task.id not in self._due_at
                and task.id not in self._looks
            )
        )

    def _hold_batch(self, batch: Batch, *, cancels: bool) -> None:
        """Take the tasks of a batch that are not started from the labelers, or cancel them.

        Guessed: their unique_ids stay taken, as after a cancel without ``clear_unique_id``.
        """
        now = self._clock.now()
        for task in self._table:
            if task.batch == batch.name and task.status == "pending" and not task.work_started:
                self._due_at.pop(task.id, None)
                self._looks.pop(task.id, None)
                if cancels:
                    canceled = moves.cancel(task, stamp(now), clear_unique_id=False)
                    self._replace(task, canceled, now)

    def _schedule_pending(self, wanted: Callable[[Task], bool]) -> None:
        with self._lock:
            pending = [task for task in self._table if task.status == "pending" and wanted(task)]
        for task in pending:
            self._schedule(task)

    def _abandon(self) -> None:
        """Forget all due work, because the fake has forgotten this world."""
        self._labeling.forget(self)
        with self._lock:
            self._due_at.clear()
            self._looks.clear()
            self._owe = _owe_nothing

    # Inside.

    def _dump(self) -> dict[str, Any]:
        """Return the JSON-able data that ``_restore`` takes."""
        with self._lock:
            return {
                **dump_tasks(self._table.get(task_id) for _, task_id in self._sorted),
                "due": dict(self._due_at),
                "looks": dict(self._looks),
                "deleted": dump_tasks(self._deleted),
            }

    def _on_outcome(self, task_id: str) -> Callable[[bool], None]:
        """Return the function to call with the outcome of a callback about a task."""
        return functools.partial(self._note_callback, task_id)

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Take over the data of ``_dump``, as JSON; raises BadRequest for any other data.

        The world must have no tasks yet. Its projects and batches must be restored before.
        """
        tasks = read_dump(data, is_test=self._is_test)
        deleted = read_dump(data.get("deleted", _NONE), is_test=self._is_test)
        with self._lock:
            for task in (*tasks, *deleted):
                if task.project is not None:
                    expect(task.project in self._projects, "task", "project", task.project)
                if task.batch is not None:
                    home = self._batches._home(task.batch)
                    expect(home == task.project is not None, "task", "batch", task.batch)
            for task in sorted(tasks, key=sort_key):
                self._table.put(task)
                self._count(None, task)
                self._sorted.append(sort_key(task))
                if task.unique_id is not None:
                    self._owners[task.unique_id] = task.id
            for task in deleted:
                expect(task.id not in self._table, "deleted task", "task_id", task.id)
                self._deleted.put(task)
            self._ids.reserve(task.id for task in (*tasks, *deleted))
            self._batches._recount(tasks)
            for task_id in (*data["due"], *data.get("looks", {})):
                found = self._table.find(task_id)
                is_pending = found is not None and found.status == "pending"
                expect(is_pending, "due entry", "task", task_id)
            for task_id, due in data["due"].items():
                expect(is_stamp(due), "due entry", "moment", due)
                self._due_at[task_id] = due
            for task_id, looks in data.get("looks", {}).items():
                expect(type(looks) is int and looks > 0, "looks entry", "number", looks)
                self._looks[task_id] = looks
        for task_id, due in self._due_at.items():
            self._labeling.put(due, self, task_id)

    def _schedule(self, task: Task) -> None:
        """Schedule the labeler for a pending task. The caller must not hold the lock."""
        begins = self._batches._begins(task)
        if begins is None:
            return
        if (looks := self._labeling.looks) is not None:
            with self._lock:
                if self._table.get(task.id).status == "pending":
                    self._looks[task.id] = looks
            return
        try:
            due = self._labeling.due(task, begins)
        except Exception as error:  # treated like an error of the labeler
            move, response = failed(task.id, error, self._note)
            self._change(task.id, lambda it, now: move(it, now, response))
            return
        if due == NEVER:
            return
        with self._lock:
            if self._table.get(task.id).status != "pending":
                return
            self._due_at[task.id] = due
        self._labeling.put(due, self, task.id)

    def _matches(self, query: Query) -> builtins.list[Task]:
        """Return all tasks that pass the filters, oldest first.

        Only the copy is made under the lock, so other threads can go on during the filtering.
        """
        _, unique_ids = query.filters.get("unique_id", (None, None))
        self._run_due()
        with self._lock:
            if unique_ids is None:
                tasks = list(self._table)
            else:
                owners = (self._owners.get(unique_id) for unique_id in unique_ids)
                tasks = [self._table.get(owner) for owner in owners if owner]
            is_in_order = self._is_in_order and unique_ids is None
        found = query.select(tasks)
        return found if is_in_order else sorted(found, key=sort_key)

    def _change(self, task_id: Task | str, change: Callable[[Task, str], Task]) -> Task:
        self._run_due()
        with self._lock:
            before = self._table.get(task_id)
            now = self._clock.now()
            task = change(before, stamp(now))
            self._replace(before, task, now)
        if task.status == "pending" and before.status != "pending":
            self._schedule(task)
        return task

    def _change_tags(
        self,
        task_id: Task | str,
        tags: Sequence[str],
        merge: Callable[[Sequence[str], Sequence[str]], Sequence[str]],
    ) -> Task:
        given = frozen_json("tags", tags)
        check_tags(given)

        def change(task: Task, now: str) -> Task:
            merged = distinct(merge(task.tags, given))
            if merged == task.tags:
                return task
            if len(merged) > len(task.tags):  # a loaded task may have too many already
                check_common("tags", merged)
            return moves.update(task, now, tags=merged)

        return self._change(task_id, change)

    def _replace(self, before: Task, task: Task, now: dt.datetime) -> None:
        """Put a task in place of its earlier state, and note the change."""
        if task is not before:
            self._note_change(before, task, now)
        self._put(task, before)

    def _note_change(
        self, before: Task | None, task: Task, now: dt.datetime, status: str | None = None
    ) -> None:
        by = actor()
        if task.traceback is not None and before is not None and before.traceback is None:
            by = "labeler"  # a turnaround function raised, in a thread of another
        self._note(
            "task changed",
            task.id,
            when=now,
            by=by,
            was=before and str(before.status),
            **_changed(before, task),
            status=status or str(task.status),
            type=task.type,
            unique_id=task.unique_id,
            is_test=self._is_test,
        )

    def _put(self, task: Task, before: Task | None = None) -> None:
        """Add a task, or put it in place of its earlier state ``before``."""
        if before is not None:
            # First: the task may complete its batch, whose callback must come second.
            self._tell(before, task)
        self._table.put(task)
        self._count(before, task)
        if before is None:
            key = sort_key(task)
            if self._sorted and key < self._sorted[-1]:  # loaded, or the clock went back
                bisect.insort(self._sorted, key)
                self._is_in_order = False
            else:
                self._sorted.append(key)
        if before is not None and before.unique_id != task.unique_id and before.unique_id:
            del self._owners[before.unique_id]
        if task.unique_id is not None:
            self._owners[task.unique_id] = task.id
        if task.batch in self._batches:
            self._batches._note(before, task)
        if task.status != "pending":
            self._due_at.pop(task.id, None)
            self._looks.pop(task.id, None)

    def _count(self, before: Task | None, task: Task | None) -> None:
        """Count a task in place of its earlier state."""
        if before is not None and task is not None and before.status == task.status:
            return  # no change touches the type or the project
        statuses, types, projects = self._counts
        for counted, by in ((before, -1), (task, 1)):
            if counted is not None:
                statuses[counted.status] += by
                types[counted.type] += by
                if counted.project is not None:
                    projects[counted.project] += by

    def _tell(self, before: Task, task: Task) -> None:
        """Owe the callback about a change of a task, if the change is an event."""
        if (happened := event(before, task)) is not None:
            self._owe(happened, task, self._on_outcome(task.id))

    def _note_callback(self, task_id: str, succeeded: bool) -> None:
        with self._lock:
            if (task := self._table.find(task_id)) is not None:  # a dump may lack it
                self._put(moves.note_callback(task, succeeded=succeeded), task)

    def _check_unique_id(self, unique_id: str | None, own_id: str | None = None) -> None:
        owner = self._owners.get(unique_id) if unique_id is not None else None
        if owner is not None and owner != own_id:
            raise Conflict(  # documented
                f'The unique_id ("{unique_id}") is already used for a different task ({owner}).'
            )

    def _check_reference(self, name: str, task_id: Any, wanted: Mapping[str, str]) -> None:
        if task_id is None:
            return
        task = self._table.find(task_id)
        if task is None or task.type != wanted["type"] or task.status != wanted["status"]:
            phrase = f"must be the id of a {wanted['status']} task of type {wanted['type']}"
            raise invalid(name, phrase, task_id)


def _members(task: Task) -> dict[str, Any]:
    printed = task.to_json()
    return {**printed["params"], **printed}


def _changed(before: Task | None, task: Task) -> dict[str, Any]:
    """Return the detail that names the members which changed, if the status did not."""
    if before is None or before is task or before.status != task.status:
        return {}
    old, new = before.to_json(), task.to_json()
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {"changed": [name for name in names if name != "updated_at"]}


def _object(name: str, value: Any) -> FrozenDict:
    frozen = frozen_json(name, value)
    if not isinstance(frozen, FrozenDict):
        raise invalid(name, "must be of type object", value)
    return frozen
