"""The pytest plugin, in test suites like those of its users."""

import ast
import datetime as dt
import os
import re
import subprocess
import sys

import pytest
import requests  # noqa: F401 - first: otherwise each run of pytester loads half of it again

from fakescale import FakeScale

EXAMPLE = """
    import scaleapi
    from scaleapi.tasks import TaskType

    def test_labels_are_exported(fakescale):
        client = scaleapi.ScaleClient(fakescale.api_key, api_instance_url=fakescale.url)
        client.create_task(TaskType.Chat, unique_id="u")
        [task] = fakescale.tasks.list(status="pending")
        fakescale.tasks.complete(task.id, response={"annotations": []})
        assert client.get_task(task.id).response == {"annotations": []}
        assert fakescale.requests[-1].path == f"/v1/task/{task.id}"
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a directory for a user's suite, which runs without random order."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:randomly")
    return pytester


def test_the_fixtures_are_found_without_a_conftest(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    suite.makepyfile(EXAMPLE)
    suite.runpytest_inprocess().assert_outcomes(passed=1)
    fixtures = suite.runpytest_inprocess("--fixtures").stdout.str()
    for name in ("fakescale", "fakescale_app", "fakescale_factory"):
        assert re.search(rf"^{name}( \[session scope\])? -- ", fixtures, re.MULTILINE)


# Each name is the law that its suite checks.
OF_ITS_OWN = {
    "test_every_test_gets_a_clean_fake_of_its_own": """
        import pytest, requests
        seen = set()

        @pytest.mark.parametrize("n", range(20))
        def test_clean(fakescale, n):
            assert (len(fakescale.tasks), len(fakescale.requests)) == (0, 0)
            requests.post(fakescale.url + "/task/chat", json={}, auth=(fakescale.api_key, ""))
            assert len(fakescale.tasks) == 1
            assert not {fakescale.url, fakescale.api_key} & seen  # no other test had them
            seen.update([fakescale.url, fakescale.api_key])
    """,
    "test_a_late_request_of_an_earlier_test_reaches_no_fake": """
        import requests, pytest
        kept = {}

        def test_one(fakescale):
            kept["session"] = session = requests.Session()
            session.auth = (fakescale.api_key, "")
            kept["url"] = fakescale.url
            assert session.get(fakescale.url + "/tasks").status_code == 200

        def test_two(fakescale):
            with pytest.raises(requests.ConnectionError):
                kept["session"].post(kept["url"] + "/task/chat", json={})
            assert len(fakescale.requests) == 0
            # Even at the new address, the old key leads to another account.
            kept["session"].post(fakescale.url + "/task/chat", json={})
            assert len(fakescale.tasks) == 0
    """,
    "test_the_app_fixture_needs_no_socket": """
        import socket
        import httpx

        def test_app(fakescale_app, monkeypatch):
            monkeypatch.setattr(socket, "socket", None)
            transport = httpx.WSGITransport(app=fakescale_app)
            with httpx.Client(transport=transport, base_url=fakescale_app.url) as client:
                reply = client.get("/tasks", auth=(fakescale_app.api_key, ""))
            assert reply.json()["docs"] == []
    """,
    "test_the_factory_works_in_wider_fixtures_and_with_hypothesis": """
        import pytest
        from hypothesis import given, strategies as st

        @pytest.fixture(scope="module")
        def shared(fakescale_factory):
            with fakescale_factory(api_keys=["live_mine"]) as fake:
                yield fake

        def test_one(shared): shared.tasks.create("chat")
        def test_two(shared): assert len(shared.tasks) == 1
        def test_key(shared): assert shared.api_key == "live_mine"

        @given(number=st.integers(0, 5))
        def test_example(fakescale_factory, number):
            with fakescale_factory() as fake, fakescale_factory(served=False) as other:
                ids = {fake.tasks.create("chat").id for _ in range(number)}
                ids |= {other.tasks.create("chat").id for _ in range(number)}
                assert len(ids) == 2 * number
    """,
    "test_fakes_that_are_open_together_have_ids_of_their_own": """
        def test_overlap(fakescale_factory, fakescale, fakescale_app):
            one, two = fakescale_factory(), fakescale_factory()
            fakes = [fakescale, fakescale_app, one.__enter__(), two.__enter__()]
            one.__exit__(None, None, None)
            with fakescale_factory() as three:
                fakes.append(three)
                del fakes[2]
                assert len({fake.tasks.create("chat").id[8:] for fake in fakes}) == 4
                assert len({fake.api_key for fake in fakes}) == 4
            two.__exit__(None, None, None)
    """,
}


def test_the_fixtures_give_each_test_a_fake_of_its_own(suite: pytest.Pytester) -> None:
    suite.makepyfile(**OF_ITS_OWN)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=20 + 2 + 1 + 4 + 1)


IDS = """
    import pytest

    @pytest.fixture(scope="module")
    def shared(fakescale_factory):
        with fakescale_factory() as fake:
            yield [fake.tasks.create("chat").id[8:] for _ in range(3)]

    @pytest.mark.parametrize("n", range(3))
    def test_ids(fakescale, shared, n):
        with open("ids", "a") as file:
            file.write(f"{n} {fakescale.tasks.create('chat').id[8:]} {shared}\\n")
    """


def test_a_seed_determines_ids_in_any_order_of_tests(suite: pytest.Pytester) -> None:
    suite.makepyfile(IDS)
    written = suite.path / "ids"

    def run(*arguments: str) -> list[str]:
        written.unlink(missing_ok=True)
        suite.runpytest_inprocess(*arguments)
        return sorted(written.read_text().splitlines())

    first = run("--fakescale-seed=7")
    assert len(set(first)) == 3
    assert run("--fakescale-seed=7", "-p", "randomly", "-p", "no:xdist") == first
    assert run("--fakescale-seed=7", "-n", "2") == first
    assert run("--fakescale-seed=8") != first
    assert run() != run()


@pytest.mark.usefixtures("undocumented")
def test_a_failing_test_reports_its_exchanges(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import requests
        import fakescale.account.tasks

        def test_fails(fakescale, monkeypatch):
            def call(method, path, key=fakescale.api_key, **more):
                return requests.request(method, fakescale.url + path, auth=(key, ""), **more)

            for n in range(75):
                call("GET", f"/tasks?limit={n + 1}")
            call("POST", "/task/5f/cancl")
            call("GET", "/tasks?limit=0")
            call("GET", "/tasks", key="nobody")
            monkeypatch.setattr(fakescale_tasks, "_page", None)
            call("GET", "/tasks")
            assert False

        fakescale_tasks = fakescale.account.tasks.Tasks

        def test_passes(fakescale):
            fakescale.tasks.create("chat")
        """
    )
    result = suite.runpytest_inprocess("-rA", "--fakescale-seed=42")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- fakescale -*",
            "--fakescale-seed=42",
            "... * earlier lines",
            "GET /v1/tasks?limit=75 -> 200",
            "POST /v1/task/5f/cancl -> 404 Not found: POST /v1/task/5f/cancl (text: guessed)",
            "    the nearest route is POST /v1/task/<task_id>/cancel",
            'GET /v1/tasks[?]limit=0 -> 400 Parameter is invalid, reason: "limit" must be *',
            "GET /v1/tasks -> 401 Your API key does not correspond to a registered user. *",
            "GET /v1/tasks -> 500 *",
            "    Traceback (most recent call last):",
            "    TypeError: 'NoneType' object is not callable",
        ]
    )
    text = result.stdout.str()
    assert "limit=20 " not in text
    report = text.split("- fakescale -")[1].partition("\n=")[0]
    assert len(report.splitlines()) == 1 + 60  # the rest of its title, and 60 lines
    assert text.count("- fakescale -") == 1
    assert "nobody" not in report


