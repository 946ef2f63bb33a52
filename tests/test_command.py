"""The command ``fakescale``, run as from a shell."""

import base64
import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fakescale import FakeScale, RemoteFakeScale
from fakescale.cli import main
from fakescale.receiver import Receiver
from fakescale.server.proxy import environment
from fakescale.values.clock import steady
from fakescale.values.hosts import HOST
from tests.account.test_printed import PRINTED
from tests.raw import wait_until
from tests.test_docs import PAGES

LOG = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "


class Process:
    """A running ``fakescale``; its standard error goes to a file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "fakescale", "--port=0", *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline(), self.process.stdout.readline()]
        found = re.fullmatch(r"fakescale listens on (https?://[\d.]+:\d+/v1)\n", self.lines[0])
        assert found, (self.lines, log.read_text())
        self.url = found[1]

    def call(self, method: str, path: str, key: str = "live_x", **more: Any) -> Any:
        return requests.request(method, self.url + path, auth=(key, ""), timeout=10, **more)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def process(log: Path) -> Iterator[Process]:
    with contextlib.closing(Process(log)) as process:
        yield process


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Return a process without flags, which no test may stop."""
    with contextlib.closing(Process(tmp_path_factory.mktemp("shared") / "log")) as process:
        yield process


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Return a process with many flags, which no test may stop; ``live_b`` is one of its keys."""
    flags = [
        *("--verbose", "--complete-after=0", "--control-token=secret", "--secure-result-urls"),
        *("--api-key=acme|test", "--api-key=live_b"),
        *("--allow-host=box", "--allow-host=10.1.2.3"),
    ]
    log = tmp_path_factory.mktemp("flagged") / "log"
    with contextlib.closing(Process(log, *flags)) as process:
        yield process


def test_a_flag_secures_the_result_files(shared: Process, flagged: Process) -> None:
    body = {"attachments": ["https://e.com/1.json"], "labels": ["Car"]}
    for process, key, without_key in ((shared, "test_x", 200), (flagged, "acme|test", 401)):
        made = process.call("POST", "/task/lidarannotation", key, json=body).json()
        task = process.call("GET", f"/task/{made['task_id']}", key).json()
        url = task["response"]["annotations"]["url"]
        assert requests.get(url, timeout=10).status_code == without_key
        assert requests.get(url, auth=(key, ""), timeout=10).status_code == 200


def test_a_demo_with_a_lively_labeler_is_there_at_the_start(log: Path) -> None:
    flags = ("--demo", "--labeler=lively", "--complete-after=0", "--seed=1", "--quiet")
    with contextlib.closing(Process(log, *flags)) as process:
        key = "live_fakescale"
        assert process.call("GET", "/tasks?limit=1", key).json()["total"] > 50
        assert len(process.call("GET", "/batches", key).json()["docs"]) == 3
        remote = RemoteFakeScale(process.url)
        for _ in range(2):
            geometries = {"box": {"objects_to_annotate": ["cat"]}}
            body = {"attachment": "http://a.test/99x99/1.jpg", "geometries": geometries}
            task = remote.tasks.create("imageannotation", **body)
            remote.tasks.wait_for(updated_after=task.created_at, status="completed")
            done = remote.tasks.get(task)
            assert done.response is not None
            assert len(done.response["annotations"]) == 5
            remote.reset()  # which does not take the labeler away
        assert process.stop() == 0
    assert log.read_text() == ""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fakescale", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )


def run_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Do as `run` within this process, in a tenth of the time; the command must not serve."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main(arguments)
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess(arguments, ended.value.code, out.getvalue(), err.getvalue())


def refused(
    *arguments: str, run: Callable[..., subprocess.CompletedProcess[str]] = run_here
) -> str:
    """Return the one line on standard error of a command that refuses to start."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    return line


def test_it_says_where_it_listens_and_how_to_ask(shared: Process) -> None:
    assert shared.lines[1] == f"  curl -u 'live_fakescale:' {shared.url}/tasks\n"
    assert shared.call("GET", "/tasks", "live_fakescale").json()["docs"] == []
    health = shared.url.replace("/v1", "/_fakescale/health")
    assert requests.get(health, timeout=10).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal_even_with_a_connection_open(process: Process, number: int) -> None:
    port = int(process.url.split(":")[2].split("/")[0])
    with requests.Session() as session, socket.create_connection(("127.0.0.1", port)):
        session.get(f"{process.url}/tasks")
        assert process.stop(number) == 0
    with socket.create_server(("127.0.0.1", port)):  # the port is free at once
        pass
    assert "Traceback" not in process.log.read_text()


