"""A whole pipeline over HTTP, with every failure that the API documents."""

import datetime as dt
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import freezegun
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from fakescale import FakeScale, Task
from fakescale.receiver import Receiver

TASKS = 150


class Pipeline:
    """Submits tasks from many threads, and collects the results from callbacks."""

    def __init__(self, fake: FakeScale, callback_url: str) -> None:
        self._url = fake.url
        self._auth = (fake.api_key, "")
        self._callback_url = callback_url
        self.results: dict[str, Any] = {}

    def submit(self, number: int) -> str:
        retry = Retry(
            20,
            allowed_methods=None,
            status_forcelist=[429, 500, 503],
            backoff_factor=0,
            respect_retry_after_header=False,
        )
        with requests.Session() as session:
            session.mount(self._url, HTTPAdapter(max_retries=retry))
            reply = session.post(
                f"{self._url}/task/categorization",
                json={
                    "unique_id": f"item-{number}",
                    "callback_url": self._callback_url,
                    "instruction": "Big or small?",
                    "attachment_type": "text",
                    "attachment": f"item {number}",
                    "categories": ["big", "small"],
                },
                headers={"Idempotency-Key": f"item-{number}"},
                auth=self._auth,
                timeout=30,
            )
        reply.raise_for_status()
        return str(reply.json()["task_id"])

    def consume(self, body: Any) -> None:
        # The same callback may come more than once.
        self.results.setdefault(body["task_id"], body["response"]["category"])


def test_every_item_is_labeled_once_despite_all_failures(
    fakescale: FakeScale, callback_receiver: Receiver
) -> None:
    def label(task: Task) -> dict[str, Any]:
        return {"category": "big" if task.params["attachment"].endswith("7") else "small"}

    pipeline = Pipeline(fakescale, callback_receiver.url)
    with freezegun.freeze_time("2024-03-01T08:00:00Z"):
        fakescale.labeler, fakescale.turnaround = label, dt.timedelta(hours=2)
        faults = [
            fakescale.faults.add(path="/v1/task/<type>", probability=0.1, seed=1, lost=True),
            fakescale.faults.add(
                path="/v1/task/<type>", probability=0.05, seed=2, lost=True, reset="before"
            ),
            fakescale.faults.add(path="/v1/*", probability=0.1, seed=3, status=429),
        ]
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(pipeline.submit, range(TASKS)))
        assert all(fault.hits > 4 for fault in faults)

        assert len(set(ids)) == len(fakescale.tasks) == TASKS
        assert {task.id for task in fakescale.tasks.list(status="pending")} == set(ids)

        callback_receiver.answer(503, times=40)
        fakescale.advance(hours=2)
        failed = [it for it in fakescale.callbacks if it.state == "owed"]
        assert len(failed) == 40
        fakescale.advance(hours=24)

        for received in callback_receiver.received:
            pipeline.consume(json.loads(received.body))
        assert len(callback_receiver.received) == TASKS + 40
        assert set(pipeline.results) == set(ids)
        assert Counter(pipeline.results.values()) == {
            "big": TASKS // 10,
            "small": TASKS - TASKS // 10,
        }
        assert all(task.callback_completed for task in fakescale.tasks)
