import datetime as dt
import enum
import functools
import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from fakescale import FakeScale, Status, Task
from fakescale.account.listing import Filter, Query, read_query, token
from fakescale.account.task_filters import QUERY
from fakescale.account.tasks import Tasks
from fakescale.values.errors import ApiError, BadRequest, Conflict, NotFound
from fakescale.values.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList


def in_threads(number: int, call: Callable[[int], Any]) -> list[Any]:
    """Return the results or errors of ``call`` in ``number`` threads that start at once."""
    results: list[Any] = [None] * number
    barrier = threading.Barrier(number)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = call(index)
        except ApiError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def tasks(fake: FakeScale) -> Tasks:
    return fake.tasks


def test_a_live_task_stays_pending_until_a_test_completes_it(tasks: Tasks) -> None:
    task = tasks.create("chat")
    assert tasks.get(task.id) == task
    assert task.status == "pending"
    done = tasks.complete(task.id, {"a": 1})
    assert (done.status, done.response) == ("completed", {"a": 1})
    assert task.status == "pending"


def test_a_task_shares_no_values_with_the_caller(tasks: Tasks) -> None:
    metadata = {"k": [1]}
    task = tasks.create("chat", metadata=metadata)
    metadata["k"].append(2)
    assert tasks.get(task.id).metadata == {"k": [1]}
    with pytest.raises(TypeError, match="cannot be changed"):
        task.metadata["k"].append(3)


def test_a_task_in_test_mode_is_completed_when_it_is_created(fake: FakeScale) -> None:
    task = fake.test.tasks.create("categorization", **EXAMPLE)
    for seen in (task, fake.test.tasks.get(task.id), fake.test.tasks.list()[0]):
        assert (seen.status, seen.is_test) == ("completed", True)
        assert seen.response is not None
        assert seen.completed_at == seen.updated_at
        created = dt.datetime.fromisoformat(seen.created_at)
        assert dt.datetime.fromisoformat(seen.updated_at) - created == dt.timedelta(milliseconds=8)


EXAMPLE = {
    "instruction": "?",
    "attachment_type": "text",
    "attachment": "car",
    "categories": ["big", "small"],
}


def test_the_default_response_fits_the_type(tasks: Tasks) -> None:
    task = tasks.create("categorization", **EXAMPLE)
    response = tasks.complete(task.id).response
    assert response in [{"category": it, "category_id": None} for it in ("big", "small")]


def test_a_failed_task_has_the_documented_or_the_given_response(tasks: Tasks) -> None:
    one, two = tasks.create("chat"), tasks.create("chat")
    assert tasks.fail(one.id).response == {
        "error": "One or more attachments could not be downloaded.",
        "attachments": [],
    }
    assert tasks.fail(two.id, {"error": "x"}).to_json()["response"] == {"error": "x"}
    assert tasks.get(one.id).status == "error"


@pytest.mark.parametrize("response", [[], "x", 5, {"a": {1}}])
def test_a_response_must_be_a_json_object(tasks: Tasks, response: Any) -> None:
    task = tasks.create("chat")
    with pytest.raises(BadRequest, match='"response"'):
        tasks.complete(task.id, response)
    assert tasks.get(task.id).status == "pending"


def test_a_started_task_cannot_be_canceled(tasks: Tasks) -> None:
    task = tasks.create("chat")
    assert tasks.start(task.id).to_json()["work_started"] is True
    with pytest.raises(BadRequest, match="started and cannot be canceled"):
        tasks.cancel(task.id)
    assert tasks.complete(task.id).status == "completed"