def test_each_request_is_a_line_on_standard_error(process: Process) -> None:
    process.call("GET", "/tasks?limit=3")
    made = process.call("POST", "/task/chat", json={"secret": 1}).json()
    process.call("GET", "/tasks", "wrong")
    assert requests.get(process.url.replace("v1", "_fakescale/health"), timeout=10).ok
    process.stop()
    *lines, last = process.log.read_text().splitlines()
    assert last == "fakescale: 1 task is gone; --dump FILE keeps the state for --load"
    assert len(lines) == 3
    for line, end in zip(
        lines,
        [
            r"GET /v1/tasks\?limit=3 200 [\d.]+ms account=x",
            rf"POST /v1/task/chat 200 [\d.]+ms account=x task={made['task_id']}",
            r"GET /v1/tasks 401 [\d.]+ms: .*API key.*",
        ],
        strict=True,
    ):
        assert re.fullmatch(LOG + end, line)


def test_verbose_logs_the_bodies_too(flagged: Process) -> None:
    flagged.call("POST", "/task/chat", "live_b", json={"inner": 1})
    line = r'/v1/task/chat 200 [\d.]+ms account=b task=\w+ {"inner": 1} -> {"task_id":'
    wait_until(lambda: re.search(line, flagged.log.read_text()) is not None)
    for operation in ("requests.list", "api_key", "faults.add"):
        body = {"api_key": "live_b", "status": 503, "nth": 1000} if "add" in operation else {}
        assert control(flagged, operation, "secret", body).status_code == 200
    wait_until(lambda: "faults.add 200" in flagged.log.read_text())
    text = flagged.log.read_text()
    assert '"Authorization":"***"' in text
    assert "live_b" not in text
    assert base64.b64encode(b"live_b:").decode() not in text


def test_only_the_given_keys_are_accepted(flagged: Process) -> None:
    assert '-u "$KEY:"' in flagged.lines[1]  # a given key may be a secret
    statuses = [
        flagged.call("GET", "/tasks", key).status_code
        for key in ("acme|test", "live_b", "test_acme", "live_x")
    ]
    assert statuses == [200, 200, 401, 401]


def test_callbacks_are_sent_in_the_background(log: Path, callback_receiver: Receiver) -> None:
    with contextlib.closing(Process(log, "--complete-after=0.05")) as process:
        body = {"callback_url": callback_receiver.url}
        task = process.call("POST", "/task/chat", json=body).json()
        [received] = callback_receiver.wait_for(1)
        assert received.json["task_id"] == task["task_id"]
        assert received.headers["scale-callback-auth"] == "live_auth_x"
        looks = (process.call("GET", f"/task/{task['task_id']}").json() for _ in range(1000))
        assert any(look.get("callback_completed") for look in looks)
        process.stop()
    line = f"callback completed {task['task_id']} to {callback_receiver.url} 200"
    assert re.search(f"^{LOG}{re.escape(line)}$", log.read_text(), re.MULTILINE)


def test_live_tasks_can_be_completed_after_a_while(flagged: Process) -> None:
    task = flagged.call("POST", "/task/chat", "live_b", json={}).json()
    assert task["status"] == "pending"
    done = flagged.call("GET", f"/task/{task['task_id']}", "live_b").json()
    assert done["status"] == "completed"


@pytest.mark.parametrize(
    ("wrap", "key"),
    [(lambda tasks: tasks, "live_acme"), (lambda tasks: {"docs": tasks}, "test_acme")],
)
def test_it_can_start_with_tasks(log: Path, tmp_path: Path, wrap: Any, key: str) -> None:
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(wrap([PRINTED])))
    with contextlib.closing(Process(log, f"--load={file}", f"--api-key={key}")) as process:
        [task] = process.call("GET", "/tasks", key).json()["docs"]
        assert task == {**PRINTED, "is_test": key == "test_acme"}


