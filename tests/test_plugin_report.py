"""The report of a failed test: each planted bug is found from the report alone."""

import re

import pytest
import requests  # noqa: F401 - first: otherwise each run of pytester loads half of it again
import scaleapi  # noqa: F401 - for the same reason

from fakescale import FakeScale

BUGS = """
    import datetime as dt

    import requests
    import scaleapi
    from scaleapi.tasks import TaskType


    def call(fake, method, path, key=None, **more):
        return requests.request(method, fake.url + path, auth=(key or fake.api_key, ""), **more)


    def test_wrong_account(fakescale):
        call(fakescale, "POST", "/task/chat", "live_pets", json={"unique_id": "u"})
        assert len(fakescale.tasks) == 1


    def test_task_of_another_account(fakescale):
        task_id = call(fakescale, "POST", "/task/chat", json={}).json()["task_id"]
        assert call(fakescale, "GET", f"/task/{task_id}", "live_pets").ok


    def test_labeler_raises(fakescale):
        fakescale.labeler = lambda task: {"x": 1}[task.unique_id]
        fakescale.turnaround = dt.timedelta(hours=1)
        call(fakescale, "POST", "/task/chat", json={"unique_id": "u"})
        fakescale.advance(hours=1)
        assert fakescale.tasks.list(status="completed")


    def test_callback_answered_500(fakescale, callback_receiver):
        for _ in range(21):
            callback_receiver.answer(500)
        call(fakescale, "POST", "/task/chat", json={"callback_url": callback_receiver.url})
        fakescale.tasks.complete(fakescale.tasks[0])
        fakescale.callbacks.deliver()
        fakescale.advance(hours=25)
        assert fakescale.tasks[0].callback_completed


    def test_callback_host(fakescale):
        call(fakescale, "POST", "/task/chat", json={"callback_url": "http://consumer:8000/cb"})
        fakescale.tasks.complete(fakescale.tasks[0])
        fakescale.callbacks.deliver()
        assert fakescale.tasks[0].callback_completed


    def test_fault_that_never_struck(fakescale):
        fakescale.faults.add(status=503, path="/v1/tasks/chat", times=1)
        assert call(fakescale, "POST", "/task/chat", json={}).status_code == 503


    def test_misspelt_member(fakescale):
        body = {"attachment": "http://a.com", "objects_to_anotate": ["cat"]}
        assert call(fakescale, "POST", "/task/annotation", json=body).ok


    def test_conflict(fakescale):
        client = scaleapi.ScaleClient(fakescale.api_key, api_instance_url=fakescale.url)
        for n in range(31):
            client.create_task(TaskType.Chat, unique_id=f"u{n % 30}")


    def test_no_retry(fakescale):
        fakescale.faults.add(status=503, times=1)
        client = scaleapi.ScaleClient(fakescale.api_key, api_instance_url=fakescale.url)
        client.create_task(TaskType.Chat)


    def test_polling(fakescale):
        task_id = call(fakescale, "POST", "/task/chat", json={}).json()["task_id"]
        for _ in range(19):
            answer = call(fakescale, "GET", f"/task/{task_id}")
        assert answer.json()["status"] == "completed"
"""

