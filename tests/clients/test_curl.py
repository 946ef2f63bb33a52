"""Commands for curl that send forms, in the form of the reference's samples.

Documented: the sample for the Idempotency-Key, and the reference of 2017, which has an older name
of the host.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.server.certificates import Authority
from fakescale.values.hosts import HOSTS
from tests.clients.environments import needs, told

CREATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "comparison": (
        """
curl "https://api.scale.com/v1/task/comparison" \\
  -u "live_curl:" \\
  -H "Idempotency-Key: fRyIGL9E2tGfiI7w" \\
  -d callback_url="http://www.example.com/callback" \\
  -d instruction="Do the objects in these images have the same pattern?" \\
  -d attachment_type=image \\
  -d attachments="http://i.ebayimg.com/00/$T2eC16dHJGwFFZKjy5ZjBRfNyMC4Ig~~_32.JPG" \\
  -d attachments="http://images.wisegeek.com/checkered-tablecloth.jpg" \\
  -d choices="yes" \\
  -d choices="no"
""",
        {"choices": ["yes", "no"], "attachment_type": "image"},
    ),
    "categorization": (
        """
curl "https://api.scaleapi.com/v1/task/categorization" \\
  -u "live_curl:" \\
  -d callback_url="http://www.example.com/callback" \\
  -d instruction="Is this company public or private?" \\
  -d attachment_type=website \\
  -d attachment="http://www.google.com/" \\
  -d categories=public \\
  -d categories=private
""",
        {"categories": ["public", "private"]},
    ),
    "transcription": (
        """
curl "https://api.scaleapi.com/v1/task/transcription" \\
  -u "live_curl:" \\
  -d callback_url="http://www.example.com/callback" \\
  -d instruction="Transcribe the given fields." \\
  -d attachment_type=website \\
  -d attachment="http://www.google.com/" \\
  -d fields[title]="Title of Webpage" \\
  -d fields[top_result]="Title of the top result"
""",
        {"fields": {"title": "Title of Webpage", "top_result": "Title of the top result"}},
    ),
    "annotation": (
        """
curl "https://api.scaleapi.com/v1/task/annotation" \\
  -u "live_curl:" \\
  -d callback_url="http://www.example.com/callback" \\
  -d instruction="Draw a box around each **baby cow** and **big cow**" \\
  -d attachment_type=image \\
  -d attachment="http://i.imgur.com/v4cBreD.jpg" \\
  -d objects_to_annotate="baby cow" \\
  -d objects_to_annotate="big cow" \\
  -d with_labels=true \\
  -d min_width="30" \\
  -d min_height="30" \\
  -d examples[0][correct]=false \\
  -d examples[0][image]="http://i.imgur.com/lj6e98s.jpg" \\
  -d examples[0][explanation]="The boxes are tight and accurate" \\
  -d examples[1][correct]=true \\
  -d examples[1][image]="http://i.imgur.com/HIrvIDq.jpg" \\
  -d examples[1][explanation]="The boxes are neither accurate nor complete"
""",
        {
            "objects_to_annotate": ["baby cow", "big cow"],
            "with_labels": True,
            "min_width": 30,
            "min_height": 30,
        },
    ),
    "audiotranscription": (
        """
curl "https://api.scaleapi.com/v1/task/audiotranscription" \\
  -u "live_curl:" \\
  -d callback_url="http://www.example.com/callback" \\
  -d attachment_type=audio \\
  -d attachment="https://storage.googleapis.com/deepmind-media/pixie/knowing-what-to-say.wav" \\
  -d verbatim=false
""",
        {"verbatim": False},
    ),
    "datacollection": (
        """
curl "https://api.scaleapi.com/v1/task/datacollection" \\
  -u "live_curl:" \\
  -d callback_url="http://www.example.com/callback" \\
  -d instruction="Find the URL for the hiring page for the company with attached website." \\
  -d attachment_type=website \\
  -d attachment="http://www.google.com/" \\
  -d fields[hiring_page]="Hiring Page URL"
""",
        {"fields": {"hiring_page": "Hiring Page URL"}},
    ),
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(*HOSTS)


@pytest.fixture
def variables(fake: FakeScale, authority: Authority) -> Iterator[dict[str, str]]:
    needs("curl", "bash")
    with fake.proxy(authority=authority) as variables:
        yield variables


def shell(script: str, folder: Path, variables: dict[str, str]) -> Any:
    return told(["bash", "-ec", script.replace("curl ", "curl -sS ", 1)], folder, **variables)


@pytest.mark.parametrize("type", CREATIONS)
def test_a_sample_creates_a_task(
    fake: FakeScale, variables: dict[str, str], tmp_path: Path, type: str
) -> None:
    sample, params = CREATIONS[type]
    made = shell(sample, tmp_path, variables)
    assert (made["type"], made["status"]) == (type, "pending")
    assert {name: made["params"].get(name) for name in params} == params
    assert len(fake.account("curl").tasks) == 1


def test_the_samples_retrieve_cancel_and_list(
    fake: FakeScale, variables: dict[str, str], tmp_path: Path
) -> None:
    id = fake.account("curl").tasks.create("chat").id
    url = f"https://api.scaleapi.com/v1/task/{id}"
    seen = shell(f'curl "{url}" -u "live_curl:"', tmp_path, variables)
    assert (seen["task_id"], seen["status"]) == (id, "pending")
    canceled = shell(f'curl -X POST "{url}/cancel" -u "live_curl:"', tmp_path, variables)
    assert canceled["status"] == "canceled"
    page = shell('curl "https://api.scaleapi.com/v1/tasks" -u "live_curl:"', tmp_path, variables)
    assert [task["status"] for task in page["docs"]] == ["canceled"]
