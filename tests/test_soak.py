"""What a long run leaves behind: no lost task, no thread, no descriptor, no memory."""

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
    "accounts", [30, pytest.param(1_000, marks=pytest.mark.proof)], ids=["30", "1000"]
)
def test_accounts_that_are_reset_leave_no_memory(accounts: int) -> None:
    command = [sys.executable, "-c", ACCOUNTS, str(accounts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 20
