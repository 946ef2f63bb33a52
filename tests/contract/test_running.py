"""The contract tests as a user runs them: their server, their report, and their restraint."""

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
from tests.test_docs import PAGES

FAR = "http://scale.example/v1"  # a name that does not resolve
KEY = "test_somebody"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return an empty folder where pytest runs without the plugins of this suite."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:randomly")
    return pytester


def run(suite: pytest.Pytester, *arguments: str, module: str = "") -> pytest.RunResult:
    """Run the contract tests, or only those of a module, named as ``.test_assumptions``."""
    return suite.runpytest_inprocess("--pyargs", f"fakescale.contract{module}", *arguments)


def table(text: str) -> dict[str, list[int]]:
    """Return the table in a text: by kind, how many passed, failed and were not asked."""
    rows = re.findall(r"^ *(documented|observed|guessed) +(\d+) +(\d+) +(\d+)$", text, re.M)
    return {kind: [int(count) for count in counts] for kind, *counts in rows}


class Far:
    """A fake that seems to be on another machine, and the addresses that were connected to."""

    def __init__(self, fake: FakeScale) -> None:
        self.fake = fake
        self.reached: list[Any] = []


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """Redirect connections to a made-up host to a fake, and fail on all other connections."""
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


def test_a_fake_in_another_process_is_steered_like_one_in_this_process(
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
        # The run has removed its accounts, and the clock runs again.
        assert remote.dump()["accounts"] == before
        seen = remote.now()
        assert remote.now() > seen or remote.now() > seen


def test_a_wrong_assumption_is_reported_with_its_source(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TEST_MODE_TAKES", dt.timedelta(seconds=2))
    result = run(suite, module=".test_assumptions")
    counts = table(result.stdout.str())
    assert [row[1] for row in counts.values()] == [0, 0, 1]
    assert all(row[2] > 0 for row in counts.values())
    # The manual shows the table of a whole run.
    whole = {kind: [sum(row), 0, 0] for kind, row in counts.items()}
    assert table(PAGES["docs/fidelity.md"]) == whole
    result.stdout.fnmatch_lines(
        [
            "*= what is assumed of the API =*",
            "               passed     failed  not asked",
            "wrong (guessed: 8 ms in recorded traffic; equal stamps on the tasks page):"
            " a task of test mode takes milliseconds",
        ]
    )


def test_a_run_without_assumptions_prints_no_table(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_x(): pass")
    assert "assumed" not in suite.runpytest_inprocess().stdout.str()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import nothing_of_this_name", "*No module named 'nothing_of_this_name'"),
        ("def test_x(:", "*SyntaxError: invalid syntax"),
    ],
)
def test_a_file_that_cannot_be_imported_is_reported_as_an_error(
    suite: pytest.Pytester, source: str, text: str
) -> None:
    suite.makepyfile(test_broken=source)
    arguments = ["--continue-on-collection-errors", "-k", "broken", "test_broken.py"]
    result = run(suite, *arguments, module=".test_concurrency")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=1, deselected=1)
    result.stdout.fnmatch_lines([text])
    assert "INTERNALERROR" not in str(result.stdout)


def test_two_assumptions_cannot_have_the_same_law() -> None:
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


def test_the_option_offers_the_profiles_that_exist() -> None:
    choices = re.search(r"choices=\((.*)\)", Path(pytest_plugin.__file__).read_text("utf-8"))
    assert choices
    assert {*re.findall(r'"(\w+)"', choices[1]), "few"} == {*conftest.PROFILES}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"api_keys": ["live_a"]}, "accepts only the keys of its --api-key"),
        ({"control_token": "secret"}, "needs the header Authorization: Bearer TOKEN"),
    ],
)
def test_a_fakescale_that_refuses_new_accounts_is_an_error(
    options: Any, text: str, suite: pytest.Pytester
) -> None:
    with FakeScale(**options).serve() as fake:
        result = run(suite, f"--contract-url={fake.url}", module=".test_concurrency")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{text}*"])


# Against a server that is not a fakescale.


