"""Recordings of several threads, whose exchanges overlap."""

import random
import threading

from fakescale import FakeScale
from fakescale.recordings.comparing import compare_exchanges
from tests.recordings.recorder import Recorder

BODY = {"instruction": "i", "attachment_type": "text", "attachment": "a", "categories": ["b", "c"]}


def work(recorder: Recorder, number: int) -> None:
    """Do what one of several threads does: create tasks, list, label and change them."""
    rng = random.Random(number)
    fake, mine = recorder.fake, []
    recorder("POST", "/batches", {"project": "p", "name": f"batch {rng.randrange(4)}"})
    for step in range(12):
        name = f"{step}-{rng.randrange(3)}"
        reply = recorder(
            "POST",
            "/task/categorization",
            {**BODY, "project": "p", "batch": f"batch {number % 4}", "unique_id": name},
        )
        if reply.status == 200:
            mine.append(reply.json["task_id"])
        recorder.ok("GET", "/tasks?limit=5&project=p")
        recorder.ok("GET", "/tasks?status=completed&batch=batch%201")
        recorder("GET", "/batches/batch%202/status")
        if mine:
            task = rng.choice(mine)
            recorder("PUT", f"/task/{task}/tags", [f"tag{step}"])
            if fake.tasks.get(task).status == "pending":
                fake.tasks.complete(task, {"category": "b"})
            recorder("POST", f"/task/{task}/audit", {"accepted": True})
            recorder.ok("GET", f"/task/{task}")


def test_a_recording_of_eight_threads_compares_as_the_same() -> None:
    recorder = Recorder(FakeScale())
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    for number in range(4):
        recorder.ok("POST", "/batches", {"project": "p", "name": f"batch {number}"})
    threads = [threading.Thread(target=work, args=(recorder, it)) for it in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = compare_exchanges(recorder.in_order())
    assert report.same, report.ending()
