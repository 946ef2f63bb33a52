"""Redirection in suites of the plugin's users."""

import os
import socket
import sys

import aiodns
import pytest
import requests.cookies
import scaleapi
import uvloop

from fakescale import FakeScale, redirection
from fakescale.redirection.patches import PATCHES
from tests.test_plugin import suite

__all__ = ["suite"]  # the fixture
# Loaded here, or each run of pytester would load half of these modules anew.
LOADED = (aiodns, requests.cookies, scaleapi, uvloop)


def test_the_fixture_leads_to_the_fake_of_this_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest, requests, scaleapi
        from scaleapi.tasks import TaskType

        client = scaleapi.ScaleClient("test_key")
        session = requests.Session()
        seen = []

        @pytest.mark.parametrize("n", range(3))
        def test_clean(fakescale_redirect, fakescale, n):
            assert fakescale_redirect is fakescale and fakescale not in seen
            task = client.create_task(TaskType.Chat, unique_id="u")
            assert fakescale.account("key").test.tasks.get(task.id).unique_id == "u"
            # A kept connection too.
            reply = session.get("https://api.scale.com/v1/tasks", auth=("test_key", ""))
            assert [it["task_id"] for it in reply.json()["docs"]] == [task.id]
            assert [it.path for it in fakescale.requests] == ["/v1/task/chat", "/v1/tasks"]
            # Past the redirection too.
            reply = session.get(f"{fakescale.url}/tasks", auth=("test_key", ""))
            assert reply.json()["total"] == 1
            seen.append(fakescale)
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=3)


WHOLE_RUN = {
    "client": """
        import requests

        session = requests.Session()
        session.auth = ("live_key", "")
        # Some client code connects when it is imported.
        at_import = session.get("https://api.scale.com/v1/tasks").json()["total"]

        def submit():
            task = {"unique_id": "u"}
            made = session.post("https://api.scale.com/v1/task/chat", json=task)
            return made.json()["task_id"]

        def total():
            return session.get("https://api.scale.com/v1/tasks").json()["total"]
    """,
    "conftest": """
        import client

        in_conftest = client.submit()
    """,
    "test_one": """
        import client, conftest, pytest
        earlier = []

        def test_import():
            assert client.at_import == 0 and len(conftest.in_conftest) == 24

        @pytest.mark.parametrize("n", range(3))
        def test_without_a_fixture(n):
            assert client.total() == 0
            client.submit()
            assert client.total() == 1

        @pytest.mark.parametrize("n", range(3))
        def test_with_a_fixture(fakescale, fakescale_redirect, n):
            assert fakescale is fakescale_redirect
            assert [fake.origin for fake in earlier] == [None] * len(earlier)  # they have ended
            earlier.append(fakescale)
            assert (len(fakescale.account("key").tasks), fakescale.requests.total) == (0, 0)
            assert client.total() == 0
            assert client.submit() == fakescale.account("key").tasks.list()[0].id
            assert client.session.get(fakescale.url + "/tasks").json()["total"] == 1

        def test_the_others_are_apart(fakescale_app, fakescale_factory, fakescale):
            with fakescale_factory() as fake:
                client.submit()
                assert len({fake.url, fakescale_app.url, fakescale.url}) == 3
                assert (fake.requests.total, fakescale_app.requests.total) == (0, 0)
    """,
}