# The report of each test, without its bodies.
REPORTS = {
    "test_wrong_account": """
        POST /v1/task/chat -> 200 ID (unique_id: u) (account: pets)
    """,
    "test_task_of_another_account": """
        POST /v1/task/chat -> 200 ID
        GET /v1/task/ID -> 404 Task with that ID not found. (text: observed) (account: pets)
            this is a live task of the account OWN
    """,
    "test_labeler_raises": """
        POST /v1/task/chat -> 200 ID (unique_id: u)
        the clock moved by 1:00:00
        the labeler raised an exception for task ID
            TRACEBACK
            KeyError: 'u'
        task ID pending -> error by the labeler (unique_id: u)
    """,
    "test_callback_answered_500": """
        POST /v1/task/chat -> 200 ID
        task ID pending -> completed by the test
        callback completed ID to http://127.0.0.1:PORT/callback -> 500
        the clock moved by 1 day, 1:00:00
        callback completed ID to http://127.0.0.1:PORT/callback -> 500 × 20
        callback completed ID to http://127.0.0.1:PORT/callback failed for good
    """,
    "test_callback_host": """
        POST /v1/task/chat -> 200 ID
        task ID pending -> completed by the test
        callback completed ID to http://consumer:8000/cb not sent: consumer is not allowed
            only loopback and the hosts in callback_hosts get callbacks
    """,
    "test_fault_that_never_struck": """
        fault N (path='/v1/tasks/chat', times=1, status=503) added
        POST /v1/task/chat -> 200 ID
        fault N (path='/v1/tasks/chat', times=1, status=503) never struck; \
the nearest route is POST /v1/task/<type>
    """,
    "test_misspelt_member": """
        POST /v1/task/annotation -> 400 Parameter is invalid, \
reason: "objects_to_annotate" is required (text: documented)
            unknown member "objects_to_anotate": did you mean "objects_to_annotate"?
    """,
    "test_conflict": "".join(
        f"""
        POST /v1/task/chat -> 200 ID (unique_id: u{n})"""
        for n in range(30)
    )
    + """
        POST /v1/task/chat -> 409 The unique_id ("u0") is already used for a different task (ID). \
(text: documented)
    """,
    "test_no_retry": """
        fault N (times=1, status=503) added
        POST /v1/task/chat -> 503 Service Unavailable (fault: status 503)
            no retry followed: the official client retries over https alone; \
use the fixture fakescale_redirect
    """,
    "test_polling": """
        POST /v1/task/chat -> 200 ID
        GET /v1/task/ID -> 200 × 19
    """,
}
BODIES = {
    "test_misspelt_member": [
        "POST /v1/task/annotation -> 400",
        '    sent {"attachment": "http://a.com", "objects_to_anotate": ["cat"]}',
        r'    got {"status_code":400,"error":"Parameter is invalid, reason:'
        r' \"objects_to_annotate\" is required"}',
    ],
    "test_no_retry": [
        "POST /v1/task/chat -> 503",
        '    got {"status_code":503,"error":"Service Unavailable"}',
    ],
}
UNSTEADY = {
    r"\b[0-9a-f]{24}\b": "ID",
    r"\btest-[0-9a-f]+\b": "OWN",
    r"(127\.0\.0\.1):\d+": r"\1:PORT",
    r"^fault \d+": "fault N",
    r"^    Traceback \(.*\n(      .*\n)*": "    TRACEBACK\n",
}


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a directory for a user's suite, which runs without random order."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:randomly --tb=short")
    return pytester


def reports(result: pytest.RunResult) -> dict[str, str]:
    """Return the section of each failed test, in a form that no run changes."""
    found = {}
    text = "\n".join(result.outlines)
    for name, part in re.findall(r"^_+ (\w+) _+\n(.*?)(?=^_+ \w+ _+$|^===)", text, re.M | re.S):
        section = part.partition("- fakescale -")[2].partition("\n")[2]
        for unsteady, word in UNSTEADY.items():
            section = re.sub(unsteady, word, section, flags=re.M)
        found[name] = section
    return found


def unindented(text: str) -> list[str]:
    return [line[8:] for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "way", ["alone", pytest.param("workers", marks=pytest.mark.proof), "server"]
)
def test_each_planted_bug_is_found_from_the_report_alone(suite: pytest.Pytester, way: str) -> None:
    suite.makepyfile(x=BUGS)
    with FakeScale().serve() as fake:
        arguments = {
            "alone": [],
            "workers": ["-n", "2"],
            # A labeler works only in its own process.
            "server": [f"--fakescale-url={fake.url}", "--deselect", "x.py::test_labeler_raises"],
        }[way]
        found = reports(suite.runpytest_inprocess("x.py", "--fakescale-seed=7", *arguments))
        wanted = REPORTS.keys() - ({"test_labeler_raises"} if way == "server" else ())
        assert found.keys() == wanted
    for name, section in found.items():
        lines = section.splitlines()
        assert lines.pop(0) == "--fakescale-seed=7"
        if way == "server":
            assert lines.pop(0) == "--fakescale-url=http://127.0.0.1:PORT/v1"
        place = lines.index("the last requests and answers:")
        assert lines[:place] == unindented(REPORTS[name]), name
        if name in BODIES:
            assert lines[place + 1 :] == BODIES[name]
