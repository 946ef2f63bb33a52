"""A law: after any sequence of calls of v1, v2 and helpers, both versions show the same things."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakescale import ApiError, FakeScale
from tests.support import Caller, examples

NUMBER = st.integers(0, 5)
METADATA = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | st.just({"c": 1}), max_size=2)
V1 = {"created_at", "completed_at", "metadata"}


class Account:
    """A fake with two projects, and the steps on it."""

    def __init__(self, *, test: bool) -> None:
        self.fake = FakeScale()
        self.world = self.fake.world(test=test)
        self.call = Caller(self.fake, self.world.api_key)
        for name in "pq":
            self.world.projects.create(name, type="chat")

    def task(self, number: int) -> str:
        tasks = self.world.tasks.list()
        return tasks[number % len(tasks)].id if tasks else "0"

    def batch(self, number: int) -> str:
        batches = self.world.batches.list()
        return batches[number % len(batches)].name if batches else "0"

    def take(self, name: str, number: int, metadata: Any) -> None:
        """Take a step; it may be refused, but must not be a bug."""
        task, batch = self.task(number), self.batch(number)
        home: dict[str, Any] = {"project": "pq"[number % 2]}
        posts: dict[str, tuple[str, Any]] = {
            "v1 task": ("/task/chat", {**home, "metadata": metadata}),
            "v1 task of batch": ("/task/chat", {"batch": batch}),
            "v1 batch": ("/batches", {**home, "name": f"b{number}"}),
            "v1 cancel": (f"/task/{task}/cancel", {}),
            "v1 metadata": (f"/task/{task}/setMetadata", metadata),
            "v1 finalize": (f"/batches/{batch}/finalize", {}),
            "v2 task": ("/v2/task/chat", {**home, "metadata": metadata}),
            "v2 task of batch": ("/v2/task", {**home, "batch": batch}),
            "v2 batch": ("/v2/batch", {**home, "name": f"b{number}", "staging_batch": number > 2}),
            "v2 merge": ("/v2/task/metadata", {"task_id": task, "metadata": metadata, "merge": 1}),
            "v2 batch metadata": (
                "/v2/batch/metadata",
                {"batch_name": batch, "metadata": metadata},
            ),
            **{
                f"v2 {move}": (f"/v2/batch/{move}", {"batch_name": batch})
                for move in ("finalize", "pause", "resume", "cancel")
            },
        }
        if name in posts:
            assert self.call("POST", *posts[name]).status < 500
            return
        try:
            getattr(self.world.tasks, name)(task)
        except ApiError:
            pass

    def compare(self) -> None:
        """Compare both views of all batches and tasks."""
        ids = {it["name"]: it["id"] for it in self.call.get("/v2/projects")["projects"]}
        batches = {it["name"]: it for it in self.call.get("/v2/batches")["batches"]}
        listed = self.call.get("/batches")["docs"]
        assert [it["name"] for it in listed] == [*batches]
        for it in listed:
            other = batches[it["name"]]
            assert ids[it["project"]] == other["project"]
            for member in ("status", "created_at", "metadata"):
                assert it[member] == other[member]
        tasks = {it["task_id"]: it for it in self.call.get("/tasks")["docs"]}
        views = [
            it for name in "pq" for it in self.call.get(f"/v2/tasks?project_name={name}")["tasks"]
        ]
        assert {it["task_id"] for it in views if it["status"] != "deleted"} == {*tasks}
        for view in views:
            if view["status"] == "deleted":
                assert self.call("GET", f"/task/{view['task_id']}").status == 404
                continue
            task = tasks[view["task_id"]]
            assert (view["status"], view["project"]) == (task["status"], ids[task["project"]])
            assert {name: view.get(name) for name in V1} == {name: task.get(name) for name in V1}
            batch = batches[task["batch"]]["id"] if "batch" in task else None
            assert view.get("batch") == batch
            response = task.get("response", {})
            is_done = task["status"] == "completed"
            assert [it["id"] for it in view["threads"]] == [
                it["id"] for it in (response["threads"] if is_done else [])
            ]


STEPS = [
    *("v1 task", "v1 task of batch", "v1 batch", "v1 cancel", "v1 metadata", "v1 finalize"),
    *("v2 task", "v2 task of batch", "v2 batch", "v2 merge", "v2 batch metadata"),
    *("v2 finalize", "v2 pause", "v2 resume", "v2 cancel"),
    *("start", "complete", "fail", "recall", "delete"),
]


@settings(max_examples=examples(200))
@given(
    test=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), NUMBER, METADATA), max_size=25),
)
def test_both_views_agree(test: bool, steps: list[tuple[str, int, Any]]) -> None:
    account = Account(test=test)
    for step in steps:
        account.take(*step)
    account.compare()
    restored = Account(test=test)
    restored.fake.load(account.fake.dump())
    restored.world = restored.fake.world(test=test)
    restored.compare()
    for path in ("/v2/tasks?project_name=p", "/v2/batches", "/tasks"):
        assert restored.call.get(path) == account.call.get(path)