@pytest.mark.parametrize("more", [[], ["-n", "1"], ["-p", "no:xdist", "-p", "no:cacheprovider"]])
def test_a_whole_run_can_be_redirected(suite: pytest.Pytester, more: list[str]) -> None:
    suite.makepyfile(**WHOLE_RUN)
    before = socket.getaddrinfo, vars(socket.socket).get("connect"), dict(os.environ)
    result = suite.runpytest_inprocess("--fakescale-redirect", "--fakescale-seed=1", *more)
    result.assert_outcomes(passed=8)
    del before[2]["PYTEST_CURRENT_TEST"]
    now = {name: it for name, it in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    if not PATCHES._blocks:  # else the guard of this run's own fakes is in place
        assert (socket.getaddrinfo, vars(socket.socket).get("connect")) == before[:2]
    assert now == before[2]


# Works as pytest-socket does without an option, as most suites use it.
RESTORING = """
    import socket

    true_connect, true_getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def pytest_runtest_teardown():
        socket.socket.connect = true_connect
        socket.getaddrinfo = true_getaddrinfo
"""
RESTORED = """
    import pytest, requests
    from fakescale import redirect

    def asked():
        requests.get("https://api.scale.com/v1/tasks")

    @pytest.mark.parametrize("n", range(3))
    def test_whole_run(pytestconfig, n):
        if pytestconfig.getoption("--fakescale-redirect"):
            asked()

    @pytest.fixture(scope="module")
    def wide(pytestconfig):
        if pytestconfig.getoption("--fakescale-redirect"):
            pytest.skip("redirected already")
        with redirect() as fake:
            yield fake

    @pytest.mark.parametrize("n", range(3))
    def test_wide(wide, n):
        asked()
        assert wide.requests.total == n + 1
"""


@pytest.mark.parametrize("arguments", [[], ["--fakescale-redirect"]])
def test_another_plugin_may_restore_the_functions(
    suite: pytest.Pytester, arguments: list[str]
) -> None:
    suite.makepyfile(restoring=RESTORING, test_restored=RESTORED)
    suite.syspathinsert()
    before = socket.socket.connect
    result = suite.runpytest_inprocess("-p", "restoring", *arguments)
    assert socket.socket.connect == before
    if "connect" in vars(socket.socket):
        del socket.socket.connect
    outcomes = {"passed": 3, "skipped": 3} if arguments else {"passed": 6}
    result.assert_outcomes(**outcomes)


def test_a_conftest_may_patch_what_sockets_are(suite: pytest.Pytester) -> None:
    """gevent and eventlet do; they need a process without threads, and without ssl."""
    suite.makeconftest(
        """
        import socket, sys, threading, _socket

        assert threading.active_count() == 1 and "ssl" not in sys.modules

        class Socket(socket.socket):
            def connect(self, address):
                assert address[0] == "127.0.0.1"
                return _socket.socket.connect(self, address)

        def getaddrinfo(host, *rest, **more):
            assert host == "127.83.67.65" or host == "127.0.0.1"
            return found(host, *rest, **more)

        found, socket.socket, socket.getaddrinfo = socket.getaddrinfo, Socket, getaddrinfo
        """
    )
    suite.makepyfile(
        """
        import http.client

        def asked():
            connection = http.client.HTTPSConnection("api.scale.com")
            connection.request("GET", "/v1/tasks", headers={"Authorization": "Bearer live_x"})
            assert connection.getresponse().status == 200
            connection.close()

        asked()

        def test_one(fakescale):
            asked()
            assert fakescale.requests.total == 1
        """
    )
    code = (
        "import os, sys; os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1';"
        "os.environ['PYTEST_PLUGINS'] = 'fakescale.pytest_plugin'; import pytest;"
        "sys.exit(pytest.main(['-c', os.devnull, '--rootdir=.', '--fakescale-redirect']))"
    )
    suite.run(sys.executable, "-c", code).assert_outcomes(passed=1)


KEPT = """
    import pytest, requests

    URL, AUTH = "https://api.scale.com/v1", ("live_x", "")

    @pytest.fixture(scope="session")
    def task_id(fakescale_redirect):
        return requests.post(f"{URL}/task/chat", json={}, auth=AUTH).json()["task_id"]

    @pytest.mark.parametrize("n", range(3))
    def test_the_task_is_kept(task_id, fakescale, fakescale_redirect, n):
        assert fakescale is fakescale_redirect
        assert requests.get(f"{URL}/task/{task_id}", auth=AUTH).ok
        assert fakescale.requests.total == n + 2

    def test_failing(fakescale):
        requests.get(f"{URL}/only_this", auth=AUTH)
        assert False
"""
AT_IMPORT = """
    import pytest, requests

    URL, AUTH = "https://api.scale.com/v1", ("live_x", "")
    made = requests.post(f"{URL}/task/chat", json={}, auth=AUTH).json()["task_id"]

    @pytest.mark.parametrize("n", range(2))
    def test_the_task_of_the_import_is_kept(n):
        assert requests.get(f"{URL}/task/{made}", auth=AUTH).ok
"""


def test_one_fake_can_be_kept_for_the_whole_run(suite: pytest.Pytester) -> None:
    suite.makepyfile(KEPT)
    result = suite.runpytest_inprocess("--fakescale-scope=session")
    result.assert_outcomes(passed=3, failed=1)
    told = [line for line in result.stdout.lines if line.startswith(("GET", "POST"))]
    assert told == [
        "GET /v1/only_this -> 404 Not found: GET /v1/only_this (text: guessed) (account: x)",
        "GET /v1/only_this -> 404",
    ]


def test_one_fake_can_be_kept_for_a_redirected_run(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\naddopts = -p no:randomly\nfakescale_scope = session")
    suite.makepyfile(test_kept=KEPT, test_more=AT_IMPORT)
    arguments = ["--fakescale-redirect", "-k", "not first"]
    suite.runpytest_inprocess(*arguments, "test_more.py").assert_outcomes(passed=2)
    suite.runpytest_inprocess(*arguments, "test_kept.py").assert_outcomes(passed=3, failed=1)
    # An option overrides the key.
    result = suite.runpytest_inprocess(*arguments, "--fakescale-scope=function", "test_more.py")
    result.assert_outcomes(failed=2)


def test_an_unknown_scope_is_an_error(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\nfakescale_scope = module")
    suite.makepyfile("def test_x(fakescale): pass")
    result = suite.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: fakescale_scope is one of function, session (*)"])


def test_a_run_whose_conftest_fails_leaves_nothing_behind(suite: pytest.Pytester) -> None:
    suite.makeconftest("import requests; requests.get('https://api.scale.com:1')")
    before = socket.getaddrinfo
    result = suite.runpytest_inprocess("--fakescale-redirect")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is redirected to fakescale at the ports 443 and 80, not at 1" in result.stderr.str()
    assert socket.getaddrinfo is before


def test_a_conftest_may_name_the_plugin(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_PLUGINS")
    suite.makeconftest("pytest_plugins = ['fakescale.pytest_plugin']")
    suite.makepyfile(
        """
        import requests

        def test_redirected(fakescale):
            requests.get("https://api.scale.com/v1/tasks")
            assert fakescale.requests.total == 1
        """
    )
    code = (
        "import os, sys; os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'; import pytest;"
        "sys.exit(pytest.main(['-c', os.devnull, '--rootdir=.', '--fakescale-redirect']))"
    )
    suite.run(sys.executable, "-c", code).assert_outcomes(passed=1)


def test_a_failing_test_shows_redirected_requests(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import requests

        requests.get("https://api.scale.com/v1/during_import")

        def test_one():
            requests.get("https://api.scale.com/v1/before")

        def test_two():
            requests.get("https://api.scale.com/v1/during")
            assert False

        def test_three():
            assert False

        def test_four(fakescale):
            assert False
        """
    )
    text = suite.runpytest_inprocess("--fakescale-redirect").stdout.str()
    assert text.count("- fakescale -") == text.count("--fakescale-seed=") == 2
    assert [line for line in text.splitlines() if line.startswith("GET")] == [
        "GET /v1/during -> 401 Your API key does not correspond to a registered user."
        " (text: observed)",
        "GET /v1/during -> 401",
    ]


def test_the_redirection_needs_a_fake_of_this_process(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_x(fakescale_redirect): pass")
    with FakeScale().serve() as fake:
        url = f"--fakescale-url={fake.url}"
        result = suite.runpytest_inprocess(url)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*fakescale_redirect leads to a fake of this process*"])
        result = suite.runpytest_inprocess(url, "--fakescale-redirect")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--fakescale-redirect leads to a fake of this process*"])


def test_the_redirection_needs_the_extra(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile("def test_x(fakescale_redirect): pass")
    monkeypatch.setitem(sys.modules, "trustme", None)
    redirection._authority.cache_clear()
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ImportError: *pip install 'fakescale[[]redirect]'*"])
    result = suite.runpytest_inprocess("--fakescale-redirect")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--fakescale-redirect: *pip install 'fakescale[[]redirect]'*"])


def test_a_run_within_a_redirected_run_is_an_error(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_x(fakescale_redirect): pass")
    with redirection.redirect():
        result = suite.runpytest_inprocess("--fakescale-redirect")
        suite.runpytest_inprocess().assert_outcomes(errors=1)
    result.stderr.fnmatch_lines(["*--fakescale-redirect: *redirected in this process already*"])