def test_its_state_can_be_dumped_and_loaded(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with contextlib.closing(Process(log, f"--dump={file}")) as process:
        made = process.call("POST", "/task/chat", json={"unique_id": "é"}).json()
        assert not file.exists()
        assert process.stop() == 0
    assert [path.name for path in tmp_path.iterdir()] in (
        ["state.json", "log"],
        ["log", "state.json"],
    )
    flags = [f"--load={file}", f"--dump={file}", "--api-key=test_x", "--api-key=live_x"]
    with contextlib.closing(Process(log, *flags)) as process:
        assert process.call("GET", "/tasks", "test_x").json()["docs"] == []
        assert process.call("GET", f"/task/{made['task_id']}").json() == made
        assert process.stop() == 0
    assert json.loads(file.read_text())["accounts"]["x"]["live"]["tasks"]["tasks"]


def test_a_dump_that_cannot_be_written_goes_elsewhere(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = tmp_path / "gone"
    folder.mkdir()
    with contextlib.closing(Process(log, f"--dump={folder / 'x'}", "--quiet")) as process:
        made = process.call("POST", "/task/chat", json={}).json()
        folder.rmdir()
        assert process.stop(signal.SIGHUP) == 1
    [line] = log.read_text().splitlines()  # none about the request, nor about lost tasks
    start = f"fakescale: cannot write {folder / 'x'}: No such file or directory; the state is in "
    assert line.startswith(start)
    assert made["task_id"] in Path(line.removeprefix(start)).read_text()


def test_a_second_signal_ends_it_at_once(log: Path, tmp_path: Path) -> None:
    pipe, ca = tmp_path / "pipe", tmp_path / "ca.pem"
    os.mkfifo(pipe)  # without a reader, the dump waits
    with contextlib.closing(Process(log, f"--dump={pipe}", f"--tls-ca={ca}")) as process:

        def has_ended() -> bool:
            process.process.terminate()
            return process.process.poll() is not None

        wait_until(has_ended)
        assert process.process.returncode == 128 + signal.SIGTERM
    assert not ca.exists()


def test_output_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    """The pipes of both outputs are full from the beginning."""
    file = tmp_path / "state"
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fakescale", f"--port={port}", f"--dump={file}"]
    with subprocess.Popen(command, stdout=writer, stderr=writer) as process:
        health = f"http://127.0.0.1:{port}/_fakescale/health"

        def is_healthy() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(health, timeout=10).status_code == 200
            return False

        wait_until(is_healthy)
        process.terminate()
        assert process.wait(10) == 0
    assert json.loads(file.read_text())["fakescale"] == 2
    os.close(reader)
    os.close(writer)


def test_a_start_that_is_interrupted_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(text: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("fakescale.cli.serve.read_file", interrupted)
    (tmp_path / "x").touch()
    done = run_here(f"--load={tmp_path / 'x'}")
    assert (done.returncode, done.stderr) == (130, "fakescale: interrupted\n")


def test_quiet_and_verbose_exclude_each_other() -> None:
    assert "--quiet and --verbose exclude each other" in run_here("--quiet", "--verbose").stderr


def test_a_start_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(f"--port={port}", run=run)
        where = f"127.0.0.1:{port}"
        assert re.fullmatch(
            rf"fakescale: cannot listen on {where}: .*in use.*; --port 0 picks a free port", said
        )
    file = tmp_path / "tasks.json"
    assert refused(f"--load={file}").startswith(f"fakescale: cannot load {file}: ")
    for content in (b"nonsense", b"{}", b"\xff\xff", b'[{"task_id": "x"}]'):
        file.write_bytes(content)
        assert refused(f"--load={file}").startswith(f"fakescale: cannot load {file}: ")
    assert '"[0].created_at" is required' in refused(f"--load={file}")
    assert refused("--api-key=secret").startswith("fakescale: 'secret' is not an API key")
    assert "cannot listen on" in refused("--host=nowhere.invalid")
    assert "cannot listen on" in refused("--host=a..b")
    assert "is not a duration" in refused("--complete-after=-1")
    done = run_here(f"--dump={tmp_path / 'nowhere' / 'x'}")
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)
    assert "'a:80' is not a host" in refused("--callback-host=b", "--callback-host=a:80")
    for option in ("--port", "--proxy"):
        for text in ("65536", "-1", "http"):
            done = run_here(f"{option}={text}")
            assert done.returncode == 2
            assert f"{option}: '{text}' is not a port: it must be 0 to 65535" in done.stderr
    for text in ("nan", "1e300", "soon"):
        done = run_here(f"--complete-after={text}")
        assert done.returncode == 2
        assert f"--complete-after: '{text}' is not a duration" in done.stderr


def test_it_ends_quietly_when_the_reader_of_the_document_closes_the_pipe() -> None:
    command = [sys.executable, "-W", "error", "-m", "fakescale", "openapi"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()  # more is to come than a pipe holds
        assert process.stderr.read() == b""
    assert process.returncode == 0


# The log, files of calls, long work, containers


def test_the_log_can_be_json(log: Path, callback_receiver: Receiver, tmp_path: Path) -> None:
    init = tmp_path / "init.jsonl"
    task = {"type": "chat", "callback_url": callback_receiver.url, "batch": "monday"}
    calls = [
        {"callback_url": {"value": callback_receiver.url}},
        {"projects.create": {"name": "pets", "type": "chat"}},
        {"batches.create": {"name": "monday", "project": "pets"}, "tasks.create": task},
    ]
    init.write_text("\n\n".join(json.dumps(call) for call in calls))
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps({"tasks.create": {"type": "chat", "unique_id": "é"}}, indent=2))
    page = tmp_path / "page.json"
    page.write_text(json.dumps([PRINTED]))
    flags = [f"--init={file}" for file in (init, whole, page)]
    with contextlib.closing(Process(log, "--log=json", *flags)) as process:
        made = process.call("POST", "/task/chat", json={"tags": 3}).json()
        remote = RemoteFakeScale(process.url)
        assert len(remote.tasks) == 3
        [waiting] = remote.tasks.list(batch="monday")
        remote.tasks.complete(waiting)
        callback_receiver.wait_for(1)
        wait_until(lambda: '"event": "callback"' in log.read_text())
        process.stop()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line["time"].endswith("Z") and line["level"] == "info" for line in lines)
    told: dict[str, list[Any]] = {}
    for line in lines:
        told.setdefault(line["event"], []).append(line)
    [refusal] = [it for it in told["request"] if it["method"] == "POST" and it["status"] == 400]
    assert refusal["error"] == made["error"]
    assert (refusal["account"], refusal["target"], refusal["ms"] > 0) == (
        "x",
        "/v1/task/chat",
        True,
    )
    [sent] = told["callback"]
    assert (sent["subject"], sent["state"], sent["answer"]) == (waiting.id, "done", 200)
    [batch] = [it for it in told["batch"] if it["subject"] == "monday"]
    assert batch["message"] == "batch monday of fakescale is completed (tasks: 1)"
    assert [it["message"].split(";")[0] for it in told["note"]] == ["3 tasks are gone"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"nope": {}}', "there is no operation 'nope'"),
        (
            '{"now": {}}\n\n{"tasks.create": {}}',
            'line 3: Parameter is invalid, reason: "type" is r',
        ),
        ('{"now": {}}\n{', "line 2: The content is not JSON"),
        ('{"now": 3}', 'it must be like {"tasks.create": {"type": "chat"}}'),
        ("3", "it must be like"),
        ('{"fakescale": 0}', "the format of a dump"),
    ],
)
def test_a_file_of_calls_that_is_wrong_is_named(
    tmp_path: Path, content: str, expected: str
) -> None:
    file = tmp_path / "init.jsonl"
    file.write_text(content)
    said = refused(f"--init={file}", "--port=0")
    assert said.startswith(f"fakescale: cannot load {file}")
    assert expected in said