def test_a_failing_setup_or_teardown_reports_exchanges_too(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest, requests

        @pytest.fixture
        def broken(fakescale):
            requests.get(fakescale.url + "/setup")
            assert False

        @pytest.fixture
        def late(fakescale):
            yield
            requests.get(fakescale.url + "/teardown")
            assert False

        def test_setup(broken): pass
        def test_teardown(late): pass
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["GET /v1/setup -> 401 *", "GET /v1/teardown -> 401 *"])


def test_a_failing_test_reports_the_exceptions_of_its_labeler(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import datetime as dt

        def test_fails(fakescale):
            fakescale.labeler = lambda task: {"x": 1}[task.unique_id]
            fakescale.turnaround = dt.timedelta(hours=1)
            fakescale.tasks.create("chat", unique_id="u")
            fakescale.advance(hours=1)
            assert fakescale.tasks.list(status="completed")
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the labeler raised an exception for task *", "KeyError: 'u'"])


def test_a_report_names_other_accounts_and_callbacks_that_failed(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import requests

        def test_fails(fakescale, callback_receiver):
            url = fakescale.url + "/task/chat"
            requests.post(url, json={}, auth=("live_pets", ""))
            requests.post(url, json={}, auth=(fakescale.api_key, ""))
            callback_receiver.answer(500)
            for where in (callback_receiver.url, "http://consumer:8000/cb"):
                fakescale.tasks.complete(fakescale.tasks.create("chat", callback_url=where))
            fakescale.callbacks.deliver()
            assert False
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*callback completed * to http://consumer:8000/cb not sent: consumer is not allowed",
            "POST /v1/task/chat -> 200 * (account: pets)",
            "POST /v1/task/chat -> 200 *",
            "callback completed * to http://127.0.0.1:* -> 500",
        ]
    )