@contextlib.contextmanager
def stranger() -> Iterator[tuple[str, FakeScale]]:
    """Serve a fake that looks like another server: it has no control endpoints."""
    fake = FakeScale()

    def without_control(environ: Any, start_response: Any) -> Any:
        if "/_fakescale/" in environ["PATH_INFO"]:
            start_response("404 Not Found", [("Content-Length", "3")])
            return [b"<p>"]
        return fake(environ, start_response)

    with serving(without_control, "127.0.0.1", 0) as origin:
        yield f"{origin}/v1", fake


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_stranger_gets_only_the_tests_that_its_key_allows(
    mode: str, suite: pytest.Pytester
) -> None:
    names = "live_task or of_test_mode_says or wrong_key or 24_hours or another_user or crowd"
    with stranger() as (url, fake):
        fake.account("a").world(is_test=mode == "test").tasks.create("chat", unique_id="mine")
        arguments = (f"--contract-url={url}", f"--contract-key={mode}_a", "-k", names, "-rA")
        result = run(suite, *arguments)
        assert not fake.account("a").world(is_test=mode == "live").tasks
        assert {exchange.account for exchange in fake.requests} <= {"a", None}
    passed = set(re.findall(r"^PASSED .*::test_(\w+)$", result.stdout.str(), re.M))
    live = {
        *("a_live_task_is_pending", "a_live_task_has_is_test_false"),
        "a_crowd_sees_only_what_calls_in_some_order_could_show",
    }
    mine = live if mode == "live" else {"a_task_of_test_mode_says_so"}
    assert passed == {"a_wrong_key_is_401", *mine}


def test_a_stranger_without_a_key_is_an_error(suite: pytest.Pytester) -> None:
    with stranger() as (url, fake):
        result = run(suite, f"--contract-url={url}", module=".test_concurrency")
        assert len(fake.requests) == 0
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --contract-url {url} is not a fakescale: it needs a *"])


# Against a server that may be the real service.


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
def test_nothing_is_sent_if_the_options_are_wrong(
    arguments: tuple[str, ...], far: Far, suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: far.reached.append(given))
    result = run(suite, *arguments, module=".test_concurrency")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *"])
    assert far.reached == []


def test_a_server_on_another_machine_is_used_only_in_test_mode(
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
    assert outcomes["deselected"] > 40  # tests of live mode, of steering and of crowds
    assert set(outcomes) == {"passed", "deselected"}
    assert len(far.reached) > 0
    # The existing tasks are unchanged, and live mode has no new ones.
    assert [task.unique_id for task in account.tasks] == ["mine"]
    assert account.test.tasks.list()[-1:] == before
    assert not any(it.path.startswith("/_fakescale") for it in far.fake.requests)


def test_requests_to_another_machine_are_spaced_out(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "_PAUSE", 0.05)
    with opened(Where(FAR, KEY)) as service:
        for _ in range(4):
            assert service.call("GET", "/tasks?limit=1").status == 200
    moments = [exchange.when for exchange in far.fake.requests]
    assert moments[-1] - moments[0] >= dt.timedelta(milliseconds=100)  # of 150: some arrive late


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_on_another_machine_gets_no_request_after_a_429_or_a_5xx(
    status: int, far: Far
) -> None:
    far.fake.faults.add(status=status)
    with opened(Where(FAR, KEY)) as service:
        assert service.call("GET", "/tasks").status == status
        with pytest.raises(Stopped, match=f"GET /tasks was answered with {status}"):
            service.call("GET", "/tasks")
    assert len(far.fake.requests) == 1


def test_the_run_ends_after_a_429_from_another_machine(far: Far, suite: pytest.Pytester) -> None:
    far.fake.faults.add(status=429)
    arguments = (f"--contract-url={FAR}", f"--contract-key={KEY}")
    result = run(suite, *arguments, module=".test_assumptions_of_lists")
    assert len(far.fake.requests) == 1
    result.stdout.fnmatch_lines(["*!*GET * was answered with 429 !*"])


def test_on_another_machine_only_own_things_are_changed(far: Far) -> None:
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
            with pytest.raises(
                AssertionError, match="could change something that this run has not made"
            ):
                service.call(method, path, {})
        assert len(far.fake.requests) == 0
        made = service.call("POST", "/task/chat", {}).json["task_id"]
        assert service.call("PUT", f"/task/{made}/tags", ["a"]).status == 200
    assert tasks.get(theirs.id).unique_id == "mine"