def test_the_state_is_kept_over_a_restart_by_one_command(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    flags = [f"--load={file}", f"--dump={file}", "--seed=7"]
    with contextlib.closing(Process(log, *flags)) as process:
        made = process.call("POST", "/task/chat", json={}).json()
        assert process.stop() == 0
    said = [line for line in log.read_text().splitlines() if line.startswith("fakescale:")]
    assert said == [f"fakescale: {file} does not exist yet; the state is empty"]
    with contextlib.closing(Process(log, *flags)) as process:
        assert process.call("GET", f"/task/{made['task_id']}").json() == made
    # The last digits count.
    assert made["task_id"][8:22] == FakeScale(seed="7").tasks.create("chat").id[8:22]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no terminals like these")
@pytest.mark.parametrize("command", ["serve", "dump", "load"])
def test_long_work_shows_that_it_goes_on_and_can_be_interrupted(
    command: str, tmp_path: Path
) -> None:
    import pty

    file, target = tmp_path / "file", tmp_path / "target"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        if command == "serve":
            os.mkfifo(file)  # without a writer, its reader waits
        else:
            file.write_text("[]")
        arguments = {
            "serve": ["--port=0", f"--load={file}", f"--dump={target}"],
            "dump": ["dump", str(target), "--url", url],
            "load": ["load", str(file), "--url", url],
        }
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "fakescale", *arguments[command]],
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        while "dumping the state" not in shown.decode() and "loading" not in shown.decode():
            shown += os.read(ours, 1000)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[0] == b""
        assert process.returncode == 128 + signal.SIGINT
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(ours, 1000):
                shown += data
        os.close(ours)
    assert shown.endswith(b"\r\nfakescale: interrupted\r\n")
    assert b"Traceback" not in shown
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_it_ends_soon_under_load(log: Path, tmp_path: Path) -> None:
    flags = ["--complete-after=1ms", f"--dump={tmp_path / 'state'}", "--quiet"]
    with contextlib.closing(Process(log, *flags)) as process:
        busy = threading.Barrier(9)

        def ask() -> None:
            body = {"callback_url": process.url}
            with contextlib.suppress(requests.RequestException), requests.Session() as session:
                for number in itertools.count():
                    session.post(f"{process.url}/task/chat", json=body, auth=("live_x", ""))
                    if number == 3:
                        busy.wait(10)

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        busy.wait(10)
        begun = steady()
        assert process.stop() == 0
        assert steady() - begun < 3  # a second, on a machine that does nothing else
        for client in clients:
            client.join(10)
    assert "Traceback" not in log.read_text()


