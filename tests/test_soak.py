"""A long run loses no task, and leaves no thread, descriptor or memory behind."""

import subprocess
import sys

import pytest

# In a process of its own, whose memory nothing else changes.
ACCOUNTS = """
import datetime as dt, gc, resource, sys
from fakescale import FakeScale

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 2**20

def use(fake, name):
    account = fake.account(name)
    account.projects.create(type="chat", name="p")
    account.batches.create(project="p", name="b")
    for number in range(300):
        account.tasks.create("chat", batch="b", instruction="x" * 1000, unique_id=str(number))
    fake.reset(name)

gc.freeze()
gc.set_threshold(700, 10, 10_000)  # as the command does
fake = FakeScale(complete_after=dt.timedelta(days=30))
use(fake, "first")
before = resident()
for number in range(int(sys.argv[1])):
    use(fake, f"account-{number}")
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("accounts", "most"),
    [(10, 3), pytest.param(1_000, 20, marks=pytest.mark.proof)],  # each holds half a megabyte
    ids=["10", "1000"],
)
def test_accounts_that_are_reset_leave_no_memory(accounts: int, most: int) -> None:
    command = [sys.executable, "-c", ACCOUNTS, str(accounts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) < most


EVERYTHING = """
import datetime as dt, gc, itertools, os, subprocess, sys, threading, time
import requests
from fakescale import FakeScale
from fakescale.server.server import serving

SECONDS = float(sys.argv[1])
until = time.monotonic() + SECONDS
fake, second = FakeScale(), FakeScale()
wrong, mine, told = [], [], []

def call(method, path, key="live_soak", **more):
    with requests.Session() as session:
        return session.request(method, fake.url + path, auth=(key, ""), timeout=20, **more)

def label(task):
    call("GET", f"/task/{task.id}")
    if task.unique_id and task.unique_id.endswith("7"):
        raise ValueError("blurred")
    return {"labels": []}

def receive(environ, start_response):
    told.append(environ["wsgi.input"].read())
    call("GET", "/tasks?limit=1")
    status = "200 OK" if len(told) % 5 else "503 Service Unavailable"
    start_response(status, [("Content-Length", "0")])
    return [b""]

def client(number):
    for n in itertools.count():
        name = f"{number}-{n}"
        given = {"json": {"unique_id": name}, "headers": {"Idempotency-Key": name}}
        made, again = (call("POST", "/task/chat", **given) for _ in range(2))
        if made.status_code != 200 or again.json() != made.json():
            wrong.append((name, made.text, again.text))
        mine.append(made.json()["task_id"])
        path = f"/task/{mine[-1]}"
        call("PUT", path + "/tags", json=["a"])
        call("POST", path + "/cancel")
        yield

def resetter():
    while True:
        call("POST", "/task/chat", "live_other", json={"callback_url": origin})
        fake.reset("other")
        second.tasks.create("chat", unique_id=None)
        second.load(second.dump())
        yield

def forker():
    while True:
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
        subprocess.run(["true"])
        threading.Event().wait(0.05)
        yield

def run(steps):
    try:
        while time.monotonic() < until:
            next(steps)
    except Exception as error:
        wrong.append(repr(error))

def counts():
    sockets = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            sockets += "socket" in os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the one of the listing itself
            pass
    return {it.name for it in threading.enumerate()}, sockets

with FakeScale().serve():
    pass
before = counts()
with serving(receive, "127.0.0.1", 0) as origin, fake.serve(), second.running():
    fake.account("soak").callback_url = origin
    fake.labeler, fake.turnaround = label, dt.timedelta(milliseconds=20)
    second.turnaround = dt.timedelta(milliseconds=5)
    fake.faults.add(method="POST", path="/v1/task/chat", delay=0.001,
                    predicate=lambda asked: call("GET", "/tasks?limit=1").status_code == 0)
    steps = [client(0), client(1), client(2), resetter(), forker()]
    threads = [threading.Thread(target=run, args=(it,)) for it in steps]
    [it.start() for it in threads]
    [it.join() for it in threads]
    held = {task.id for task in fake.account("soak").tasks}
    lost = set(mine) - held
del steps, threads  # whose last answers hold their connections
gc.collect()
after = counts()
print(len(mine) > 5 * SECONDS, len(told) > SECONDS, wrong, lost)
print(after[0] - before[0], after[1] - before[1])
"""


@pytest.mark.proof
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_minute_of_everything_at_once_loses_nothing() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", EVERYTHING, "60"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=180)
    assert done.stdout.strip() == "True True [] set()\nset() 0", done.stderr[-2000:]
