"""The commands, which steer a served fake."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from fakescale import FakeScale, cli, draw
from fakescale.cli import commands, tables
from fakescale.cli.client import Client
from fakescale.receiver import Receiver


class Said(NamedTuple):
    status: int
    out: str
    err: str


class Shell:
    """Runs commands within this process, against one fake."""

    def __init__(self, fake: FakeScale, capsys: pytest.CaptureFixture[str]) -> None:
        self.fake = fake
        self._capsys = capsys

    def __call__(self, *given: str) -> Said:
        status = 0
        try:
            cli.main([*given, "--url", self.fake.url])
        except SystemExit as ended:
            status = int(ended.code or 0)
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)

    def out(self, *given: str) -> str:
        said = self(*given)
        assert (said.status, said.err) == (0, ""), said
        return said.out

    def json(self, *given: str) -> Any:
        return json.loads(self.out(*given, "--json"))

    def refused(self, *given: str) -> str:
        said = self(*given)
        [line] = said.err.splitlines()
        assert (said.status, said.out) == (1, ""), said
        return line.removeprefix("fakescale: ")


@pytest.fixture(scope="module")
def served() -> Iterator[FakeScale]:
    with FakeScale().serve() as fake:
        yield fake


@pytest.fixture
def shell(
    served: FakeScale, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    for name in [it for it in os.environ if it.startswith("FAKESCALE_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    served.reset()
    return Shell(served, capsys)


def test_tasks_of_all_accounts_are_listed(shell: Shell) -> None:
    assert shell.out("tasks") == "nothing yet\n"
    fake = shell.fake
    first = fake.tasks.create("chat", unique_id="a\x1b[31m\u202e")
    second = fake.account("pets").test.tasks.create("chat")
    title, *lines = shell.out("tasks").splitlines()
    assert title.split("  ")[0] == "TASK ID"
    assert {it.split()[0] for it in lines} == {first.id, second.id}
    assert "\x1b" not in "".join(lines)
    assert r"a\x1b[31m\u202e" in "".join(lines)
    told = {it["task_id"]: it for it in shell.json("tasks")}
    assert (told[second.id]["account"], told[second.id]["mode"]) == ("pets", "test")
    assert told[first.id]["unique_id"] == "a\x1b[31m\u202e"
    assert len(shell.json("tasks", "-a", "pets")) == 1
    assert len(shell.json("tasks", "--test")) == 1
    assert len(shell.json("tasks", "--live", "--status", "pending")) == 1
    assert len(shell.json("tasks", "-n1")) == 1
    assert shell.refused("tasks", "--status", "x").startswith('Parameter is invalid, reason: "stat')


def test_a_task_is_found_in_any_account(shell: Shell) -> None:
    task = shell.fake.account("pets").tasks.create("chat")
    assert shell.json("show", task.id) == task.to_json()
    assert json.loads(shell.out("show", task.id)) == task.to_json()
    assert shell.refused("show", "x") == (
        "There is no task x in any account. `fakescale tasks` lists all tasks."
    )
    assert "in the account other" in shell.refused("show", task.id, "-a", "other")


def test_a_task_is_drawn(shell: Shell) -> None:
    urls = [f"http://a.test/300x200/{n}.jpg" for n in range(3)]
    geometries = {"box": {"objects_to_annotate": ["cat"]}}
    body = {"attachments": urls, "geometries": geometries}
    task = shell.fake.account("pets").test.tasks.create("videoannotation", **body)
    drawn = shell.out("draw", task.id)
    assert drawn == draw(task) + "\n"
    assert "cat" in drawn
    assert shell.json("draw", task.id, "--frame", "2") == draw(task, frame=2)
    assert shell.out("draw", task.id, "--without", "cat", "--without=dog") == (
        draw(task, without=["cat"]) + "\n"
    )
    assert shell.refused("draw", "x").startswith("There is no task x")


def test_a_task_goes_through_its_life(shell: Shell) -> None:
    fake = shell.fake
    [made] = shell.json("create", "chat", "--example", "unique_id=u", "operation=é")
    assert fake.tasks.get(made["task_id"]).unique_id == "u"
    line = shell.out("complete", made["task_id"], '{"labels": [1]}').splitlines()[1]
    assert " completed " in line
    assert fake.tasks.get(made["task_id"]).response == {"labels": [1]}
    [told] = shell.json("audit", made["task_id"], "rejected", "--comments", "no")
    assert told["customer_review_status"] == "rejected"
    other = fake.tasks.create("chat", unique_id="v")
    assert "canceled" in shell.out("cancel", other.id, "--clear-unique-id")
    third = fake.tasks.create("chat", unique_id="v")
    assert "error" in shell.out("fail", third.id, "too dark")
    assert fake.tasks.get(third).response == {"error": "too dark"}
    [made] = shell.json("create", "chat", "--body", '{"unique_id": "w"}', "--test", "-a", "pets")
    assert fake.account("pets").test.tasks.get(made["task_id"]).unique_id == "w"
    assert "geometries" in shell.refused("create", "imageannotation", "attachment=https://e.com/a")
    assert 'the nearest is "chat"' in shell.refused("create", "chta", "--example")


def test_a_response_comes_from_standard_input(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = shell.fake.tasks.create("chat")
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))
    shell.out("complete", task.id, "-")
    assert shell.fake.tasks.get(task).response == {"a": 1}


def test_a_callback_is_sent_again(shell: Shell, callback_receiver: Receiver) -> None:
    task = shell.fake.tasks.create("chat", callback_url=callback_receiver.url)
    assert "callback" in shell.refused("redeliver", task.id)
    shell.fake.tasks.complete(task)
    shell.fake.callbacks.deliver()
    callback_receiver.answer(503)
    [sent] = shell.json("redeliver", task.id)
    assert (sent["subject"], sent["tries"], sent["answer"]) == (task.id, 1, 503)
    assert len(callback_receiver.received) == 2
    states = [it["state"] for it in shell.json("callbacks", task.id)]
    assert states == ["done", "owed"]
    assert shell.out("callbacks", "other") == "nothing yet\n"
    assert " 503 " in shell.out("callbacks")


def test_requests_tell_the_reason_of_a_refusal(shell: Shell) -> None:
    url = shell.fake.url
    requests.get(f"{url}/tasks?limit=1", auth=("live_pets", ""), timeout=10)
    requests.post(f"{url}/task/chat", data=b'{"tags": "\x1b"}', auth=("live_x", ""), timeout=10)
    title, *lines = shell.out("requests").splitlines()
    assert title.split() == ["WHEN", "ACCOUNT", "METHOD", "TARGET", "STATUS", "ERROR"]
    assert re.match(r"\S+ +pets +GET +/v1/tasks\?limit=1 +200$", lines[0])
    [line, body, answer] = shell.out("requests", "--refused", "--bodies").splitlines()
    assert re.match(r"\S+  x  POST  /v1/task/chat  400  Parameter is invalid, reason", line)
    assert body.startswith(r'  body: {"tags": "\x1b"}')
    assert answer.startswith('  answer: {"status_code":400')
    [told] = shell.json("requests", "-n1")
    assert told["target"] == "/v1/task/chat"
    assert told["error"].startswith("Parameter is invalid")
    assert (
        len(shell.json("requests", "--status", "200", "--method", "get", "--path", "/tasks")) == 1
    )
    assert shell.json("requests", "-a", "nobody") == []
    assert shell.out("requests", "--bodies", "-a", "nobody") == "nothing yet\n"
    assert shell.json("requests", "-n0") == []


def followed(shell: Shell, monkeypatch: pytest.MonkeyPatch, *given: str) -> list[Any]:
    """Follow while requests come; each wait for an event lets something happen on the server."""
    fake = shell.fake

    def ask(name: str) -> Any:
        return requests.get(f"{fake.url}/task/{name}", auth=("live_x", ""), timeout=10)

    def interrupt() -> None:
        raise KeyboardInterrupt

    steps = iter(
        [lambda: [ask(it) for it in "bc"], lambda: None, fake.reset, lambda: ask("d"), interrupt]
    )
    call = Client.call

    def step(self: Client, operation: str, /, **arguments: Any) -> Any:
        if operation == "events.wait_for":
            next(steps)()
            arguments["timeout"] = 0
        return call(self, operation, **arguments)

    monkeypatch.setattr(Client, "call", step)
    fake.stop_clock()  # all within one millisecond
    ask("a")
    said = shell(*given, "--follow", "--json")
    assert said.status == 128 + signal.SIGINT
    return [json.loads(line) for line in said.out.splitlines()]


@pytest.mark.parametrize("more", [[], ["--path=/task/<id>"], ["--refused"]])
def test_requests_are_followed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    paths = [it["path"] for it in followed(shell, monkeypatch, "requests", *more)]
    assert paths == [f"/v1/task/{name}" for name in "abcd"]


def test_requests_that_are_not_asked_for_are_not_followed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert followed(shell, monkeypatch, "requests", "--method=POST") == []


def test_events_are_listed_and_followed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = shell.fake
    task = fake.tasks.create("chat")
    fake.advance(hours=1)
    [event] = shell.json("events", task.id)
    assert (event["kind"], event["subject"]) == ("task changed", task.id)
    assert [it["kind"] for it in shell.json("events", "-n", "1")] == ["clock moved"]
    told = shell.out("events")
    assert "by=test status=pending type=chat is_test=False" in told
    assert "seconds=3600.0" in told
    assert "kind must be one of" in shell.refused("events", "--kind=tsk")
    kinds = [it["kind"] for it in followed(shell, monkeypatch, "events")]
    assert kinds[-6:-2] == ["clock stopped", "request", "request", "request"]
    assert (kinds[-2], kinds[-1]) == ("state reset", "request")


def test_nouns_have_actions(shell: Shell) -> None:
    fake = shell.fake
    shell.out("projects", "create", "pets", "type=chat", "rapid=true")
    shell.out("batches", "create", "monday", "project=pets")
    assert "staging" in shell.out("batches")
    assert "in_progress" in shell.out("batches", "finalize", "monday")
    assert fake.batches.get("monday").status == "in_progress"
    assert [it["name"] for it in shell.json("projects")] == ["pets"]
    shell.out("projects", "set_params", "pets", 'params={"instruction": "x"}')
    shell.out("projects", "archive", "name=pets")
    [fault] = shell.json("faults", "add", "status=503", "path=/v1/tasks", "times=2")
    shell.out("faults", "outage")
    assert len(fake.faults) == 2
    shell.out("faults", "remove", str(fault["id"]))
    assert len(fake.faults) == 1
    assert shell.out("faults", "clear") == "nothing yet\n"
    assert len(fake.faults) == 0
    assert '"project" is required' in shell.refused("batches", "create", "tuesday")
    said = shell("batches", "finalise", "monday")
    assert (said.status, said.err) == (
        2,
        "fakescale: 'finalise' is not one of: list, create, finalize, prioritize, archive\n",
    )


def test_the_clock_moves_and_all_is_forgotten(shell: Shell) -> None:
    fake = shell.fake
    before = fake.now()
    told = shell.out("advance", "25h")
    assert told.startswith((before.replace(hour=0) + (fake.now() - before)).isoformat()[:8])
    assert (fake.now() - before).total_seconds() >= 25 * 3600
    fake.account("pets").tasks.create("chat")
    fake.tasks.create("chat")
    assert shell.out("reset", "--account", "pets") == "pets is forgotten\n"
    assert fake.accounts() == ["fakescale"]
    assert shell.out("reset") == "everything is forgotten\n"
    assert len(fake.tasks) == 0


def test_the_state_is_dumped_and_loaded(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    task = shell.fake.tasks.create("chat", unique_id="é")
    assert json.loads(shell.out("dump")) == shell.fake.dump()
    assert shell.out("dump", str(file)) == f"the state is in {file}\n"
    shell.fake.reset()
    assert shell.out("load", str(file)) == f"{file} is loaded\n"
    assert shell.fake.tasks.get(task).unique_id == "é"
    file.write_text('{"fakescale": 0}')
    assert "the format of a dump" in shell.refused("load", str(file))
    file.write_text("nonsense")
    said = shell("load", str(file))
    assert (said.status, "is not JSON" in said.err or "Expecting value" in said.err) == (2, True)


def test_a_state_over_the_limit_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps(["x" * 2_000_000]))
    with FakeScale(limits=FakeScale.Limits(max_body=1000)).serve() as fake:
        said = Shell(fake, capsys)("load", str(file))
    assert said.status == 1
    assert "--max-body" in said.err


def test_the_token_is_given_by_a_flag_or_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeScale(control_token="é").serve() as fake:
        shell = Shell(fake, capsys)
        assert "A control call needs the header Authorization" in shell.refused("tasks")
        assert shell.out("health") == "ok\n"
        shell.out("tasks", "--control-token", "é")
        monkeypatch.setenv("FAKESCALE_CONTROL_TOKEN", "é")
        shell.out("tasks")


def test_the_server_is_named_by_its_url_or_its_port(
    served: FakeScale, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = served.url.split(":")[2].removesuffix("/v1")
    for given in (["-p", port], ["--port", port, "--json"], ["-u", f"localhost:{port}"]):
        cli.main(["health", *given])
        cli.main([*given, "health"])  # flags may come first
    monkeypatch.setenv("FAKESCALE_PORT", port)
    cli.main(["health"])
    monkeypatch.setenv("FAKESCALE_URL", "http://127.0.0.1:1")
    cli.main(["health", "-p", port])  # a flag wins
    with pytest.raises(SystemExit) as ended:
        cli.main(["health"])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("fakescale: no fakescale answers at http://127.0.0.1:1: ")


def test_another_server_is_no_fakescale(
    capsys: pytest.CaptureFixture[str], callback_receiver: Receiver
) -> None:
    for command in (["tasks"], ["dump"], ["health"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, "--url", callback_receiver.url])
        assert ended.value.code == 2
        assert "no fakescale answers at" in capsys.readouterr().err


def test_types_need_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["types"])
    assert "\nimageannotation " in capsys.readouterr().out
    cli.main(["types", "imageannotation"])
    told = json.loads(capsys.readouterr().out)
    assert "attachment" in told["members"]
    assert "geometries" in told["required"]
    assert told["example"]["attachment"].startswith("https://")


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_for_terminals(
    environ: dict[str, str],
    is_terminal: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.stdout", stream)
    rows: list[dict[str, Any]] = [
        {"status": "completed"},
        {"status": 503},
        {"status": 200},
        {"status": None},
    ]
    text = tables.table(rows, ["status"], "") + tables.line(rows[0], ["status"])
    assert ("\x1b[32m" in text, "\x1b[31m" in text) == (expected, expected)


def test_the_thin_client_imports_nothing_heavy(served: FakeScale) -> None:
    code = (
        "import sys; from fakescale import cli; cli.main(sys.argv[1:]);"
        "print([it for it in sys.modules if it.startswith(('fakescale.fake', 'werkzeug',"
        " 'fakescale.api', 'fakescale.account', 'logging'))])"
    )
    command = [sys.executable, "-c", code, "tasks", "--url", served.url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_columns_name_is_a_member(shell: Shell) -> None:
    """A column that no row ever has would never be shown."""
    task = {*shell.fake.tasks.create("chat", unique_id="u").to_json(), "account", "mode"}
    assert {*commands._TASK} - task <= {"project", "batch"}