def test_a_completed_task_can_be_audited_and_recalled(tasks: Tasks) -> None:
    task = tasks.create("chat")
    tasks.complete(task.id)
    audited = tasks.audit(task.id, "fixed", "better", source="scale")
    assert audited.audits[0]["audit_source"] == "scale"
    assert audited.customer_review_status is None
    assert tasks.audit(task.id, "commented", "hm").customer_review_comments == ["hm"]
    assert tasks.recall(task.id).status == "pending"
    wrong: list[Any] = [{"result": "pending"}, {"result": "fixed", "source": "me"}]
    for arguments in wrong:
        with pytest.raises(BadRequest):
            tasks.audit(task.id, **arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda tasks: tasks.get("x"),
        lambda tasks: tasks.cancel("x"),
        lambda tasks: tasks.set_metadata("x", {}),
        lambda tasks: tasks.set_unique_id("x", "u"),
        lambda tasks: tasks.clear_unique_id("x"),
        lambda tasks: tasks.add_tags("x", []),
        lambda tasks: tasks.set_tags("x", []),
        lambda tasks: tasks.remove_tags("x", []),
        lambda tasks: tasks.audit("x", "accepted"),
        lambda tasks: tasks.start("x"),
        lambda tasks: tasks.complete("x"),
        lambda tasks: tasks.fail("x"),
        lambda tasks: tasks.recall("x"),
    ],
)
def test_an_unknown_id_is_not_found(tasks: Tasks, call: Callable[[Tasks], Any]) -> None:
    with pytest.raises(NotFound, match=r"^Task with that ID not found\.$"):
        call(tasks)


# unique_id


def test_a_unique_id_in_use_is_refused_with_the_owner(tasks: Tasks) -> None:
    owner = tasks.create("chat", unique_id='s3://b/"é".png')
    with pytest.raises(Conflict) as refusal:
        tasks.create("multichat", unique_id='s3://b/"é".png')
    assert str(refusal.value) == (
        f'The unique_id ("s3://b/"é".png") is already used for a different task ({owner.id}).'
    )
    assert len(tasks) == 1


FREEING: dict[str, Callable[[Tasks, Task], Any]] = {
    "update": lambda tasks, task: tasks.set_unique_id(task.id, "other"),
    "delete": lambda tasks, task: tasks.clear_unique_id(task.id),
    "cancel": lambda tasks, task: tasks.cancel(task.id, clear_unique_id=True),
    "later cancel": lambda tasks, task: (
        tasks.cancel(task.id),
        tasks.cancel(task.id, clear_unique_id=True),
    ),
    "error": lambda tasks, task: tasks.fail(task.id),
}


@pytest.mark.parametrize("way", FREEING)
def test_a_removed_unique_id_is_free_again(tasks: Tasks, way: str) -> None:
    task = tasks.create("chat", unique_id="u", clear_unique_id_on_error=True)
    FREEING[way](tasks, task)
    assert tasks.list(unique_id="u") == []
    again = tasks.create("chat", unique_id="u")
    assert tasks.list(unique_id="u") == [again]


@pytest.mark.parametrize("way", ["cancel", "fail", "complete"])
def test_a_task_keeps_its_unique_id_when_it_ends(tasks: Tasks, way: str) -> None:
    task = tasks.create("chat", unique_id="u")
    getattr(tasks, way)(task.id)
    with pytest.raises(Conflict):
        tasks.create("chat", unique_id="u")


def test_a_unique_id_can_be_changed_to_a_free_one(tasks: Tasks) -> None:
    one, two = tasks.create("chat", unique_id="1"), tasks.create("chat", unique_id="2")
    assert tasks.set_unique_id(one.id, "1").unique_id == "1"
    with pytest.raises(Conflict, match=two.id):
        tasks.set_unique_id(one.id, "2")
    for bad in ("", 5, None, object()):
        with pytest.raises(BadRequest, match='"unique_id"'):
            tasks.set_unique_id(one.id, bad)  # type: ignore[arg-type]
    assert tasks.get(one.id).unique_id == "1"
    tasks.set_unique_id(one.id, "3", clear_unique_id_on_error=True)
    assert tasks.fail(one.id).unique_id is None


def test_deleting_a_missing_unique_id_changes_nothing(tasks: Tasks) -> None:
    task = tasks.create("chat")
    assert tasks.clear_unique_id(task.id) is task


def test_only_one_of_ten_threads_gets_the_unique_id(tasks: Tasks) -> None:
    for round in range(20):
        create = functools.partial(tasks.create, "chat", unique_id=f"u{round}")
        results = in_threads(10, lambda _, create=create: create())  # type: ignore[misc]
        made = [result for result in results if isinstance(result, Task)]
        clashes = [result for result in results if isinstance(result, Conflict)]
        assert (len(made), len(clashes)) == (1, 9)
        assert all(made[0].id in str(clash) for clash in clashes)


