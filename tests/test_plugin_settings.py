"""Strict tests, and the arguments of a test's fake by a mark or by ini keys."""

import pytest
import requests  # noqa: F401 - first: otherwise each run of pytester loads half of it again

from fakescale import FakeScale
from fakescale.fake import Options
from fakescale.pytest_plugin import _SETTINGS


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a directory for a user's suite, which runs without random order."""
    ini(pytester)
    return pytester


def ini(pytester: pytest.Pytester, *lines: str) -> None:
    head = "[pytest]\nfilterwarnings = error\naddopts = -p no:randomly --strict-markers\n"
    (pytester.path / "tox.ini").write_text(head + "\n".join(lines))


def test_a_mark_takes_strict_and_all_arguments_of_a_fake() -> None:
    assert _SETTINGS.keys() == {"strict"} | Options.__annotations__.keys()


# Each test but the first and the last has one trouble.
TROUBLES = """
    import datetime as dt
    import pytest, requests

    pytestmark = pytest.mark.fakescale(strict=True)

    def call(fake, method, path, **more):
        return requests.request(method, fake.url + path, auth=(fake.api_key, ""), **more)

    def test_fine(fakescale, callback_receiver):
        fakescale.faults.add(status=500, times=1)
        call(fakescale, "GET", "/tasks")
        call(fakescale, "GET", "/task/unknown")
        callback_receiver.answer(500)
        fakescale.tasks.complete(fakescale.tasks.create("chat", callback_url=callback_receiver.url))
        fakescale.advance(hours=2)
        fakescale.labeler, fakescale.turnaround = refuse, dt.timedelta(0)
        fakescale.tasks.create("chat", callback_url="a@example.com")
        assert len(fakescale.tasks.list(status="error")) == 1
        call(fakescale, "POST", "/task/chat", json={"instruction": "x"})

    def refuse(task):
        import fakescale
        raise fakescale.TaskFailure("blurred")

    def test_callback_failed(fakescale):
        url = "http://127.0.0.1:1/"
        fakescale.tasks.complete(fakescale.tasks.create("chat", callback_url=url))
        fakescale.advance(hours=25)

    def test_callback_not_sent(fakescale):
        url = "http://consumer/"
        fakescale.tasks.complete(fakescale.tasks.create("chat", callback_url=url))

    def test_fault(fakescale):
        with fakescale.faults.add(status=500):
            pass

    def test_route(fakescale):
        call(fakescale, "GET", "/taks")

    def test_member(fakescale_factory):
        with fakescale_factory() as fake:
            call(fake, "POST", "/task/chat", data={"instructions": "x"})

    def test_labeler(fakescale_app):
        fakescale_app.labeler = lambda task: 1 / 0
        fakescale_app.turnaround = dt.timedelta(0)
        fakescale_app.tasks.create("chat")
        assert len(fakescale_app.tasks.list(status="error")) == 1

    @pytest.mark.fakescale(strict=False)
    def test_lax(fakescale):
        call(fakescale, "GET", "/taks")
"""


def test_a_strict_test_fails_at_its_end_if_there_was_trouble(suite: pytest.Pytester) -> None:
    suite.makepyfile(TROUBLES)
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=2, failed=6)
    title = "fakescale is strict, and this test had troubles:"
    result.stdout.fnmatch_lines(
        [
            "* test_callback_failed *",
            title,
            "callback completed * to http://127.0.0.1:1/ failed for good",
            "* test_callback_not_sent *",
            title,
            "callback completed * to http://consumer/ not sent: consumer is not allowed",
            "* test_fault *",
            title,
            "fault * (status=500) never struck",
            "* test_route *",
            title,
            "GET /v1/taks -> 404 *",
            "    the nearest route is GET /v1/tasks",
            "* test_member *",
            title,
            "POST /v1/task/chat -> 200 *",
            '    unknown member "instructions": did you mean "instruction"?',
            "* test_labeler *",
            title,
            "the labeler raised an exception for task *",
        ]
    )


def test_a_run_may_be_strict(suite: pytest.Pytester) -> None:
    ini(suite, "fakescale_strict = true")
    suite.makepyfile(
        """
        import pytest, requests

        def test_route(fakescale):
            requests.get(fakescale.url + "/taks", auth=(fakescale.api_key, ""))

        @pytest.mark.fakescale(strict=False)
        def test_lax(fakescale):
            test_route(fakescale)
        """
    )
    with FakeScale().serve() as fake:
        for arguments in ([], [f"--fakescale-url={fake.url}"], ["--fakescale-scope=session"]):
            suite.runpytest_inprocess(*arguments).assert_outcomes(passed=1, failed=1)


