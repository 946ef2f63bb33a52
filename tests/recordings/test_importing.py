"""Recordings as state: the fake answers as the recording did."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from fakescale import FakeScale
from fakescale.cli import main
from fakescale.recordings import Recorded, Unreadable, state_of, write_har, write_lines
from fakescale.recordings.recorder import Recorder
from tests.recordings import samples
from tests.recordings.samples import TASK

Client = Callable[..., Any]


def recorded(fake: FakeScale, use: Callable[[Client], object], key: str) -> list[Recorded]:
    """Return the exchanges of a function that gets a client."""
    exchanges: list[Recorded] = []
    recorder = Recorder(fake, exchanges.append)
    from werkzeug.test import Client as Caller

    caller = Caller(recorder)

    def call(method: str, path: str, **body: Any) -> Any:
        environ = {"REQUEST_URI": f"/v1{path}"}
        return caller.open(
            f"/v1{path}",
            method=method,
            json=body or None,
            auth=(key, ""),
            environ_overrides=environ,
            base_url="https://api.scale.com",
        ).json

    use(call)
    return exchanges


def work(call: Client) -> None:
    call("POST", "/projects", type="chat", name="a project", params={"instruction": "b"})
    call("POST", "/projects", type="chat", name="another")
    call("POST", "/batches", project="a project", name="a/b", callback="https://e.com/")
    made = [
        call("POST", "/task/chat", batch="a/b", project="a project", unique_id=f"u{number}")
        for number in range(3)
    ]
    call("POST", f"/task/{made[0]['task_id']}/cancel?clear_unique_id=true")
    call("POST", "/task/chat", instruction="alone", metadata={"a": [1]}, unique_id="u0")
    call("POST", "/task/none")
    call("GET", "/batches/a%2Fb/status")
    call("GET", "/batches/a%2Fb/no")
    call("GET", "/tasks")
    call("GET", "/projects")


@pytest.mark.parametrize(("key", "mode"), [("live_me", "live"), ("test_me", "test")])
@pytest.mark.parametrize("writes", [write_har, write_lines])
def test_the_fake_answers_as_the_recording_did(
    key: str, mode: str, writes: Callable[..., object], fake: FakeScale, tmp_path: Path
) -> None:
    exchanges = recorded(fake, work, key)
    assert {200, 404} <= {it.status for it in exchanges}
    writes(tmp_path / "file", exchanges)
    copy = FakeScale()
    copy.load(state_of([tmp_path / "file"]))
    asked = ("/tasks", "/projects", "/batches", "/batches/a%2Fb/status", "/projects/another")

    def look(call: Client) -> None:
        for path in asked:
            call("GET", path)

    expected, found = (
        [json.loads(it.answer) for it in recorded(it, look, key)] for it in (fake, copy)
    )
    for page in (expected[0], found[0]):
        page["docs"].sort(key=lambda it: it["task_id"])
    assert found == expected
    other = "live" if mode == "test" else "test"
    assert copy.dump()["accounts"]["me"][other]["tasks"]["tasks"] == []


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes values as lines of JSON, and returns the path."""
    numbers = itertools.count()

    def write(*values: Any) -> Path:
        path = tmp_path / f"{next(numbers)}.json"
        path.write_text("\n".join(map(json.dumps, values)))
        return path

    return write