# Tags and metadata


def test_tags_keep_the_order_of_insertion(tasks: Tasks) -> None:
    task = tasks.create("chat", tags=["c", "a", "c"])
    assert tasks.add_tags(task.id, ["b", "a", "b"]).tags == ["c", "a", "b"]
    assert tasks.remove_tags(task.id, ["c", "x"]).tags == ["a", "b"]
    assert tasks.set_tags(task.id, ["z", "y", "z"]).tags == ["z", "y"]
    assert "tags" not in tasks.set_tags(task.id, []).to_json()


def test_tasks_with_the_same_tags_share_them(tasks: Tasks) -> None:
    one, other = (tasks.create("chat", tags=["a", "b", "a"]) for _ in range(2))
    assert one.tags == ["a", "b"]
    assert one.tags is other.tags


def test_a_sixth_tag_is_refused_and_nothing_changes(tasks: Tasks) -> None:
    task = tasks.create("chat", tags=list("abc"))
    assert tasks.add_tags(task.id, list("abde")).tags == list("abcde")
    for call in (tasks.add_tags, tasks.set_tags):
        with pytest.raises(BadRequest, match='"tags" must contain less than or equal to 5'):
            call(task.id, list("abcdef"))
    assert tasks.get(task.id).tags == list("abcde")


def test_tags_without_effect_are_no_update(tasks: Tasks, noon: time_machine.Traveller) -> None:
    task = tasks.create("chat", tags=["a"])
    noon.shift(1)
    assert tasks.add_tags(task.id, ["a"]) == tasks.remove_tags(task.id, ["x"]) == task


def test_metadata_is_replaced_in_any_status(tasks: Tasks) -> None:
    task = tasks.create("chat", metadata={"a": 1})
    tasks.cancel(task.id)
    assert tasks.set_metadata(task.id, {"b": 2}).metadata == {"b": 2}
    with pytest.raises(BadRequest, match='"metadata"'):
        tasks.set_metadata(task.id, {"b": "x" * 11_000})
    assert tasks.get(task.id).metadata == {"b": 2}


def test_concurrent_updates_of_tags_are_not_lost(tasks: Tasks) -> None:
    for _ in range(20):
        task = tasks.create("chat")
        in_threads(5, lambda index, it=task: tasks.add_tags(it.id, [str(index)]))  # type: ignore[misc]
        assert sorted(tasks.get(task.id).tags) == list("01234")


def test_updated_at_moves_with_every_change(tasks: Tasks, noon: time_machine.Traveller) -> None:
    task = tasks.create("chat")
    task_id = task.id
    changes: list[Callable[[], Task]] = [
        lambda: tasks.set_metadata(task_id, {"a": 1}),
        lambda: tasks.set_unique_id(task_id, "u"),
        lambda: tasks.add_tags(task_id, ["a"]),
        lambda: tasks.start(task_id),
        lambda: tasks.complete(task_id),
        lambda: tasks.audit(task_id, "accepted"),
        lambda: tasks.recall(task_id),
        lambda: tasks.cancel(task_id),
    ]
    for change in changes:
        noon.shift(1)
        after = change()
        assert after.updated_at > task.updated_at
        assert after.created_at == task.created_at
        task = after


# References between tasks


def test_a_segmentation_may_refer_only_to_a_completed_annotation(tasks: Tasks) -> None:
    lidar = tasks.create("lidarannotation", attachments=["https://e.com/1"], labels=["car"])
    for bad in (lidar.id, "unknown", tasks.create("chat").id):
        with pytest.raises(BadRequest, match='"lidar_task" must be the id of a completed task'):
            tasks.create("lidarsegmentation", lidar_task=bad)
    tasks.complete(lidar.id)
    assert tasks.create("lidarsegmentation", lidar_task=lidar.id).params["lidar_task"] == lidar.id


# Time


