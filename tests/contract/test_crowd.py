"""Proof that the checker of concurrency finds bugs; each test seeds one."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakescale.account.batches import Batch, Batches
from fakescale.account.projects import Projects
from fakescale.account.tasks import Tasks
from fakescale.contract.crowd import Crowd, Stuck
from fakescale.contract.opening import opened, side_by_side
from fakescale.contract.target import Target
from fakescale.traffic.idempotency import OncePerKey
from fakescale.values.errors import Conflict
from tests.support import proofs

Patch = pytest.MonkeyPatch


@pytest.fixture
def account() -> Iterator[Target]:
    with opened() as target, side_by_side(target) as account:
        yield account.in_mode(test=False)


def gap() -> None:
    """Let other threads run."""
    threading.Event().wait(0.0005)


def open_lock_before(patch: Patch, name: str) -> None:
    """Let other threads take the lock just before a method of Tasks that needs it."""
    method = getattr(Tasks, name)

    def unlocked(self: Any, *given: Any, **named: Any) -> Any:
        self._lock.release()
        gap()
        self._lock.acquire()
        return method(self, *given, **named)

    patch.setattr(Tasks, name, unlocked)


def no_lock_around_a_change(patch: Patch) -> None:
    open_lock_before(patch, "_put")


def unique_id_checked_outside_the_lock(patch: Patch) -> None:
    check = Tasks._check_unique_id

    def checked(self: Any, *given: Any) -> None:
        check(self, *given)
        self._lock.release()
        gap()
        self._lock.acquire()

    patch.setattr(Tasks, "_check_unique_id", checked)


def answer_saved_too_late(patch: Patch) -> None:
    run = OncePerKey.run

    def twice(self: OncePerKey, key: Any, fingerprint: Any, work: Callable[[], Any]) -> Any:
        if key not in self._uses:
            answer = work()
            gap()
            return run(self, key, fingerprint, lambda: answer)
        return run(self, key, fingerprint, work)

    patch.setattr(OncePerKey, "run", twice)


def counters_behind_the_tasks(patch: Patch) -> None:
    move = Batches._move

    def late(self: Any, before: Batch, batch: Batch) -> Batch:
        self._lock.release()
        gap()
        self._lock.acquire()
        return move(self, before, batch)

    patch.setattr(Batches, "_move", late)


def total_of_some_time_ago(patch: Patch) -> None:
    page = Tasks._page
    totals: dict[Any, int] = {}

    def stale(self: Tasks, query: Any) -> Any:
        found = page(self, query)
        return found._replace(total=totals.setdefault((id(self), str(query.filters)), found.total))

    patch.setattr(Tasks, "_page", stale)


def metadata_that_is_lost(patch: Patch) -> None:
    calls = iter(range(10**6))
    set_metadata = Tasks.set_metadata

    def forgetful(self: Tasks, task_id: str, metadata: Any) -> Any:
        if next(calls) % 3 == 2:
            return set_metadata(self, task_id, metadata)
        return self.get(task_id)

    patch.setattr(Tasks, "set_metadata", forgetful)


def another_owner_named(patch: Patch) -> None:
    check = Tasks._check_unique_id

    def checked(self: Tasks, *given: Any) -> None:
        try:
            check(self, *given)
        except Conflict:
            raise Conflict("The unique_id is used for a different task (5f).") from None

    patch.setattr(Tasks, "_check_unique_id", checked)


def owners_that_are_forgotten(patch: Patch) -> None:
    put = Tasks._put

    def forgetful(self: Any, task: Any, before: Any = None) -> None:
        put(self, task, before)
        if before is not None and task.unique_id not in (None, before.unique_id):
            del self._owners[task.unique_id]

    patch.setattr(Tasks, "_put", forgetful)


def a_bug_that_one_in_many_calls_meets(patch: Patch) -> None:
    calls = iter(range(10**6))
    get = Projects.get

    def failing(self: Projects, name: str) -> Any:
        if next(calls) % 20 == 19:
            raise RuntimeError("dictionary changed size during iteration")
        return get(self, name)

    patch.setattr(Projects, "get", failing)


# The texts of the problems that a crowd must report for each bug.
BUGS: dict[Callable[[Patch], None], set[str]] = {
    # A canceled task gets completed, or the other way round.
    no_lock_around_a_change: {"was lost, or came back", "but is now c"},
    unique_id_checked_outside_the_lock: {"tasks got the", "tasks have the"},
    answer_saved_too_late: {"tasks were made for"},
    counters_behind_the_tasks: {"the batch counts"},
    total_of_some_time_ago: {"the total is", "list showed"},
    metadata_that_is_lost: {"has metadata that had been replaced"},
    another_owner_named: {"another owner of"},
    owners_that_are_forgotten: {"the search for the unique_id"},
    a_bug_that_one_in_many_calls_meets: {"was answered with 500"},
}
NAMED = {bug.__name__: bug for bug in BUGS}


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    "name",
    proofs(NAMED, "no_lock_around_a_change", "another_owner_named"),
)
def test_a_crowd_finds(name: str, account: Target, monkeypatch: Patch) -> None:
    bug = NAMED[name]
    bug(monkeypatch)
    missing = set(BUGS[bug])
    for seed in range(10):  # chance decides how the threads interleave
        crowd = Crowd(account, seed)
        crowd.run(calls=12, seconds=60)
        found = crowd.problems()
        missing -= {text for text in missing if any(text in problem for problem in found)}
        if not missing:
            return
    raise AssertionError(f"not found: {missing}")


@pytest.mark.usefixtures("seeded")
def test_a_stuck_crowd_reports_where_its_threads_are(account: Target, monkeypatch: Patch) -> None:
    crowd, let_go = Crowd(account, 0), threading.Event()

    def cancel(self: Tasks, *given: Any, **named: Any) -> Any:
        with self._lock:
            let_go.wait(60)

    monkeypatch.setattr(Tasks, "cancel", cancel)
    try:
        with pytest.raises(Stuck, match=r"not done after 0\.3 s") as caught:
            crowd.run(calls=10, seconds=0.3)
        assert "let_go.wait(60)" in str(caught.value)  # the stack within the fake
        assert "--- crowd-" in str(caught.value)
    finally:
        let_go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("crowd-"):
            thread.join(60)


def test_an_exception_in_a_thread_is_raised(account: Target, monkeypatch: Patch) -> None:
    crowd = Crowd(account, 0)
    monkeypatch.setattr(Target, "call", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        crowd.run(calls=1, seconds=60)