def test_the_commands_of_the_recipe_for_compose_run(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = PAGES["docs/recipes.md"].partition("Docker compose?")[2].partition("```\n\n")[0]
    started = re.search(r"exec (fakescale .*?)\"", recipe, re.DOTALL)
    check = re.search(r"test: (\[.*\])", recipe)
    variables = dict(re.findall(r"(FAKESCALE_\w+): \"?([^\",} ]+)", recipe))
    assert started is not None
    assert check is not None
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(Process(log, *shlex.split(started[1])[1:])) as process:
        port = process.url.split(":")[2].split("/")[0]
        monkeypatch.setenv("FAKESCALE_PORT", port)
        kind, *test = json.loads(check[1])
        assert (kind, test[0]) == ("CMD", "fakescale")
        done = run(*test[1:])
        assert (done.returncode, done.stdout) == (0, "ok\n")
        process.url = f"http://127.0.0.1:{port}/v1"
        reply = process.call("GET", "/tasks", headers={"Host": "fakescale:8675"})
        assert reply.status_code == 200
        assert process.stop() == 0
    assert [it for it in log.read_text().splitlines() if it.startswith("fakescale:")] == []


# Control over HTTP


def control(process: Process, operation: str, token: str = "", body: Any = None) -> Any:
    url = process.url.replace("/v1", f"/_fakescale/{operation}")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(url, json=body or {}, headers=headers, timeout=10)


def test_it_can_be_controlled_over_http(shared: Process) -> None:
    remote = RemoteFakeScale(shared.url).account("steered")
    task = shared.call("POST", "/task/chat", remote.api_key, json={}).json()
    remote.tasks.complete(task["task_id"])
    RemoteFakeScale(shared.url).advance(hours=1)
    reply = shared.call("GET", f"/task/{task['task_id']}", remote.api_key)
    assert reply.json()["status"] == "completed"
    wait_until(lambda: "POST /_fakescale/tasks.complete 200" in shared.log.read_text())


def test_further_hosts_can_be_allowed(flagged: Process) -> None:
    statuses = [
        flagged.call("GET", "/tasks", "live_b", headers={"Host": host}).status_code
        for host in ("box:8675", "10.1.2.3", "evil.example")
    ]
    assert statuses == [200, 200, 403]
    assert refused("--allow-host=a:80").startswith("fakescale: 'a:80' is not a host")


def check_demands_the_token(process: Process) -> None:
    assert control(process, "now").status_code == 403
    assert control(process, "now", "wrong").status_code == 403
    assert control(process, "now", "secret").status_code == 200
    assert "secret" not in process.log.read_text()


def test_a_token_can_be_demanded(flagged: Process) -> None:
    check_demands_the_token(flagged)
    assert "must not be empty" in refused("--control-token=")


@pytest.mark.parametrize("token", [None, "secret"])
def test_control_beyond_loopback_needs_a_token(
    log: Path, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token:  # the flag is tested above; the environment may name the token too
        monkeypatch.setenv("FAKESCALE_CONTROL_TOKEN", token)
    with contextlib.closing(Process(log, "--host=0.0.0.0")) as process:
        process.url = process.url.replace("0.0.0.0", "127.0.0.1")
        reply = control(process, "now", "secret")
        process.call("GET", "/tasks")
        if token:
            check_demands_the_token(process)
        process.stop()
    for flag, is_given in (
        ("--control-token", token),
        ("--allow-host", None),
        ("--callback-host", None),
    ):
        lines = [
            it for it in log.read_text().splitlines() if it.startswith("fakescale: ") and flag in it
        ]
        assert len(lines) == (0 if is_given else 1)
    assert reply.status_code == (200 if token else 403)
    assert token or "switched off" in reply.json()["error"]
    assert "GET /v1/tasks 200" in log.read_text()


# TLS, and the proxy


def test_it_can_serve_https_and_prints_the_certificate_to_trust(log: Path) -> None:
    with contextlib.closing(Process(log, "--tls")) as process:
        curl, _, ca, *rest = shlex.split(process.lines[1])
        assert [curl, *rest] == ["curl", "-u", "live_fakescale:", f"{process.url}/tasks"]
        assert process.url.startswith("https://")
        assert Path(ca).stat().st_mode & 0o777 == 0o600
        assert process.call("GET", "/tasks", verify=ca).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            process.call("GET", "/tasks")
        if shutil.which("curl"):
            done = subprocess.run(process.lines[1], shell=True, check=True, capture_output=True)
            assert json.loads(done.stdout)["docs"] == []
        process.url = process.url.replace("https", "http")
        assert process.call("GET", "/tasks").status_code == 200
        assert process.stop() == 0
    assert not Path(ca).exists()
    assert "Traceback" not in log.read_text()


def test_the_certificate_can_be_written_to_a_given_file(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "of all" / "ca.pem"
    file.parent.mkdir()
    file.write_text("an old one")
    with contextlib.closing(
        Process(log, f"--tls-ca={file}", "--host=localhost", "--allow-host=box")
    ) as process:
        assert shlex.split(process.lines[1])[2] == str(file)
        assert file.stat().st_mode & 0o777 == 0o644
        url = process.url.replace("127.0.0.1", "localhost")
        assert requests.get(f"{url}/tasks", verify=str(file), timeout=10).status_code == 401
        with socket.create_connection(("127.0.0.1", int(url.split(":")[2][:-3]))) as raw:
            context = ssl.create_default_context(cafile=str(file))
            context.wrap_socket(raw, server_hostname="box").close()
        assert process.stop(signal.SIGINT) == 0
    assert list(file.parent.iterdir()) == []


def test_it_can_be_a_proxy_and_ends_with_tunnels_open(log: Path) -> None:
    with contextlib.closing(Process(log, "--proxy=0")) as process:
        assert process.process.stdout is not None
        assert HOST in process.process.stdout.readline()
        export, *words = shlex.split(process.process.stdout.readline())
        variables = dict(word.split("=", 1) for word in words)
        proxy, ca = variables["HTTPS_PROXY"], shlex.split(process.lines[1])[2]
        assert (export, variables) == ("export", environment(proxy, ca))
        port = int(proxy.split(":")[2])
        with requests.Session() as session, contextlib.ExitStack() as stack:
            session.proxies = {"https": proxy}
            reply = session.get(f"https://{HOST}/v1/tasks", auth=("live_x", ""), verify=ca)
            assert reply.status_code == 200
            for data in (b"", b"CONNECT", b"CONNECT api.scale.com:443 HTTP/1.1\r\n\r\n"):
                raw = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                raw.sendall(data)
            assert process.stop() == 0
        with socket.create_server(("127.0.0.1", port)):  # the port is free at once
            pass
    assert not os.path.exists(ca)
    assert "Traceback" not in log.read_text()


def test_a_start_of_tls_that_fails_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--port=0", f"--proxy={port}", run=run)
        assert f"cannot listen on 127.0.0.1:{port}" in said
    full = refused("--port=0", "--tls-ca=/dev/full", run=run)
    assert full == "fakescale: cannot write /dev/full: No space left on device"
    assert "no certificate can name" in refused("--tls", "--allow-host=my_box")
    done = run_here(f"--tls-ca={tmp_path / 'nowhere' / 'x'}")
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)
    (tmp_path / "trustme.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert refused("--proxy=0", run=run).endswith("pip install 'fakescale[redirect]' (not here)")