def test_a_report_holds_no_exchanges_of_earlier_tests(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest, requests

        @pytest.fixture(scope="module")
        def shared(fakescale_factory):
            with fakescale_factory() as fake:
                yield fake

        def test_one(shared): requests.get(shared.url + "/before")

        def test_two(shared):
            requests.get(shared.url + "/during")
            assert False

        def test_without(): assert False
        """
    )
    text = suite.runpytest_inprocess().stdout.str()
    assert "GET /v1/during -> 401" in text
    assert "GET /v1/before" not in text


def test_a_report_holds_the_last_exchanges_of_hypothesis_s_examples(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import requests
        from hypothesis import Phase, given, settings, strategies as st

        @settings(max_examples=30, derandomize=True, phases=[Phase.generate, Phase.shrink])
        @given(st.integers(0, 100))
        def test_example(fakescale_factory, number):
            with fakescale_factory() as fake:
                for n in range(3):
                    requests.get(f"{fake.url}/{number}/{n}")
                assert number < 50
        """
    )
    lines = suite.runpytest_inprocess().stdout.lines
    told = [line for line in lines if line.startswith("GET /v1/")]
    assert 40 < len(told) <= 60
    assert told[-1].startswith("GET /v1/50/2 -> 401")


def test_parallel_and_repeated_runs_just_work_and_report_failures(
    suite: pytest.Pytester,
) -> None:
    # urllib, since an HTTP client takes the workers longer to import than all else they do.
    suite.makepyfile(
        """
        from urllib.request import Request, urlopen

        def test_clean(fakescale):
            headers = {"Authorization": f"Bearer {fakescale.api_key}"}
            url = f"{fakescale.url}/task/chat"
            assert urlopen(Request(url, b"{}", headers)).status == 200
            assert len(fakescale.tasks) == 1

        def test_x(fakescale):
            assert fakescale.tasks.list() == [1]
        """
    )
    result = suite.runpytest_inprocess("-n", "2", "--count", "10")
    result.assert_outcomes(passed=10, failed=10)
    # Each failing test of a worker has its section.
    result.stdout.fnmatch_lines(["*- fakescale -*", "--fakescale-seed=*"] * 10)