def tasks(*paths: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the live tasks of the account ``fakescale``."""
    data = state_of(paths, **options)["accounts"].get(options.get("account", "fakescale"))
    listed = data["live"]["tasks"]["tasks"] if data else []
    return {it["task_id"]: it for it in listed}


def test_the_forms_of_printed_tasks(write: Callable[..., Path], tmp_path: Path) -> None:
    page, other = {"docs": [TASK], "total": 1}, TASK | {"task_id": "other"}
    for path in (write(TASK), write(TASK, other), write([TASK, other]), write(page)):
        assert tasks(path)[TASK["task_id"]].items() >= TASK.items()
    link = tmp_path / "link.json"
    link.symlink_to("/dev/zero")
    assert set(tasks(tmp_path)) == {TASK["task_id"], "other"}  # one file each


def test_a_cassette_whose_key_is_filtered_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(samples.CHROME)
    assert set(tasks(path)) == {TASK["task_id"]}


def test_one_account_for_all(write: Callable[..., Path]) -> None:
    assert set(tasks(write(TASK), account="me")) == {TASK["task_id"]}
    with pytest.raises(ValueError, match="cannot be the name"):
        state_of([], account="")


def test_the_latest_answer_counts(write: Callable[..., Path]) -> None:
    new = TASK | {"status": "completed", "updated_at": "2021-07-01T00:00:00.000Z", "params": {}}
    old = TASK | {"updated_at": "2021-06-30T00:00:00.000Z", "params": {"a": 1}}
    for order in ((new, old), (old, new)):
        assert tasks(write(*order))[TASK["task_id"]]["status"] == "completed"
    part = {name: new[name] for name in new if name != "params"} | {"tags": ["a"]}
    whole = tasks(write(old, part))[TASK["task_id"]]
    assert (whole["params"], whole["tags"]) == ({"a": 1}, ["a"])


def test_the_members_of_a_time(write: Callable[..., Path]) -> None:
    project = {"name": "p", "type": "chat", "created_at": "2021-06-29"}
    data = state_of([write(project, TASK | {"is_test": True})])["accounts"]["fakescale"]
    assert data["live"]["projects"][0]["created_at"] == "2021-06-29T00:00:00.000Z"
    assert len(data["test"]["tasks"]["tasks"]) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": 1}, "exchange 1: it is neither an exchange nor"),
        ([1], "exchange 1: it is not an object"),
        (TASK | {"status": "odd"}, "0.json, exchange 1: .*task.status"),
        (TASK | {"created_at": 1}, "created_at"),
        (TASK | {"task_id": 1}, "task_id"),
        (TASK | {"batch": "b"}, "batch"),
        ({"name": "p", "type": "chat", "created_at": "x"}, "is not a time"),
        ({"name": 1, "type": "chat", "created_at": "2021-06-29"}, "does not hold together"),
        ({"name": [], "type": {}, "created_at": 1}, "is not a time"),
        (
            {"method": "GET", "path": "/v1/x", "status": 200, "answer": TASK | {"type": []}},
            "type",
        ),
    ],
)
def test_a_thing_that_cannot_be_loaded(value: Any, reason: str, write: Callable[..., Path]) -> None:
    with pytest.raises(Unreadable, match=reason):
        state_of([write(value)])


def deep() -> Any:
    value: Any = 1
    for _ in range(400):
        value = {"a": value}
    return value


PLACE = {"name": "p", "created_at": "2021-06-29"}


@pytest.mark.parametrize(
    "shown",
    [
        TASK | {"metadata": deep()},
        TASK | {"unique_id": deep()},
        TASK | {"project": deep()},
        PLACE | {"type": "chat", "ontology": deep()},
        PLACE | {"project": "p", "status": "staging", "metadata": deep()},
        TASK | {"task_id": []},
    ],
)
def test_a_thing_that_is_nested_too_deep_is_named(
    shown: dict[str, Any], write: Callable[..., Path]
) -> None:
    file = write({"method": "GET", "path": "/v1/x", "status": 200, "answer": json.dumps([shown])})
    with pytest.raises(Unreadable, match=r"0\.json, exchange 1: (it|its|.*nested)"):
        state_of([file])


def test_the_command(
    write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["import", "--account", "me", str(write(TASK))])
    dump = tmp_path / "dump"
    dump.write_text(capsys.readouterr().out)
    fake = FakeScale(account="me")
    fake.load(dump)
    with fake.serve():
        answer = requests.get(f"{fake.url}/task/{TASK['task_id']}", auth=("live_me", ""), timeout=9)
    assert answer.json().items() >= TASK.items()
    for arguments in (["none"], []):
        with pytest.raises(SystemExit) as ended:
            main(["import", *arguments])
        assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "cannot import: none: No such file" in told
    assert "import needs a FILE" in told
