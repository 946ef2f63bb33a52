"""Published clients of several years, unmodified, against the fake as https://api.scale.com."""

import sys
from pathlib import Path

import pytest

from fakescale import FakeScale
from tests.clients.environments import modules_with, python_with, told

# The official Python client of 2020, which has the host written in and offset in its pages.
OLD = """
import json, scaleapi

client = scaleapi.ScaleClient("live_sdk")
client.create_project("p", "categorization", {"instruction": "Big?"})
client.create_batch("p", "b/1", "http://www.example.com/callback")
body = {
    "callback_url": "http://www.example.com/callback",
    "attachment_type": "text",
    "attachment": "an elephant",
    "categories": ["big", "small"],
}
made = [
    client.create_categorization_task(project="p", batch="b/1", tags=["t"], unique_id="u", **body),
    client.create_task("categorization", instruction="Small?", **body),
]
pages = [client.tasks(limit=1)]
pages.append(client.tasks(limit=1, next_token=pages[0].next_token))
made[0].cancel()
made[0].refresh()
refusals = []
for call in (lambda: client.fetch_task("x"), lambda: client.create_task("categorization")):
    try:
        call()
    except scaleapi.ScaleException as error:
        refusals.append(error.code)
print(json.dumps({
    "status": [made[0].status, client.fetch_task(made[1].id).status],
    "pages": [page[0].id for page in pages] == [task.id for task in made[::-1]],
    "found": [task.unique_id for task in client.tasks(tags="t", project="p")],
    "batch": [client.finalize_batch("b/1").status, client.batch_status("b/1")["canceled"]],
    "batches": client.get_batch("b/1").name,
    "projects": [project["name"] for project in client.projects()],
    "refusals": refusals,
}))
"""
# The one of today, and of 2023.
NEW = """
import io, json, scaleapi
from scaleapi.exceptions import ScaleException
from scaleapi.tasks import TaskStatus, TaskType

client = scaleapi.ScaleClient("live_sdk")
client.create_project("p", TaskType.Categorization, {"instruction": "Big?"})
client.create_batch("p", "b/1", callback="http://www.example.com/callback")
body = {
    "callback_url": "http://www.example.com/callback",
    "attachment_type": "text",
    "attachment": "an elephant",
    "categories": ["big", "small"],
}
kind = TaskType.Categorization
made = [
    client.create_task(kind, project="p", batch="b/1", tags=["t"], unique_id="u", **body),
    client.create_task(kind, instruction="Small?", **body),
]
pages = [client.tasks(limit=1)]
pages.append(client.tasks(limit=1, next_token=pages[0].next_token))
client.add_task_tags(made[1].id, ["t"])
client.set_task_metadata(made[1].id, {"k": 1})
client.upload_file(io.BytesIO(b"x"), project_name="p")
made[0].cancel()
made[0].refresh()
refusals = []
for call in (lambda: client.get_task("x"), lambda: client.create_task(kind)):
    try:
        call()
    except ScaleException as error:
        refusals.append(error.code)
print(json.dumps({
    "status": [made[0].status, client.get_task(made[1].id).status],
    "pages": [page.docs[0].id for page in pages] == [task.id for task in made[::-1]],
    "found": [task.unique_id for task in client.get_tasks("p", tags=["t"], unique_id=["u", "v"],
                                                          status=TaskStatus.Canceled)],
    "batch": [client.finalize_batch("b/1").status, client.batch_status("b/1")["canceled"]],
    "batches": [batch.name for batch in client.get_batches()][0],
    "projects": [project.name for project in client.get_projects()],
    "refusals": refusals,
}))
"""
TOLD = {
    "status": ["canceled", "pending"],
    "pages": True,
    "found": ["u"],
    "batch": ["completed", 1],
    "batches": "b/1",
    "projects": ["p"],
    "refusals": [404, 400],
}


@pytest.mark.parametrize(
    ("version", "script"),
    [
        ("", NEW),  # the one that is installed
        pytest.param("2.15.14", NEW, marks=pytest.mark.registry),
        pytest.param("1.0.4", OLD, marks=pytest.mark.registry),
    ],
)
def test_the_official_python_client(
    fake: FakeScale, tmp_path: Path, version: str, script: str
) -> None:
    python = python_with(f"scaleapi=={version}") / "python" if version else Path(sys.executable)
    with fake.proxy() as variables:
        assert told([python, "-c", script], tmp_path, **variables) == TOLD


# The official client of Node, which has the host's older name written in, and wants callbacks.
NODE = """
const { ScaleClient } = require("scaleapi");
const { promisify } = require("util");

const client = new ScaleClient("live_sdk");
const [create, fetch, cancel, list] = ["createTask", "fetchTask", "cancelTask", "tasks"]
  .map((name) => promisify(client[name].bind(client)));
(async () => {
  const body = {
    callback_url: "http://www.example.com/callback",
    instruction: "Big?",
    attachment_type: "text",
    attachment: "an elephant",
    categories: ["big", "small"],
  };
  const made = await create("categorization", body);
  const refusals = [];
  await create("comparison", {}).catch((error) => refusals.push(error.errcode));
  await promisify(client.createCategorizationTask.bind(client))(body);
  const page = await list({ limit: 1, type: "categorization", status: "pending" });
  console.log(JSON.stringify({
    status: [(await cancel(made.id)).status, (await fetch(made.id)).status],
    page: [page.docs.length, page.total, page.has_more],
    refusals,
  }));
})();
"""


@pytest.mark.registry
def test_the_official_node_client(fake: FakeScale) -> None:
    folder = modules_with("scaleapi@2.3.2")
    with fake.proxy() as variables:
        assert told(["node", "-e", NODE], folder, **variables) == {
            "status": ["canceled", "canceled"],
            "page": [1, 2, True],
            "refusals": [400],
        }
    assert {it.headers["Host"] for it in fake.requests} == {"api.scaleapi.com"}
