"""The contract tests as a user runs them: where they ask, what they leave alone, what they tell."""

import contextlib
import datetime as dt
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakescale import FakeScale, RemoteFakeScale, pytest_plugin
from fakescale.account import tasks
from fakescale.contract import conftest, target
from fakescale.contract.assumptions import ASSUMPTIONS, rows
from fakescale.contract.opening import opened
from fakescale.contract.target import Stopped
from fakescale.contract.where import Where
from fakescale.server.server import serving
from tests.test_command import Process
from tests.test_readme import README

FAR = "http://scale.example/v1"  # a name that leads nowhere
KEY = "test_somebody"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return an empty folder, where the tests are run without the plugins that ours need."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:randomly")
    return pytester


def run(suite: pytest.Pytester, *arguments: str, module: str = "") -> pytest.RunResult:
    """Run the contract tests, or those of a module, whose name begins with a point."""
    return suite.runpytest_inprocess("--pyargs", f"fakescale.contract{module}", *arguments)


def table(text: str) -> dict[str, list[int]]:
    """Return the rows of the table in a text: how many passed, failed, and were not asked."""
    rows = re.findall(r"^ *(documented|observed|guessed) +(\d+) +(\d+) +(\d+)$", text, re.M)
    return {kind: [int(count) for count in counts] for kind, *counts in rows}


class Far:
    """A fake that is reached as if it were on another machine, and who tried to reach one."""

    def __init__(self, fake: FakeScale) -> None:
        self.fake = fake
        self.reached: list[Any] = []


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """Let connections to a made-up host, and no others, lead to a fake."""
    connect = socket.create_connection
    monkeypatch.setattr(target, "_PAUSE", 0.0)
    with FakeScale(allow_hosts=["scale.example"]).serve() as fake:
        far = Far(fake)
        port = int(fake.url.removesuffix("/v1").rpartition(":")[2])

        def mapped(address: Any, *more: Any, **named: Any) -> socket.socket:
            far.reached.append(address)
            assert address == ("scale.example", 80)
            return connect(("127.0.0.1", port), *more, **named)

        monkeypatch.setattr(socket, "create_connection", mapped)
        yield far


# Against a fakescale.


