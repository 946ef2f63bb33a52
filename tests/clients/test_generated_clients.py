"""Clients that generators make from the strict OpenAPI document."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fakescale import FakeScale
from tests.clients.environments import modules_with, output, python_with, told

pytestmark = pytest.mark.registry

PYTHON = """
import datetime as dt, importlib, io, json, os, pkgutil

import made
from made.api.batches import create_batch, get_batch_status
from made.api.files import upload_file
from made.api.projects import create_project
from made.api.task import (
    cancel_task, create_task_categorization as create, get_task, set_metadata, set_tags
)
from made.api.tasks import list_tasks
from made.models import (
    ApiError, Categorization, CategorizationAttachmentType, CategorizationPriority,
    CreateBatchBody, CreateProjectBody, CreateProjectBodyType, CreateTaskCategorizationDataBody,
    ListTasksStatusItem, SetMetadataBody, UploadFileBody
)
from made.types import File

for module in pkgutil.walk_packages(made.__path__, "made."):
    importlib.import_module(module.name)

client = made.AuthenticatedClient(base_url=os.environ["FAKE_URL"], token="live_generated")
create_project.sync(
    client=client, body=CreateProjectBody(type_=CreateProjectBodyType.CATEGORIZATION, name="p")
)
batch = create_batch.sync(client=client, body=CreateBatchBody(project="p", name="b"))
task = create.sync(
    client=client,
    idempotency_key="k",
    body=Categorization(
        instruction="Big?",
        attachment_type=CategorizationAttachmentType.TEXT,
        attachment="an elephant",
        categories=["big", "small"],
        batch="b",
        priority=CategorizationPriority.VALUE_20,
        unique_id="u",
    ),
)
form = CreateTaskCategorizationDataBody()
form.additional_properties = {
    "instruction": "Big?", "attachment_type": "text", "attachment": "a mouse", "categories[]": "big"
}
formed = create.sync(client=client, body=form)
set_tags.sync(task.task_id, client=client, body=["t"])
metadata = SetMetadataBody()
metadata["k"] = 1
set_metadata.sync(task.task_id, client=client, body=metadata)
page = list_tasks.sync(
    client=client,
    status=[ListTasksStatusItem.PENDING],
    tags=["t", "other"],
    updated_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    limit=1,
)
file = upload_file.sync(
    client=client, body=UploadFileBody(file=File(io.BytesIO(b"x"), "x.txt"), project_name="p")
)
counts = get_batch_status.sync("b", client=client)
canceled = cancel_task.sync(task.task_id, client=client)
refused = get_task.sync("x", client=client)
print(json.dumps({
    "created": [task.status.value, task.priority.value, task.params["categories"]],
    "formed": formed.params["categories"],
    "listed": [[it.unique_id, it.tags, it.metadata["k"]] for it in page.docs],
    "batch": [batch.status.value, counts.pending],
    "file": file.size,
    "canceled": canceled.status.value,
    "refused": [type(refused).__name__, refused.status_code, refused.error],
}))
"""
TYPESCRIPT = """
import { client } from "./client/client.gen";
import {
  cancelTask, createBatch, createProject, createTaskCategorization, getBatchStatus,
  getTask, listTasks, setMetadata, setTags, uploadFile,
} from "./client/sdk.gen";

declare const process: { env: Record<string, string> };

client.setConfig({
  baseUrl: process.env.FAKE_URL,
  auth: (auth) => (auth.scheme === "bearer" ? "live_generated" : undefined),
});
(async () => {
  await createProject({ body: { type: "categorization", name: "p" } });
  const batch = await createBatch({ body: { project: "p", name: "b" } });
  const task = await createTaskCategorization({
    headers: { "Idempotency-Key": "k" },
    body: {
      instruction: "Big?", attachment_type: "text", attachment: "an elephant",
      categories: ["big", "small"], batch: "b", priority: 20, unique_id: "u",
    },
    throwOnError: true,
  });
  const path = { task_id: task.data.task_id };
  await setTags({ path, body: ["t"] });
  await setMetadata({ path, body: { k: 1 } });
  const page = await listTasks({
    query: { status: ["pending"], tags: ["t", "other"], limit: 1 }, throwOnError: true,
  });
  const file = await uploadFile({ body: { file: new Blob(["x"]), project_name: "p" } });
  const counts = await getBatchStatus({ path: { name: "b" } });
  const canceled = await cancelTask({ path });
  const refused = await getTask({ path: { task_id: "x" } });
  console.log(JSON.stringify({
    created: [task.data.status, task.data.priority, task.data.params.categories],
    listed: page.data.docs.map((it) =>
      "unique_id" in it ? [it.unique_id, it.tags, it.metadata.k] : it),
    batch: [batch.data?.status, counts.data?.pending],
    file: file.data?.size,
    canceled: canceled.data?.status,
    refused: [refused.error?.status_code, refused.error?.error],
  }));
})();
"""
CONFIG = """
{
  "compilerOptions": {
    "target": "es2022", "module": "nodenext", "lib": ["es2022", "dom", "dom.iterable"],
    "strict": true, "types": [], "outDir": "out"
  },
  "files": ["use.ts"]
}
"""
TOLD = {
    "created": ["pending", 20, ["big", "small"]],
    "listed": [["u", ["t"], 1]],
    "batch": ["in_progress", 1],
    "file": 1,
    "canceled": "canceled",
}
NOT_FOUND = "Task with that ID not found."


def by_python(fake: FakeScale, folder: Path, program: str, version: str = "v1") -> Any:
    """Return the output of a program that uses the client of openapi-python-client."""
    tools = python_with("openapi-python-client==0.29.1", "ruff")
    with fake.serve():
        address = f"{fake.origin}/_fakescale/openapi.json?strict=true&version={version}"
        command = [str(tools / "openapi-python-client"), "generate", "--url", address]
        command += ["--output-path", "made", "--meta", "none", "--fail-on-warning"]
        output(command, folder, PATH=f"{tools}:{os.environ['PATH']}")
        url = f"{fake.origin}/{version}"
        return told([tools / "python", "-c", program], folder, FAKE_URL=url)


def by_typescript(fake: FakeScale, folder: Path, program: str, version: str = "v1") -> Any:
    """Return the output of a program that uses the client of openapi-ts."""
    # The last of its versions for Node 18 and 20 as well.
    modules = modules_with("@hey-api/openapi-ts@0.85.2", "typescript@5.9.3") / "node_modules"
    command = [sys.executable, "-m", "fakescale", "openapi", "--strict", "--api", version]
    (folder / "scale.json").write_text(output(command, folder), "utf-8")
    (folder / "use.ts").write_text(program, "utf-8")
    (folder / "tsconfig.json").write_text(CONFIG, "utf-8")
    command = [str(modules / ".bin" / "openapi-ts"), "-i", "scale.json", "-o", "client"]
    output([*command, "-p", "@hey-api/client-fetch"], folder)
    output([modules / ".bin" / "tsc", "-p", "."], folder)
    with fake.serve():
        return told(["node", "out/use.js"], folder, FAKE_URL=f"{fake.origin}/{version}")


def test_openapi_python_client(fake: FakeScale, tmp_path: Path) -> None:
    seen = by_python(fake, tmp_path, PYTHON)
    assert seen == {**TOLD, "formed": ["big"], "refused": ["ApiError", 404, NOT_FOUND]}


def test_hey_api_openapi_ts(fake: FakeScale, tmp_path: Path) -> None:
    seen = by_typescript(fake, tmp_path, TYPESCRIPT)
    assert seen == {**TOLD, "refused": [404, NOT_FOUND]}