def test_the_default_labeler_follows_the_clock(noon: time_machine.Traveller) -> None:
    fake = FakeScale(complete_after=dt.timedelta(seconds=60))
    first = fake.tasks.create("chat")
    noon.shift(30)
    second, third = fake.tasks.create("chat"), fake.tasks.create("chat")
    fake.tasks.cancel(third.id)
    noon.shift(29.999)
    assert [task.status for task in fake.tasks] == ["canceled", "pending", "pending"]
    fake.advance(milliseconds=1)
    assert fake.tasks.list(status="completed")[0].completed_at == "2024-02-29T12:01:00.000Z"
    fake.advance(days=1)
    # The time of completion is the due time, though nobody read the task then.
    assert fake.tasks.get(second.id).completed_at == "2024-02-29T12:01:30.000Z"
    assert fake.tasks.get(third.id).status == "canceled"
    fake.tasks.recall(first.id)
    assert fake.tasks.get(first.id).status == "pending"
    fake.advance(seconds=60)
    assert fake.tasks._page(Query()).docs[-1].status == "completed"


def test_a_recalled_task_gets_a_new_turnaround(noon: time_machine.Traveller) -> None:
    fake = FakeScale(complete_after=dt.timedelta(seconds=60))
    task = fake.tasks.create("chat")
    fake.advance(seconds=50)
    fake.tasks.complete(task.id)
    fake.tasks.recall(task.id)
    fake.advance(seconds=59.999)
    assert fake.tasks.get(task.id).status == "pending"
    fake.advance(milliseconds=1)
    assert fake.tasks.get(task.id).completed_at == "2024-02-29T12:01:50.000Z"


def test_a_turnaround_beyond_the_calendar_never_ends() -> None:
    fake = FakeScale(complete_after=dt.timedelta(days=1))
    with time_machine.travel("9999-12-31T12:00:00Z", tick=False):
        assert fake.tasks.get(fake.tasks.create("chat").id).status == "pending"


def test_a_turnaround_may_be_zero() -> None:
    fake = FakeScale(complete_after=dt.timedelta())
    task = fake.tasks.create("chat")
    assert task.status == "pending"
    assert fake.tasks.get(task.id).status == "completed"


@pytest.mark.parametrize("days", [-1, 400_000])
def test_complete_after_out_of_range_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="turnaround"):
        FakeScale(complete_after=dt.timedelta(days=days))


# Lists


def test_a_filtered_list_is_consistent_during_changes(tasks: Tasks) -> None:
    made = [tasks.create("chat").id for _ in range(1000)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread = threading.Thread(target=lambda: [tasks.complete(task_id) for task_id in made])
        thread.start()
        while thread.is_alive():
            assert {task.status for task in tasks.list(status="pending")} <= {"pending"}
            page = tasks._page(read_query({"status": ["pending"]}, QUERY))
            assert {task.status for task in page.docs} <= {"pending"}
        thread.join()
    finally:
        sys.setswitchinterval(interval)


def test_a_loaded_task_may_have_too_many_tags(tasks: Tasks) -> None:
    printed = {**tasks.create("chat").to_json(), "task_id": "x", "tags": list("abcdefg")}
    tasks.load([printed])
    assert tasks.add_tags("x", ["a"]).tags == list("abcdefg")
    assert tasks.remove_tags("x", ["a"]).tags == list("bcdefg")


def test_tasks_are_a_collection_newest_first(tasks: Tasks) -> None:
    made = [tasks.create("chat") for _ in range(5)]
    assert list(tasks) == made[::-1]
    assert len(tasks) == 5
    assert tasks.list(type="multichat") == []


def test_tasks_are_sorted_by_time_even_if_the_clock_runs_backwards(
    tasks: Tasks, noon: time_machine.Traveller
) -> None:
    middle = tasks.create("chat")
    noon.shift(-10)
    oldest = tasks.create("chat")
    noon.shift(20)
    newest = tasks.create("chat")
    assert list(tasks) == [newest, middle, oldest]


def test_a_lookup_by_unique_id_reads_no_other_task(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        tasks.create("chat", unique_id=str(number))
    looked_at: list[Task] = []
    select = Query.select

    def spy(self: Query, tasks: list[Task]) -> list[Task]:
        looked_at.extend(tasks)
        return select(self, tasks)

    monkeypatch.setattr(Query, "select", spy)
    assert [task.unique_id for task in tasks.list(unique_id=["7", "9", "x"])] == ["9", "7"]
    assert len(looked_at) == 2


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["chat", "multichat"])), max_size=30),
    st.integers(1, 7),
    st.sampled_from([{}, {"type": ["chat"]}]),
    st.data(),
)
def test_the_pages_together_are_the_list_even_if_tasks_are_added(
    steps: list[tuple[int, Any]], limit: int, filters: Any, data: st.DataObject
) -> None:
    with time_machine.travel("2024-01-01T00:00:00Z", tick=False) as traveller:
        tasks = FakeScale().tasks
        for seconds, type in steps:
            traveller.shift(seconds)
            tasks.create(type)
        wanted = [
            task.id
            for task in sorted(tasks, key=lambda task: (task.created_at, task.id), reverse=True)
            if not filters or task.type in filters["type"]
        ]
        traveller.shift(1)
        seen: list[str] = []
        parameters: dict[str, list[str]] = {"limit": [str(limit)], **filters}
        for _ in itertools.repeat(None, len(steps) + 2):
            page = tasks._page(read_query(parameters, QUERY))
            assert page.total == len(tasks.list(**filters))
            assert len(page.docs) <= limit
            seen += [task.id for task in page.docs]
            if not page.has_more:
                break
            last = page.docs[-1]
            parameters["next_token"] = [token((last.created_at, last.id))]
            for _ in range(data.draw(st.integers(0, 3))):
                tasks.create(data.draw(st.sampled_from(["chat", "multichat"])))
        assert seen == wanted


