"""Clients that generators make from the strict OpenAPI document of v2."""

from pathlib import Path
from typing import Any

import pytest

from fakescale import FakeScale
from tests.clients.test_generated_clients import NOT_FOUND, by_python, by_typescript

pytestmark = pytest.mark.registry

PYTHON = """
import importlib, json, os, pkgutil

import made
from made.api.batch import create_batch, get_batch, pause_batch
from made.api.batches import get_batches
from made.api.deliveries import get_deliveries
from made.api.delivery import get_delivery_tasks
from made.api.project import get_project
from made.api.task import create_chat_task, get_task, set_task_metadata
from made.api.tasks import get_tasks
from made.models import (
    CreateBatchBody, CreateChatTaskBody, CreateChatTaskBodyTemplateVariables, GetBatchesStatusItem,
    PauseBatchBody, SetTaskMetadataBody, SetTaskMetadataBodyMetadata
)

for module in pkgutil.walk_packages(made.__path__, "made."):
    importlib.import_module(module.name)

client = made.AuthenticatedClient(
    base_url=os.environ["FAKE_URL"], token=os.environ["FAKE_KEY"]
)
project = get_project.sync(client=client, project_name="p")
batch = create_batch.sync(client=client, body=CreateBatchBody(name="b", project_id=project.id))
variables = CreateChatTaskBodyTemplateVariables()
variables["prompt"] = "Why?"
task = create_chat_task.sync(
    client=client,
    body=CreateChatTaskBody(
        project_name="p", batch_id=batch.id, template_variables=variables, unique_id="u"
    ),
)
metadata = SetTaskMetadataBodyMetadata()
metadata["k"] = 1
set_task_metadata.sync(
    client=client, body=SetTaskMetadataBody(task_id=task.task_id, metadata=metadata, merge=True)
)
paused = pause_batch.sync(client=client, body=PauseBatchBody(batch_name="b"))
listed = get_batches.sync(client=client, status=[GetBatchesStatusItem.PAUSED], limit=1)
whole = get_batch.sync(client=client, batch_id=batch.id, expand=["project"])
page = get_tasks.sync(client=client, project_name="p", opts=["annotation_details"], limit=1)
last = get_tasks.sync(client=client, project_name="p", next_token=page.next_token)
[done] = last.tasks
annotation = done.threads[0].turns[0].messages[1].annotations[0]
delivery = get_deliveries.sync(client=client, project_name="p").deliveries[0]
docs = get_delivery_tasks.sync(client=client, delivery_id=delivery.id).docs
refused = get_task.sync(client=client, task_id="x")
print(json.dumps({
    "created": [task.status.value, task.threads, task.batch == batch.id],
    "listed": [page.tasks[0].task_id == task.task_id, page.tasks[0].metadata["k"]],
    "annotation": [annotation.key, annotation.type_.value, type(annotation.value).__name__],
    "batch": [paused.batch.status.value, len(listed.batches), whole.project.name],
    "delivery": [delivery.name, delivery.task_count, docs[0].response["threads"][0]["id"]],
    "refused": [refused.status_code, refused.error],
}))
"""
TYPESCRIPT = """
import { client } from "./client/client.gen";
import {
  createBatch, createChatTask, getBatch, getBatches, getDeliveries, getDeliveryTasks,
  getProject, getTask, getTasks, pauseBatch, setTaskMetadata,
} from "./client/sdk.gen";

declare const process: { env: Record<string, string> };

client.setConfig({
  baseUrl: process.env.FAKE_URL,
  auth: (auth) => (auth.scheme === "bearer" ? process.env.FAKE_KEY : undefined),
});
const throwOnError = true as const;
(async () => {
  const query = { project_name: "p" };
  const project = (await getProject({ query, throwOnError })).data;
  const batch = (await createBatch({ body: { name: "b", project_id: project.id }, throwOnError }))
    .data;
  const task = (await createChatTask({
    body: {
      project_name: "p", batch_id: batch.id, template_variables: { prompt: "Why?" },
      unique_id: "u",
    },
    throwOnError,
  })).data;
  await setTaskMetadata({
    body: { task_id: task.task_id, metadata: { k: 1 }, merge: true }, throwOnError,
  });
  const paused = (await pauseBatch({ body: { batch_name: "b" }, throwOnError })).data;
  const listed = await getBatches({ query: { status: ["paused"], limit: 1 }, throwOnError });
  const whole = await getBatch({
    query: { batch_id: batch.id, expand: ["project"] }, throwOnError,
  });
  const opts = ["annotation_details"];
  const page = (await getTasks({ query: { ...query, opts, limit: 1 }, throwOnError })).data;
  const last = await getTasks({
    query: { ...query, next_token: page.next_token }, throwOnError,
  });
  const annotation = last.data.tasks[0].threads?.[0].turns[0].messages[1].annotations[0];
  const delivery = (await getDeliveries({ query, throwOnError })).data.deliveries[0];
  const delivered = await getDeliveryTasks({
    query: { delivery_id: delivery.id }, throwOnError,
  });
  const response: any = delivered.data.docs[0].response;
  const home = whole.data.project;
  const refused = await getTask({ query: { task_id: "x" } });
  console.log(JSON.stringify({
    created: [task.status, task.threads, task.batch === batch.id],
    listed: [page.tasks[0].task_id === task.task_id, page.tasks[0].metadata.k],
    annotation: [
      annotation?.key, annotation?.type, typeof annotation?.value === "number" ? "int" : "",
    ],
    batch: [
      paused.batch.status, listed.data.batches.length, typeof home === "string" ? home : home.name,
    ],
    delivery: [delivery.name, delivery.task_count, response.threads[0].id],
    refused: [refused.error?.status_code, refused.error?.error],
  }));
})();
"""
TOLD = {
    "created": ["pending", [], True],
    "listed": [True, 1],
    "annotation": ["overall_rating", "integer", "int"],
    "batch": ["paused", 1, "p"],
    "delivery": ["d", 1, "thread_0"],
    "refused": [404, NOT_FOUND],
}


@pytest.fixture
def chats(fake: FakeScale, monkeypatch: pytest.MonkeyPatch) -> FakeScale:
    """Return a fake that has a project and a delivery."""
    fake.projects.create("p", type="chat")
    fake.deliveries.create([fake.tasks.complete(fake.tasks.create("chat", project="p"))], name="d")
    monkeypatch.setenv("FAKE_KEY", fake.api_key)
    return fake


def test_openapi_python_client(chats: FakeScale, tmp_path: Path) -> None:
    seen: Any = by_python(chats, tmp_path, PYTHON, "v2")
    assert seen == TOLD


def test_hey_api_openapi_ts(chats: FakeScale, tmp_path: Path) -> None:
    seen: Any = by_typescript(chats, tmp_path, TYPESCRIPT, "v2")
    assert seen == TOLD