def test_a_fake_in_another_process_is_steered_like_one_in_this(
    suite: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKESCALE_CONTROL_TOKEN", "secret")
    with contextlib.closing(Process(tmp_path / "log")) as process:
        remote = RemoteFakeScale(process.url, token="secret")
        remote.tasks.create("chat", unique_id="mine")
        before = remote.dump()["accounts"]
        modules = ("fakescale.contract.test_concurrency", f"--contract-url={process.url}")
        result = run(suite, *modules, module=".test_assumptions_of_fakes")
        outcomes = result.parseoutcomes()
        assert outcomes.pop("passed") > 30
        assert outcomes == {}
        # What was made for it is gone, and the clock goes.
        assert remote.dump()["accounts"] == before
        seen = remote.now()
        assert remote.now() > seen or remote.now() > seen


def test_an_assumption_that_is_wrong_is_told_with_its_source(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TEST_MODE_TAKES", dt.timedelta(seconds=2))
    result = run(suite, module=".test_assumptions")
    counts = table(result.stdout.str())
    assert [row[1] for row in counts.values()] == [0, 0, 1]
    assert all(row[2] > 0 for row in counts.values())
    # README shows that of a whole run.
    whole = {kind: [sum(row), 0, 0] for kind, row in counts.items()}
    assert table(README) == whole
    result.stdout.fnmatch_lines(
        [
            "*= what is assumed of the API =*",
            "               passed     failed  not asked",
            "not so (guessed: 8 ms in recorded traffic; equal stamps on the tasks page):"
            " a task of test mode takes milliseconds",
        ]
    )


def test_without_an_assumption_there_is_no_table(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_x(): pass")
    assert "assumed" not in suite.runpytest_inprocess().stdout.str()


def test_a_file_that_cannot_be_imported_is_shown_as_such(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_broken="import nothing_of_this_name")
    arguments = ["--continue-on-collection-errors", "-k", "broken", "test_broken.py"]
    result = run(suite, *arguments, module=".test_concurrency")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=1, deselected=1)
    result.stdout.fnmatch_lines(["*No module named 'nothing_of_this_name'"])
    assert "INTERNALERROR" not in str(result.stdout)


def test_an_assumption_has_a_law_of_its_own() -> None:
    [row] = rows("guessed", ("a law of a test", "none", "GET /", 404))
    try:
        assert rows("guessed", ("a law of a test", "none", "GET /", 400))
        with pytest.raises(AssertionError, match="assumed twice: a law of a test"):
            rows("documented", ("a law of a test", "none", "GET /", 404))
    finally:
        assert ASSUMPTIONS.pop("a law of a test") == row.assumption


def test_a_user_s_own_profile_of_hypothesis_is_left_alone(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        import hypothesis
        hypothesis.settings.register_profile("mine", stateful_step_count=7)
        hypothesis.settings.load_profile("mine")
        """
    )
    suite.makepyfile(
        test_mine="""
        import hypothesis
        def test_mine():
            assert hypothesis.settings().stateful_step_count == 7
        """
    )
    names = ("-k", "test_mine or a_wrong_key_is_401")
    run(suite, "test_mine.py", *names, module=".test_assumptions").assert_outcomes(passed=2)


def test_a_profile_is_what_it_is_called() -> None:
    choices = re.search(r"choices=\((.*)\)", Path(pytest_plugin.__file__).read_text("utf-8"))
    assert choices
    assert {*re.findall(r'"(\w+)"', choices[1]), "few"} == {*conftest.PROFILES}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"api_keys": ["live_a"]}, "takes no keys but those of --api-key"),
        ({"control_token": "secret"}, "needs the header Authorization: Bearer TOKEN"),
    ],
)
def test_a_fakescale_that_gives_no_accounts_is_an_error(
    options: Any, text: str, suite: pytest.Pytester
) -> None:
    with FakeScale(**options).serve() as fake:
        result = run(suite, f"--contract-url={fake.url}", module=".test_concurrency")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{text}*"])


# Against a server that nobody steers.


@contextlib.contextmanager
def stranger() -> Iterator[tuple[str, FakeScale]]:
    """Serve a fake that nobody can tell from another server."""
    fake = FakeScale()

    def without_control(environ: Any, start_response: Any) -> Any:
        if "/_fakescale/" in environ["PATH_INFO"]:
            start_response("404 Not Found", [("Content-Length", "3")])
            return [b"<p>"]
        return fake(environ, start_response)

    with serving(without_control, "127.0.0.1", 0) as origin:
        yield f"{origin}/v1", fake


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_stranger_is_asked_what_its_key_is_good_for(mode: str, suite: pytest.Pytester) -> None:
    names = "live_task or of_test_mode_says or wrong_key or 24_hours or another_user or crowd"
    with stranger() as (url, fake):
        fake.account("a").world(is_test=mode == "test").tasks.create("chat", unique_id="mine")
        arguments = (f"--contract-url={url}", f"--contract-key={mode}_a", "-k", names, "-rA")
        result = run(suite, *arguments)
        assert not fake.account("a").world(is_test=mode == "live").tasks
        assert {exchange.account for exchange in fake.requests} <= {"a", None}
    passed = set(re.findall(r"^PASSED .*::test_(\w+)$", result.stdout.str(), re.M))
    live = {
        *("a_live_task_is_pending", "a_live_task_says_that_it_is_no_test"),
        "a_crowd_sees_what_one_after_the_other_could_have_seen",
    }
    mine = live if mode == "live" else {"a_task_of_test_mode_says_so"}
    assert passed == {"a_wrong_key_is_401", *mine}


def test_a_stranger_without_a_key_is_an_error(suite: pytest.Pytester) -> None:
    with stranger() as (url, fake):
        result = run(suite, f"--contract-url={url}", module=".test_concurrency")
        assert len(fake.requests) == 0
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --contract-url {url} is no fakescale: it needs a *"])


# Against what may be the real service.


@pytest.mark.parametrize(
    "arguments",
    [
        (f"--contract-url={FAR}",),
        (f"--contract-url={FAR}", "--contract-key=live_a"),
        ("--contract-url=https://api.scale.com/v1", "--contract-key=live_a"),
        ("--contract-url=http://127.0.0.1.example.com", "--contract-key=live_a"),
        ("--contract-url=http://127.0.0.1@scale.example", "--contract-key=live_a"),
        (f"--contract-url={FAR}", "--contract-key=latest_test_a"),
        (f"--contract-url={FAR}", "--contract-key="),
        ("--contract-key=test_a",),
        ("--contract-url=scale.example", "--contract-key=test_a"),
        ("--contract-url=http://127.0.0.1:port",),
        ("--contract-url=http://127.0.0.1/?a=b",),
    ],
)
def test_nothing_is_sent_where_the_options_are_wrong(
    arguments: tuple[str, ...], far: Far, suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: far.reached.append(given))
    result = run(suite, *arguments, module=".test_concurrency")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *"])
    assert far.reached == []


def test_a_server_of_another_machine_is_asked_in_test_mode_alone(
    far: Far, suite: pytest.Pytester
) -> None:
    account = far.fake.account("somebody")
    for world in (account, account.test):
        world.tasks.create("chat", unique_id="mine")
    before = account.test.tasks.list()
    arguments = (f"--contract-url={FAR}", "--contract-key=somebody|test")
    modules = [
        f"fakescale.contract.test_{name}" for name in ("assumptions_of_fakes", "concurrency")
    ]
    result = run(suite, *modules, *arguments, module=".test_assumptions_of_changes")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 25
    assert outcomes["deselected"] > 40  # what needs the live mode, steering, or a crowd
    assert set(outcomes) == {"passed", "deselected"}
    assert len(far.reached) > 0
    # Nothing of what was there has changed, and nothing lives in the live world.
    assert [task.unique_id for task in account.tasks] == ["mine"]
    assert account.test.tasks.list()[-1:] == before
    assert not any(it.path.startswith("/_fakescale") for it in far.fake.requests)


def test_a_server_of_another_machine_is_given_time(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "_PAUSE", 0.05)
    with opened(Where(FAR, KEY)) as service:
        for _ in range(4):
            assert service.call("GET", "/tasks?limit=1").status == 200
    moments = [exchange.when for exchange in far.fake.requests]
    assert moments[-1] - moments[0] >= dt.timedelta(milliseconds=140)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_of_another_machine_that_has_had_enough_is_left_alone(
    status: int, far: Far
) -> None:
    far.fake.faults.add(status=status)
    with opened(Where(FAR, KEY)) as service:
        assert service.call("GET", "/tasks").status == status
        with pytest.raises(Stopped, match=f"GET /tasks was answered with {status}"):
            service.call("GET", "/tasks")
    assert len(far.fake.requests) == 1


def test_the_run_ends_there(far: Far, suite: pytest.Pytester) -> None:
    far.fake.faults.add(status=429)
    arguments = (f"--contract-url={FAR}", f"--contract-key={KEY}")
    result = run(suite, *arguments, module=".test_assumptions_of_lists")
    assert len(far.fake.requests) == 1
    result.stdout.fnmatch_lines(["*!*GET * was answered with 429 !*"])


def test_on_another_machine_only_what_was_made_is_changed(far: Far) -> None:
    tasks = far.fake.account("somebody").test.tasks
    theirs = tasks.create("chat", unique_id="mine")
    far.fake.account("somebody").test.projects.create(type="chat", name="theirs")
    with opened(Where(FAR, KEY)) as service:
        for method, path in (
            ("DELETE", f"/task/{theirs.id}/unique_id"),
            ("POST", f"/task/{theirs.id}/cancel?clear_unique_id=true"),
            ("PUT", f"/task/{theirs.id}/tags"),
            ("POST", "/projects/theirs/setParams"),
            ("POST", "/teams/invite"),
            ("PUT", "/audits"),
            ("POST", "/studio/batches/reset_priorities"),
        ):
            with pytest.raises(AssertionError, match="could change what this run has not made"):
                service.call(method, path, {})
        assert len(far.fake.requests) == 0
        made = service.call("POST", "/task/chat", {}).json["task_id"]
        assert service.call("PUT", f"/task/{made}/tags", ["a"]).status == 200
    assert tasks.get(theirs.id).unique_id == "mine"