def test_frozen_time_is_seen_through_the_fixture(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import freezegun, requests

        @freezegun.freeze_time("2020-01-02T03:04:05Z")
        def test_frozen(fakescale):
            reply = requests.post(fakescale.url + "/task/chat", json={}, auth=("live_x", ""))
            assert reply.json()["created_at"] == "2020-01-02T03:04:05.000Z"

        def test_thawed(fakescale):
            assert not fakescale.tasks.create("chat").created_at.startswith("2020")
        """
    )
    # In a process of its own, so that time is frozen before the package is imported.
    suite.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_package_may_be_imported_while_time_is_frozen() -> None:
    code = """
import freezegun
with freezegun.freeze_time("2020-01-01"):
    from fakescale import FakeScale
    fake = FakeScale()
    assert fake.tasks.create("chat").created_at == "2020-01-01T00:00:00.000Z"
    assert len(fake.tasks.list(start_time="2020-01-01", end_time=fake.now())) == 1
assert not fake.tasks.create("chat").created_at.startswith("2020")
assert len(fake.tasks.list(end_time="2020-01-01")) == 1
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


HEAVY = ["werkzeug", "jsonschema_rs", "hypothesis", "freezegun", "ssl", "requests", "http.server"]


def test_an_unused_plugin_imports_nothing_heavy(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_PLUGINS")
    suite.makepyfile(
        f"""
        import sys

        def test_fails():
            assert False

        def test_light():
            assert "fakescale.pytest_plugin" in sys.modules
            assert sorted(name for name in {HEAVY} if name in sys.modules) == []
            ours = [name for name in sys.modules if name.startswith("fakescale")]
            assert sorted(ours) == ["fakescale", "fakescale.pytest_plugin"]
        """
    )
    # Without the other plugins of this environment, which import heavy modules themselves.
    code = (
        "import os, sys; os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'; import pytest;"
        "sys.exit(pytest.main(['-c', os.devnull, '--rootdir=.', '-p', 'fakescale.pytest_plugin']))"
    )
    suite.run(sys.executable, "-c", code).assert_outcomes(passed=1, failed=1)


ELSEWHERE = """
    import requests, pytest
    from fakescale import RemoteFakeScale
    seen = set()

    @pytest.mark.parametrize("n", range(3))
    def test_clean(fakescale, n):
        assert isinstance(fakescale, RemoteFakeScale)
        assert (len(fakescale.tasks), len(fakescale.requests)) == (0, 0)
        requests.post(fakescale.url + "/task/chat", json={}, auth=(fakescale.api_key, ""))
        [task] = fakescale.tasks
        assert fakescale.tasks.complete(task.id).status == "completed"
        assert fakescale.requests[-1].path == "/v1/task/chat"
        assert fakescale.api_key not in seen
        seen.add(fakescale.api_key)

    def test_the_other_fixtures_stay_local(fakescale_app, fakescale_factory):
        with fakescale_factory() as fake:
            for local in (fakescale_app, fake):
                assert type(local).__name__ == "FakeScale"
"""


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_fixture_can_use_a_server_that_runs_elsewhere(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    suite.makepyfile(ELSEWHERE)
    with FakeScale(control_token="secret").serve() as fake:
        fake.tasks.create("chat", unique_id="mine")
        monkeypatch.setenv("FAKESCALE_CONTROL_TOKEN", "secret")
        if way == "environment":
            monkeypatch.setenv("FAKESCALE_URL", fake.url)
        # Workers inherit the environment, but the option must be passed on to them.
        arguments = [f"--fakescale-url={fake.url}", "-n", "1"] if way == "option" else []
        suite.runpytest_inprocess(*arguments).assert_outcomes(passed=4)
        assert [task.unique_id for task in fake.tasks] == ["mine"]
        # Each test forgot its own account, and nothing else.
        assert (fake.requests.total, len(fake.requests)) == (3, 0)


def test_the_turnaround_of_the_server_is_put_back_after_each_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import datetime as dt
        import pytest

        def test_it_is_set(fakescale):
            assert fakescale.turnaround == dt.timedelta(hours=2)
            for fakescale.turnaround in (None, dt.timedelta(0)):
                pass
            made = fakescale.tasks.create("chat")
            assert fakescale.tasks.get(made.id).status == "completed"

        def test_it_was_put_back(fakescale):
            assert fakescale.turnaround == dt.timedelta(hours=2)
        """
    )
    with FakeScale(complete_after=dt.timedelta(hours=2)).serve() as fake:
        suite.runpytest_inprocess(f"--fakescale-url={fake.url}").assert_outcomes(passed=2)
        assert fake.turnaround == dt.timedelta(hours=2)


def test_a_failing_test_reports_its_exchanges_with_the_server(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import requests

        def test_fails(fakescale):
            requests.get(fakescale.url + "/taks", auth=(fakescale.api_key, ""))
            requests.get(fakescale.url + "/tasks", auth=("live_somebody_else", ""))
            assert False
        """
    )
    with FakeScale().serve() as fake:
        result = suite.runpytest_inprocess(f"--fakescale-url={fake.url}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "*- fakescale -*",
                f"--fakescale-url={fake.url}",
                "GET /v1/taks -> 404 *",
                "    the nearest route is GET /v1/tasks",
            ]
        )
        assert "GET /v1/tasks -> 200" not in result.stdout.str()


def test_no_proxy_of_the_environment_comes_between(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(
        """
        import requests

        def test_receiver(callback_receiver):
            assert requests.post(callback_receiver.url, json={}).ok

        def test_fake(fakescale):
            assert requests.get(f"{fakescale.url}/tasks").status_code == 401
        """
    )
    for name in ("http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with FakeScale().serve() as fake:
        url = fake.url.replace("127.0.0.1", "localhost")
        suite.runpytest_inprocess("-k", "fake", f"--fakescale-url={url}").assert_outcomes(
            passed=1, deselected=1
        )
    suite.runpytest_inprocess().assert_outcomes(passed=2)
    suite.runpytest_inprocess("-k", "fake", "--fakescale-redirect").assert_outcomes(
        passed=1, deselected=1
    )
    assert "NO_PROXY" not in os.environ
    assert "no_proxy" not in os.environ


def test_the_environment_of_one_test_is_not_that_of_another(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(
        """
        import os
        import pytest, requests

        @pytest.fixture(autouse=True)
        def clean(monkeypatch):
            monkeypatch.setattr(os, "environ", {"HTTP_PROXY": "http://127.0.0.1:1"})

        @pytest.mark.parametrize("n", range(2))
        def test_fake(n, fakescale):
            assert requests.get(f"{fakescale.url}/tasks").status_code == 401

        def test_receiver(callback_receiver):
            assert requests.post(callback_receiver.url, json={}).ok

        def test_factory(fakescale_factory):
            with fakescale_factory() as fake:
                assert requests.get(f"{fake.url}/tasks").status_code == 401
            assert "NO_PROXY" not in os.environ
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=4)


def test_a_missing_server_is_an_error_of_the_fixture(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_x(fakescale): pass")
    result = suite.runpytest_inprocess("--fakescale-url=http://127.0.0.1:1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E * no fakescale answers at http://127.0.0.1:1/v1: *"])


def test_a_server_that_goes_away_does_not_hide_the_failure(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from fakescale import FakeScale

        def test_x(fakescale, monkeypatch):
            monkeypatch.setattr(fakescale, "_connect", None)
            fakescale._connect = lambda: (_ for _ in ()).throw(ConnectionRefusedError())
            assert 1 == 2
        """
    )
    with FakeScale().serve() as fake:
        result = suite.runpytest_inprocess(f"--fakescale-url={fake.url}")
    result.stdout.fnmatch_lines(["E *assert 1 == 2"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_a_debugger_tells_where_the_pages_are(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def enter(pytestconfig):
            pytestconfig.hook.pytest_enter_pdb(config=pytestconfig, pdb=None)

        def test_without_a_fake(pytestconfig):
            enter(pytestconfig)

        def test_it(pytestconfig, fakescale, fakescale_app, fakescale_factory):
            with fakescale_factory() as other:
                print([fakescale.ui, other.ui])
                enter(pytestconfig)
        """
    )
    result = pytester.runpytest("-rP")
    result.assert_outcomes(passed=2)
    told = [line for line in result.outlines if line.startswith("fakescale: look at ")]
    [line] = [line for line in result.outlines if line.startswith("['http")]
    assert [f"fakescale: look at {address}" for address in ast.literal_eval(line)] == told
