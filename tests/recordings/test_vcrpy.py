"""Cassettes that vcrpy makes of real clients, compared with the fake."""

from pathlib import Path

import pytest
import requests
import scaleapi
import vcr  # type: ignore[import-untyped]
from scaleapi.tasks import TaskType

from fakescale import FakeScale, redirect
from fakescale.recordings import compare, read, redact, write_har

BODY = {"instruction": "i", "attachment_type": "text", "attachment": "a", "categories": ["b", "c"]}


def use(fake: FakeScale) -> None:
    """Do what a pipeline does, by the official client and by hand."""
    client = scaleapi.ScaleClient(fake.api_key)
    client.create_project("p", TaskType.Categorization, {"instruction": "x"})
    client.create_batch("p", "b")
    tasks = [
        client.create_task(TaskType.Categorization, **BODY, project="p", batch="b", unique_id=name)
        for name in ("u", "v", "w")
    ]
    with pytest.raises(scaleapi.exceptions.ScaleDuplicateResource):
        client.create_task(TaskType.Categorization, **BODY, unique_id="u")
    fake.tasks.complete(tasks[0].id, {"category": "b"})
    fake.tasks.fail(tasks[1].id, "gone")
    assert [it.unique_id for it in client.get_tasks(project_name="p", limit=2)] == ["w", "v", "u"]
    tasks[0].refresh()
    client.cancel_task(tasks[2].id)
    client.batch_status("b")
    session = requests.Session()
    session.auth = (fake.api_key, "")
    session.get("https://api.scale.com/v2/tasks?project_name=p").raise_for_status()
    session.get("https://api.scale.com/v1/task/none")


@pytest.fixture(params=["yaml", "json"])
def cassette(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a cassette of what ``use`` sends to a fake."""
    path = tmp_path / f"cassette.{request.param}"
    fake = FakeScale()
    with redirect(fake), vcr.VCR(serializer=request.param).use_cassette(str(path)):
        use(fake)
    return path


def test_a_cassette_of_the_official_client_compares_as_the_same(
    cassette: Path, tmp_path: Path
) -> None:
    report = compare([cassette])
    assert report.same, report.to_text()
    assert len(report.exchanges) > 12
    assert len(report.arranged) >= 2
    # So does its redacted copy.
    write_har(tmp_path / "redacted.har", redact(read([cassette])))
    redacted = compare([tmp_path / "redacted.har"])
    assert redacted.same, redacted.to_text()
    assert len(redacted.exchanges) == len(report.exchanges)
