"""Random steps on an account, which must look like a plain model of it after each step.

The file is over 300 lines because hypothesis wants the steps of a machine in one class.
"""

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fakescale.contract.model import DAY, STATUSES, Model, Printed, Refused, stamp
from fakescale.contract.steps import (
    CREATIONS,
    FILTERS,
    IDLE,
    MILLISECOND,
    MORE_FILTERS,
    ONLY_STEERED,
    RESPONSES,
    STEPS,
    TYPE,
    WORK,
)
from fakescale.contract.target import ABSENT, Reply, Target
from fakescale.strategies.schemas import TAGS
from fakescale.values.errors import ApiError

PAGE = 3  # so small that a few tasks fill several pages

# The members that are compared on a server that is not steered: it may print more, and its
# times are its own.
MEMBERS = (
    "task_id",
    "type",
    "status",
    "instruction",
    "params",
    "metadata",
    "tags",
    "unique_id",
    "project",
    "batch",
    "response",
    "is_test",
)


LIMITED = ("task_id", "status", "metadata", "project")
AUDIT = ("audited_at", "audit_result", "audit_source")


def run(target: Target, settings: hypothesis.settings, *, steered: bool) -> None:
    """Run the machine. Raises AssertionError if the server and the model differ.

    With ``steered`` the clock is stopped and the machine acts as the labelers. Otherwise it
    only makes calls, and times are not compared.
    """
    factory = functools.partial(Machine, target, steered=steered)
    run_state_machine_as_test(factory, settings=settings)  # type: ignore[arg-type]


def test_a_steered_account_behaves_like_the_model(
    steered: Target, profile: hypothesis.settings
) -> None:
    run(steered, profile, steered=True)


