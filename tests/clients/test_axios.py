"""HTTP libraries of Node, unmodified, through the proxy and straight."""

from collections.abc import Iterator

import pytest

from fakescale import FakeScale
from tests.clients.environments import modules_with, told

pytestmark = pytest.mark.registry

AXIOS = """
const axios = require("axios");

const api = axios.create({
  baseURL: process.env.FAKE_URL,
  auth: { username: "live_node", password: "" },
});
(async () => {
  const made = [];
  for (const tag of ["a", "b", "c"])
    made.push((await api.post("/task/chat", { tags: [tag], metadata: { n: 1 } })).data);
  const form = new URLSearchParams([
    ["callback_url", "http://www.example.com/callback"], ["instruction", "Same?"],
    ["attachment_type", "image"], ["attachments", "https://e.com/1"],
    ["attachments", "https://e.com/2"], ["choices[]", "yes"], ["choices[]", "no"],
    ["metadata[key]", "value"],
  ]);
  const compared = (await api.post("/task/comparison", form)).data;
  const found = (await api.get("/tasks", { params: { tags: ["a", "b"] } })).data;
  await api.put(`/task/${made[0].task_id}/tags`, ["d"]);
  await api.delete(`/task/${made[0].task_id}/tags`, { data: ["a"] });
  await api.post(`/task/${made[0].task_id}/cancel`);
  const seen = (await api.get(`/task/${made[0].task_id}`)).data;
  const refused = await api.get("/task/x").catch((error) => error.response);
  console.log(JSON.stringify({
    choices: compared.params.choices,
    metadata: compared.metadata,
    found: found.docs.map((task) => task.tags[0]),
    seen: [seen.status, seen.tags],
    refused: [refused.status, refused.data.error],
  }));
})();
"""
NEEDLE = """
const needle = require("needle");

const options = { username: "live_node", password: "", json: true };
(async () => {
  const url = process.env.FAKE_URL;
  const one = await needle("post", `${url}/task/chat`, { tags: ["a"] }, options);
  const page = await needle("get", `${url}/tasks?tags=a`, null, options);
  const seen = await needle("post", `${url}/task/${one.body.task_id}/cancel`, {}, options);
  console.log(JSON.stringify([page.body.total, seen.body.status]));
})();
"""


@pytest.fixture(params=["straight", "through the proxy"])
def variables(request: pytest.FixtureRequest, fake: FakeScale) -> Iterator[dict[str, str]]:
    """Return the variables for a program that reads the API's address in ``FAKE_URL``."""
    if request.param == "straight":
        with fake.serve():
            yield {"FAKE_URL": fake.url}
    else:
        with fake.proxy() as variables:
            yield {**variables, "FAKE_URL": "https://api.scale.com/v1"}


# Up to 1.13 it asks a proxy for the whole URL, in place of a tunnel.
@pytest.mark.parametrize("version", ["0.21.4", "1.13.5", "1.21.1"])
def test_axios(variables: dict[str, str], version: str) -> None:
    folder = modules_with(f"axios@{version}")
    assert told(["node", "-e", AXIOS], folder, **variables) == {
        "choices": ["yes", "no"],
        "metadata": {"key": "value"},
        "found": ["b", "a"],
        "seen": ["canceled", ["d"]],
        "refused": [404, "Task with that ID not found."],
    }


def test_needle(variables: dict[str, str]) -> None:
    folder = modules_with("needle@3.3.1")
    assert told(["node", "-e", NEEDLE], folder, **variables) == [1, "canceled"]
