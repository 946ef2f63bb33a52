"""Dumps: what any endpoint shows is the same after dump and load."""

import contextlib
import datetime as dt
import functools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import freezegun
import werkzeug.test
from hypothesis import given
from hypothesis import strategies as st

from fakescale import ApiError, FakeScale
from fakescale.account.tasks import Tasks
from tests.arrangements import ARRANGEMENTS, ask
from tests.support import Caller


def on_each_task(step: Callable[[Tasks, str], Any]) -> Callable[[FakeScale], None]:
    def take(fake: FakeScale) -> None:
        for tasks in (fake.tasks, fake.test.tasks):
            for task in tasks:
                with contextlib.suppress(ApiError):  # the task's status may not allow it
                    step(tasks, task.id)

    return take


# Nothing is sent there, so that the callbacks do not change by themselves.
ADDRESS = "http://www.example.com/é?x=y"

# The steps that a test may take in any order. Each request makes what it needs.
STEPS: dict[str, Callable[[FakeScale], Any]] = {
    **{name: functools.partial(ask, name=name) for name in ARRANGEMENTS},
    "a test task": lambda fake: fake.test.tasks.create("chat"),
    "another account": lambda fake: fake.account("other/é").tasks.create("chat"),
    "a saved answer": lambda fake: Caller(fake)(
        "POST", "/task/chat", {"callback_url": ADDRESS}, headers={"Idempotency-Key": "k"}
    ),
    "a deep value": lambda fake: Caller(fake)("POST", "/task/chat", {"x": deep(99)}),
    "start": on_each_task(lambda tasks, it: tasks.start(it)),
    "complete": on_each_task(lambda tasks, it: tasks.complete(it)),
    "fail": on_each_task(lambda tasks, it: tasks.fail(it)),
    "recall": on_each_task(lambda tasks, it: tasks.recall(it)),
    "audit": on_each_task(lambda tasks, it: tasks.audit(it, "fixed")),
    "turnaround": lambda fake: setattr(fake, "turnaround", dt.timedelta(hours=2)),
    "advance": lambda fake: fake.advance(hours=3),
    "disable": lambda fake: fake.disable_type("multichat"),
    "callback_url": lambda fake: setattr(fake, "callback_url", ADDRESS),
    "a forgotten account": lambda fake: fake.reset("other/é"),
}


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def shown(fake: FakeScale) -> dict[str, Any]:
    """Return the answers of the endpoints for both worlds of the account, and the callbacks."""
    found: dict[str, Any] = {"callbacks": [it.to_json() for it in fake.callbacks]}
    for world in (fake.world(), fake.test):
        call = Caller(fake, world.api_key)
        paths = ["/tasks", "/projects", "/batches", "/teams", "/studio/assignments"]
        paths += ["/studio/batches"]
        paths += [f"/task/{task.id}" for task in world.tasks]
        paths += [f"/batches/{quote(batch.name)}/status" for batch in world.batches]
        paths += [f"/studio/projects/{quote(it.name)}/groups" for it in world.projects]
        paths += [
            f"/files?project={quote(name)}"
            for it in world.files.list()
            for name in it.project_names
        ]
        paths += [f"/audits?task_id={task.id}" for task in world.tasks]
        paths += [
            f"/quality/labelers?quality_task_ids={task.id}"
            for kind in ("training", "evaluation")
            for task in world.quality_tasks.list(kind)
        ]
        for path in paths:
            reply = call("GET", path)
            found[f"{world.key} {path}"] = (reply.status, reply.json)
    return found


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_a_dump_holds_everything_that_is_shown(names: list[str]) -> None:
    fake, loaded = FakeScale(seed=1), FakeScale()
    fake.stop_clock()
    for name in names:
        STEPS[name](fake)
    data = json.loads(json.dumps(fake.dump()))
    with freezegun.freeze_time(fake.now() - dt.timedelta(milliseconds=data["advanced_ms"])):
        loaded.load(data)
        assert json.loads(json.dumps(loaded.dump())) == data
        assert shown(loaded) == shown(fake)
        reply = werkzeug.test.Client(loaded).post("/_fakescale/load", json={"data": data})
        assert reply.status_code == 200, reply.text
        assert shown(loaded) == shown(fake)