def test_an_account_in_test_mode_behaves_like_the_model(
    test_mode: Target, profile: hypothesis.settings
) -> None:
    fewer = hypothesis.settings(profile, max_examples=(profile.max_examples + 3) // 4)
    run(test_mode, fewer, steered=False)


class Machine(RuleBasedStateMachine):
    """Applies each call, and each action of a labeler, to both the server and the model."""

    def __init__(self, target: Target, *, steered: bool) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.api = self._stack.enter_context(target.clean())
        self.steered = steered
        now = self.api.fake.now() if steered else dt.datetime.now(dt.UTC)
        self.model = Model(now, is_test=self.api.is_test)
        self.changed: list[Printed] = []
        self.idle = 0
        one, two = self.api.name("a"), self.api.name("b")
        self.unique_ids = [one, two, f"{one},{two}"]
        self.keys = [self.api.name(), self.api.name()]
        self.project = self.api.name("/ä")
        self.batches = [self.api.name("/1"), self.api.name(" 2")]
        self.filters = [*FILTERS, *(MORE_FILTERS if steered else ())]
        # An account that is not empty is compared in the project alone.
        self.scope = {} if self.api.fake else {"project": [self.project]}

    def teardown(self) -> None:
        """Reset the account, if it is of a fake."""
        self._stack.close()

    # The comparisons after every step.

    @invariant()
    def what_is_listed_is_what_is_there(self) -> None:
        """Compare the list of all tasks, page by page."""
        self.check_list({}, limit=PAGE)

    @invariant()
    def what_has_changed_is_shown(self) -> None:
        """Compare the changed tasks, and the counters of their batches."""
        for task in self.changed:
            self.check(self.call("GET", f"/task/{task['task_id']}").json, task)
        for batch in {task["batch"]: None for task in self.changed if "batch" in task}:
            shown = self.call("GET", f"/batches/{quote(batch, safe='')}/status").json
            assert {"pending": 0, "completed": 0, "canceled": 0, "error": 0, **shown} == (
                self.model.progress(batch)
            ), f"the progress of {batch}"
        self.changed.clear()

    # Steps of a client.

    @initialize(several=st.lists(CREATIONS, min_size=3, max_size=4))
    def create_some(self, several: list[dict[str, Any]]) -> None:
        """Start with the project, its batches and some tasks; many examples would have none."""
        self.call("POST", "/projects", {"type": TYPE, "name": self.project})
        self.model.projects[self.project] = []
        for name in self.batches:
            self.create_batch(name)
        for it in several:
            self.create(it)

    @rule(
        step=st.one_of(
            [st.tuples(st.just(name), st.fixed_dictionaries({**it})) for name, it in STEPS.items()]
        )
    )
    def take(self, step: tuple[str, Mapping[str, Any]]) -> None:
        """Take a step, unless it needs a task or a used key and there is none."""
        name, given = step
        # The start of an example that only idles, as the first does, is enough.
        self.idle = self.idle + 1 if name == IDLE else 0
        hypothesis.assume(self.idle < 8)
        if name in ONLY_STEERED and not self.steered:
            return
        needed = {"number": self.model.tasks, "key": self.model.keys}
        if all(there for it, there in needed.items() if it in given):
            getattr(self, name)(**given)

    def create_batch(self, name: str) -> None:
        """Create a batch of the project."""
        self.call("POST", "/batches", {"project": self.project, "name": name})
        self.model.batches[name] = self.project

    def move_batch(self, batch: int, work: str, actions: Sequence[str]) -> None:
        """Pause, resume or cancel a batch by v2.

        Work may begin on a task before, or end on all tasks afterwards. A cancelled batch takes
        no task, so there is another batch then.
        """
        name = self.one(batch, self.batches)
        tasks = [task for task in self.model.tasks if task.get("batch") == name]
        if work == "begins" and tasks:
            self.label(tasks[-1], "start")
        for action in actions:
            status = modeled(functools.partial(self.model.move_batch, name, action))
            reply = self.call("POST", f"/v2/batch/{action}", {"batch_name": name}, status=status)
            if status == 200:
                moved = self.model.progress(name)["status"]
                assert reply.json["batch"]["status"] == moved, f"{action} of {name}"
        if work == "ends":
            for task in tasks:
                self.label(task, "complete")
        progress = self.model.progress(name)["status"]
        shown = self.call("GET", f"/batches/{quote(name, safe='')}").json["status"]
        assert shown == progress, f"the status of {name}"
        self.changed += tasks
        if progress == "cancelled":
            self.creation(TYPE, {**WORK[TYPE], "batch": name}, None)
        if progress == "cancelled" and name == self.batches[-1]:
            self.batches.append(self.api.name())
            self.create_batch(self.batches[-1])

    def create(self, it: Mapping[str, Any]) -> None:
        """Create a task, perhaps with a unique_id, a key, a project or a batch."""
        type, home = it["type"], it["home"]
        if self.scope or home is not None:
            type, home = TYPE, home or "project"
        body = {**WORK[type], **it["members"]}
        if home is not None:
            body[home] = self.project if home == "project" else self.one(it["batch"], self.batches)
        if it["unique_id"] is not None:
            body["unique_id"] = self.one(it["unique_id"], self.unique_ids)
        self.creation(type, body, None if it["key"] is None else self.one(it["key"], self.keys))

    def create_again(self, key: int, other: bool) -> None:
        """Use a key again, for the same request or with another body."""
        name = self.one(key, [*self.model.keys])
        type, body = self.model.keys[name].request
        self.creation(type, {**body, "metadata": {"other": True}} if other else body, name)

    def move(self, number: int, actions: Sequence[str]) -> None:
        """Apply several actions to a task."""
        task = self.one(number, self.model.tasks)
        for action in actions:
            name, _, query = action.partition("?")
            if name == "cancel":
                clear = query.endswith("true")
                cancel = functools.partial(self.model.cancel, task, clear_unique_id=clear)
                self.change(task, ("POST", f"/{action}"), cancel)
            elif self.steered and name == "audit":
                # Not in test mode: a remark about the official client calls it impossible there.
                self.audit(task, accepted=query == "accepted")
            elif self.steered:
                self.label(task, name)

    def set_metadata(self, number: int, metadata: Any) -> None:
        """Replace the metadata of a task."""
        task = self.one(number, self.model.tasks)
        change = functools.partial(self.model.set_metadata, task, metadata)
        self.change(task, ("POST", "/setMetadata", metadata), change)

    def merge_metadata(self, number: int, several: Sequence[Any]) -> None:
        """Merge metadata into that of a task by v2, if v2 shows it."""
        task = self.one(number, self.model.tasks)
        for metadata in several:
            status = modeled(functools.partial(self.model.merge_metadata, task, metadata))
            body = {"task_id": task["task_id"], "metadata": metadata, "merge": True}
            reply = self.call("POST", "/v2/task/metadata", body, status=status)
            if status == 200:
                self.check_view(reply.json, task)
        self.changed.append(task)

    def list_by_v2(self, status: int, batch: int) -> None:
        """Compare the tasks of v2 in the project, under filters, page by page."""
        query: dict[str, Any] = {"project_name": self.project, "limit": PAGE}
        wanted: dict[str, Sequence[str]] = {"project": [self.project]}
        if batch < len(self.batches):
            query["batch_name"] = self.batches[batch]
            wanted["batch"] = [self.batches[batch]]
        if status < len(STATUSES):
            query["status"] = STATUSES[status]
            wanted["status"] = [STATUSES[status]]
        expected = self.model.listed(wanted)
        shown: list[Printed] = []
        for _ in range(len(expected) // PAGE + 1):
            page = self.call("GET", f"/v2/tasks?{urlencode(query)}").json
            shown += page["tasks"]
            if "next_token" not in page:
                break
            query["next_token"] = page["next_token"]
        what = f"the list of v2 by {query}"
        assert "next_token" not in page, f"a token after the last page of {what}"
        assert [it["task_id"] for it in shown] == [it["task_id"] for it in expected], what
        for view, task in zip(shown, expected, strict=True):
            self.check_view(view, task)

    def check_view(self, view: Printed, task: Printed) -> None:
        """Compare a task as v2 shows it with the model's."""
        times = ("created_at", "completed_at") if self.steered else ()
        members = ("status", "metadata", *times)
        assert {name: view.get(name) for name in members} == {
            name: task.get(name) for name in members
        }, f"task {task['task_id']} in v2"

    def change_tags(self, number: int, changes: Sequence[tuple[str, list[str]]]) -> None:
        """Add, replace and remove tags of a task."""
        task = self.one(number, self.model.tasks)
        for verb, tags in changes:
            change = functools.partial(self.model.change_tags, verb, task, tags)
            self.change(task, (verb, "/tags", tags), change)

    def set_unique_id(self, number: int, which: int) -> None:
        """Give a task a unique_id."""
        task = self.one(number, self.model.tasks)
        unique_id = self.one(which, self.unique_ids)
        change = functools.partial(self.model.set_unique_id, task, unique_id)
        self.change(task, ("POST", "/unique_id", {"unique_id": unique_id}), change)

    def clear_unique_id(self, number: int) -> None:
        """Remove the unique_id of a task."""
        task = self.one(number, self.model.tasks)
        change = functools.partial(self.model.clear_unique_id, task)
        self.change(task, ("DELETE", "/unique_id"), change)

    def set_params(self, size: int) -> None:
        """Give the project other parameters for future tasks."""
        params = {"padding": size}
        path = f"/projects/{quote(self.project, safe='')}"
        self.call("POST", f"{path}/setParams", params)
        versions = self.model.projects[self.project]
        versions.append(params)
        history = self.call("GET", path).json["param_history"]
        expected = [{**params, "version": number} for number, params in enumerate(versions)]
        shown = [{k: v for k, v in it.items() if k != "created_at"} for it in history]
        assert shown == expected, "the versions of the parameters"

    def ask_for_nothing(self, verb: str) -> None:
        """Call a task that does not exist."""
        method, _, action = verb.partition("/")
        body = {} if action == "setMetadata" else ABSENT
        path = f"/task/{self.api.task_id()}/{action}".rstrip("/")
        self.call(method, path, body, status=404)

    def list_by_each_filter(self, numbers: Sequence[int], edge: int, joined: bool) -> None:
        """Compare the list under each filter alone; bounds may be the exact times of a task."""
        for name in self.filters:
            self.check_list({name: self.values(name, numbers, edge)}, limit=PAGE, joined=joined)

    def list_by_some_filters(
        self, names: Sequence[int], numbers: Sequence[int], edge: int, offset: int, limited: bool
    ) -> None:
        """Compare the list under several filters together."""
        filters = [self.filters[name % len(self.filters)] for name in names]
        self.check_list(
            {name: self.values(name, numbers, edge) for name in filters},
            limit=PAGE,
            offset=offset if self.steered else 0,  # observed only in old calls
            limited=limited,
        )

    # Steps of time.

    def let_time_pass(self, by: dt.timedelta) -> None:
        """Move the clock forward."""
        self.api.fake.advance(seconds=by.total_seconds())
        self.model.now += by

    def create_again_a_day_later(self, key: int, edge: int, between: bool) -> None:
        """Use a key again just before or after 24 hours, perhaps also once in between."""
        name = self.one(key, [*self.model.keys])
        use = self.model.keys[name]
        type, body = use.request
        end = use.since + DAY + edge * MILLISECOND
        for moment in [end - DAY / 2, end] if between else [end]:
            if moment > self.model.now:
                self.let_time_pass(moment - self.model.now)
                self.creation(type, body, name)

    # Making and checking a step.

    def one(self, number: int, some: Sequence[Any]) -> Any:
        """Return the item that a number selects, counted from the end: a recent task."""
        return some[-1 - number % len(some)]

    def call(
        self, method: str, path: str, body: Any = ABSENT, *, status: int = 200, key: str = ""
    ) -> Reply:
        """Send a request and check that the answer has ``status``."""
        headers = {"Idempotency-Key": key or None}
        reply = self.api.call(method, path, body, headers=headers)
        asked = f"{method} {path} {'' if body is ABSENT else body}"
        assert reply.status == status, f"{asked}: {reply.status}, not {status}: {reply.json}"
        assert status == 200 or reply.error, asked
        return reply

    def creation(self, type: str, body: Mapping[str, Any], key: str | None) -> None:
        """Send a creation, which must have the outcome that the model has."""
        call = functools.partial(self.call, "POST", f"/task/{type}", body, key=key or "")
        request = type, body
        try:
            saved = self.model.saved(key, request) if key else None
        except Refused as refused:
            call(status=refused.status)
            return
        if saved is not None:
            assert call(status=saved.status).json == saved.json, f"the saved answer of {key}"
            return
        try:
            task = self.model.create(type, body)
        except Refused as refused:
            reply = call(status=refused.status)
        else:
            reply = call()
            self.adopt(task, reply.json)
        if key:
            self.model.save(key, request, reply)

    def adopt(self, task: Printed, printed: Printed) -> None:
        """Copy into the model what only the server knows of a new task, and compare the rest."""
        task_id = printed["task_id"]
        assert task_id not in [it.get("task_id") for it in self.model.tasks], "the id is not new"
        task["task_id"] = task_id
        if not self.steered:
            task["created_at"] = printed["created_at"]
        if self.model.is_test:
            self.model.complete(task, printed["response"])
        self.check(printed, task)
        self.changed.append(task)

    def change(self, task: Printed, request: tuple[Any, ...], change: Callable[[], None]) -> None:
        """Change a task. ``request`` is the method, the rest of the path, and perhaps a body."""
        method, path, *body = request
        status = modeled(change)
        reply = self.call(method, f"/task/{task['task_id']}{path}", *body, status=status)
        if status == 200:
            self.check(reply.json, task)
        self.changed.append(task)

    def audit(self, task: Printed, *, accepted: bool) -> None:
        """Audit a task, with comments if it is rejected."""
        comments = None if accepted else "Why?"
        audit = functools.partial(self.model.audit, task, accepted=accepted, comments=comments)
        self.change(task, ("POST", "/audit", {"accepted": accepted, "comments": comments}), audit)

    def label(self, task: Printed, action: str) -> None:
        """Apply the action of a labeler."""
        given = [RESPONSES[action]] if action in RESPONSES else []
        expected = modeled(lambda: getattr(self.model, action)(task, *given))
        status = 200
        try:
            getattr(self.api.world.tasks, action)(task["task_id"], *given)
        except ApiError as error:
            status = error.status
        assert status == expected, f"{action}: {status}, not {expected}"
        self.changed.append(task)

    def values(self, name: str, numbers: Sequence[int], edge: int) -> Sequence[str]:
        """Return values for a filter, mostly those that tasks have."""
        if member := MORE_FILTERS.get(name):
            moments = [task[member] for task in self.model.tasks if member in task]
            moment = self.one(numbers[0], moments or [self.model.moment])
            return [stamp(dt.datetime.fromisoformat(moment) + edge * MILLISECOND)]
        some = {
            "status": STATUSES,
            "type": [*WORK],
            "project": [self.project, "nowhere"],
            "batch": self.batches,
            "unique_id": self.unique_ids,
            "tags": TAGS,
            "customer_review_status": ["accepted", "rejected"],
        }[name]
        return [self.one(number, some) for number in numbers]

    def check_list(
        self,
        filters: Mapping[str, Sequence[str]],
        *,
        limit: int,
        offset: int = 0,
        limited: bool = False,
        joined: bool = False,
    ) -> None:
        """Compare all pages of a list."""
        wanted = {**filters, **self.scope}
        expected = self.model.listed(wanted)
        query: dict[str, Any] = {
            name: ",".join(values) if joined else values for name, values in wanted.items()
        }
        query |= {"limit": limit, "offset": offset}
        query |= {"limited_response": True} if limited else {}
        what = f"the list by {query}"
        docs: list[Printed] = []
        for _ in range(len(expected) // limit + 1):
            page = self.call("GET", f"/tasks?{urlencode(query, doseq=True)}").json
            docs += page["docs"]
            assert page["total"] == len(expected), f"the total of {what}"
            assert len(page["docs"]) <= page["limit"] == limit, f"the limit of {what}"
            more = offset + len(docs) < len(expected)
            assert page["has_more"] == more, f"has_more of {what}"
            if not more:
                break
            assert "next_token" in page, f"the token of {what}"
            query["next_token"] = page["next_token"]
        expected = expected[offset:]
        ids = [task["task_id"] for task in docs]
        assert ids == [task["task_id"] for task in expected], what
        for printed, task in zip(docs, expected, strict=True):
            if limited:
                shown = {name: task[name] for name in LIMITED if name in task}
                assert {**printed, "otherVersion": 0} == {**shown, "otherVersion": 0}, what
            else:
                self.check(printed, task)

    def check(self, printed: Printed, task: Printed) -> None:
        """Compare a printed task with the model's."""
        # The model does not know the auditor or the duration of an audit.
        entries = [{k: it[k] for k in AUDIT} for it in printed.get("audits", [])]
        shown = {**printed, "audits": entries} if entries else printed
        if not self.steered:
            params = {name: printed["params"].get(name) for name in task["params"]}
            shown = {name: printed[name] for name in MEMBERS if name in printed}
            shown["params"] = params
            task = {name: task[name] for name in MEMBERS if name in task}
        assert shown == task, f"task {task['task_id']}"


def modeled(work: Callable[[], None]) -> int:
    """Return the status of the model's answer."""
    try:
        work()
    except Refused as refused:
        return refused.status
    return 200