MARKED = """
    import datetime as dt
    import pytest

    pytestmark = pytest.mark.fakescale(account="pets", complete_after=dt.timedelta(hours=3))

    def test_module(fakescale):
        assert (fakescale.api_key, fakescale.turnaround) == ("live_pets", dt.timedelta(hours=3))
"""
NEARER = """
    def test_app(fakescale_app):
        test_module(fakescale_app)

    @pytest.mark.fakescale(api_keys=["live_mine"], callback_hosts=["consumer"], complete_after=None)
    class TestClass:
        @pytest.mark.fakescale(complete_after=dt.timedelta(0), account="zoo")
        def test_nearest(self, fakescale):
            assert (fakescale.api_key, fakescale.turnaround) == ("live_mine", dt.timedelta(0))
"""


@pytest.mark.parametrize("arguments", [[], ["--fakescale-redirect"]])
def test_the_nearest_mark_says_how_the_fake_is_made(
    suite: pytest.Pytester, arguments: list[str]
) -> None:
    suite.makepyfile(MARKED + NEARER)
    suite.runpytest_inprocess(*arguments).assert_outcomes(passed=3)


def test_an_account_of_a_server_can_be_named(suite: pytest.Pytester) -> None:
    suite.makepyfile(MARKED)
    with FakeScale().serve() as fake:
        suite.runpytest_inprocess(f"--fakescale-url={fake.url}").assert_outcomes(passed=1)
        assert fake.turnaround is None


def test_ini_keys_say_how_all_fakes_are_made(suite: pytest.Pytester) -> None:
    ini(
        suite,
        "fakescale_account = pets",
        "fakescale_seed = 7",
        "fakescale_complete_after = 90",
        "fakescale_limits = max_body=1000 idle_seconds=0.5",
        "fakescale_callback_hosts = consumer other",
    )
    suite.makepyfile(
        """
        import datetime as dt

        def test_all(fakescale, fakescale_app, fakescale_factory):
            with fakescale_factory() as made:
                for fake in (fakescale, fakescale_app, made):
                    assert (fake.api_key, fake.turnaround.seconds) == ("live_pets", 90)
                    assert (fake.limits.max_body, fake.limits.idle_seconds) == (1000, 0.5)
            with fakescale_factory(account="zoo") as made:
                assert made.api_key == "live_zoo"
            assert fakescale is None
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert <FakeScale at *> is None", "--fakescale-seed=7"])


@pytest.mark.parametrize(
    ("mark", "arguments", "reason"),
    [
        ("stric=True", [], "there is no argument stric; did you mean strict?"),
        ("xyz=True", [], "there is no argument xyz; it takes strict, seed, *"),
        ('"pets"', [], "all arguments need a name"),
        (
            'account="pets"',
            ["--fakescale-scope=session"],
            "account needs a fake of this test alone, but fakescale_scope is session",
        ),
        (
            "api_keys=[]",
            ["--fakescale-url=http://127.0.0.1:1"],
            "api_keys cannot be used together with --fakescale-url",
        ),
    ],
)
def test_a_wrong_mark_is_refused_by_name(
    suite: pytest.Pytester, mark: str, arguments: list[str], reason: str
) -> None:
    suite.makepyfile(
        f"""
        import pytest

        @pytest.mark.fakescale({mark})
        def test_it(): pass
        """
    )
    result = suite.runpytest_inprocess(*arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"@pytest.mark.fakescale: {reason}"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("fakescale_report_lines = x", "*must be a number over 0 (got 'x')"),
        ("fakescale_complete_after = 1h", "*must be a number of seconds (got '1h')"),
        ("fakescale_limits = max_bdy=5", "fakescale_limits: *max_bdy*"),
        ("fakescale_limits = max_body=0", "fakescale_limits: max_body must be over 0 *"),
    ],
)
def test_a_wrong_value_of_an_ini_key_is_refused(
    suite: pytest.Pytester, line: str, reason: str
) -> None:
    ini(suite, line)
    result = suite.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {reason}"])