class Counting(dict[str, Task]):
    looked_up = 0

    def __getitem__(self, task_id: str) -> Task:
        self.looked_up += 1
        return super().__getitem__(task_id)

    def _all(self) -> Any:
        raise AssertionError("a page goes through all tasks")

    __iter__ = values = items = keys = _all


def test_a_page_reads_only_its_own_tasks(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        tasks.create("chat")
    counting = Counting(tasks._table._values)
    monkeypatch.setattr(tasks._table, "_values", counting)
    for query in (Query(limit=5), Query(limit=5, offset=20), Query(limit=5, after=("9", "9"))):
        counting.looked_up = 0
        assert (len(tasks._page(query).docs), counting.looked_up) == (5, 5)


def test_other_threads_go_on_during_filtering(tasks: Tasks) -> None:
    tasks.create("chat")
    made = []

    def keep(wanted: Any, statuses: Iterable[Any]) -> Iterable[bool]:
        def create() -> None:
            made.append(tasks.create("chat"))

        thread = threading.Thread(target=create)
        thread.start()
        thread.join(10)  # would time out if the lock were held
        return (True for _ in statuses)

    query = Query(filters={"x": (Filter(lambda name, texts: None, "status", keep, {}), None)})
    assert len(tasks._page(query).docs) == len(made) == 1


def test_a_task_is_one_object_to_the_garbage_collector(tasks: Tasks) -> None:
    body = {"metadata": {"a": {"b": [1]}}, "messages": [{"x": [{}]}]}
    task = tasks.complete(tasks.create("chat", **body).id, {"annotations": [{"a": 1}]})
    tracked = [it for it in gc.get_referents(task) if gc.is_tracked(it)]
    assert {type(it) for it in tracked} <= {type, enum.EnumType, Status, FrozenDict, FrozenList}
    assert all(it in (EMPTY_DICT, EMPTY_LIST) for it in tracked if isinstance(it, dict | list))


def test_a_task_or_its_id_is_found(tasks: Tasks) -> None:
    before = tasks.create("chat")
    after = tasks.start(before)
    for task in (before, after, before.id):
        assert task in tasks
        assert tasks.get(task) == after
    assert "x" not in tasks
    assert FakeScale().tasks.create("chat") not in tasks


@pytest.mark.parametrize(
    "call",
    [
        lambda tasks, task: tasks.cancel(task),
        lambda tasks, task: tasks.set_metadata(task, {"a": 1}),
        lambda tasks, task: tasks.set_unique_id(task, "u"),
        lambda tasks, task: tasks.clear_unique_id(task),
        lambda tasks, task: tasks.add_tags(task, ["a"]),
        lambda tasks, task: tasks.set_tags(task, ["a"]),
        lambda tasks, task: tasks.remove_tags(task, ["a"]),
        lambda tasks, task: tasks.start(task),
        lambda tasks, task: tasks.complete(task),
        lambda tasks, task: tasks.fail(task),
        lambda tasks, task: tasks.audit(tasks.complete(task), accepted=True),
        lambda tasks, task: tasks.recall(tasks.complete(task)),
        lambda tasks, task: tasks.send_callback(tasks.complete(task)),
    ],
)
def test_a_task_stands_for_its_id_everywhere(
    tasks: Tasks, call: Callable[[Tasks, Task], Task]
) -> None:
    task = tasks.create("chat", callback_url="a@example.com")
    assert call(tasks, task).id == task.id


def test_one_returns_the_only_task(tasks: Tasks) -> None:
    with pytest.raises(NotFound, match=r"No task passes unique_id='v', of 0 tasks\."):
        tasks.one(unique_id="v")
    first = tasks.create("chat", unique_id="u")
    assert tasks.one(unique_id="u") == tasks.one() == first
    tasks.create("chat")
    with pytest.raises(Conflict, match=r"2 tasks pass type='chat': <Task .*unique_id='u'>"):
        tasks.one(type="chat")


class Official(enum.Enum):
    PENDING = "pending"
    CHAT = "chat"
    NONE = "chta"


def test_enums_count_by_their_value_in_filters(tasks: Tasks) -> None:
    task = tasks.create(Official.CHAT)
    assert tasks.list(type=Official.CHAT, status=Official.PENDING) == [task]
    assert tasks.list(type=[Official.CHAT], status={Status.PENDING}) == [task]


def test_a_type_that_does_not_exist_is_refused_with_the_nearest(tasks: Tasks) -> None:
    wrong: list[Any] = ["chta", Official.NONE, ["chat", "chta"], "chat,chta"]
    for type in wrong:
        with pytest.raises(BadRequest, match=r'nearest is "chat" \(got "chta"\)'):
            tasks.list(type=type)
    assert tasks.list(type="categorize") == []  # an alias
    calls: list[Any] = [tasks.create, FakeScale().disable_type]
    for call in calls:
        with pytest.raises(NotFound, match='"imageanotation"; the nearest is "imageannotation"'):
            call("imageanotation")
    with pytest.raises(NotFound, match=r'no task type "nonsense"$'):
        tasks.create("nonsense")  # type: ignore[arg-type]


def test_an_audit_is_given_by_its_result_or_by_accepted(tasks: Tasks) -> None:
    task = tasks.complete(tasks.create("chat"))
    assert tasks.audit(task, accepted=True).customer_review_status == "accepted"
    assert tasks.audit(task, accepted=False, comments="x").customer_review_comments == ["x"]
    wrong: list[Any] = [{}, {"result": "fixed", "accepted": True}]
    for arguments in wrong:
        with pytest.raises(TypeError, match="either a result or accepted"):
            tasks.audit(task, **arguments)


def test_a_reason_is_the_detail_of_a_failure(tasks: Tasks) -> None:
    assert tasks.fail(tasks.create("chat"), "blurred").response == {"error": "blurred"}


def test_reprs_are_short(fake: FakeScale) -> None:
    project = fake.projects.create("p", type="chat")
    task = fake.tasks.create("chat", unique_id="u", metadata={"a": "b" * 1000})
    assert repr(task) == f"<Task {task.id} chat pending unique_id='u'>"
    assert repr(fake.test.tasks.create("chat"))[-16:] == " chat completed>"
    assert repr(project) == "<Project 'p' chat>"
    batch = fake.batches.create("b", project=project)
    assert repr(batch) == "<Batch 'b' in_progress project='p'>"
    assert repr(fake.tasks) == "<Tasks with 1 items>"
