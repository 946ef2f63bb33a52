import datetime as dt
import json
import re
from typing import Any

import pytest
import requests
import time_machine

from fakescale import FakeScale
from fakescale.account import task_types
from fakescale.account.listing import Page, Query
from fakescale.account.result_files import seen_from
from fakescale.account.task import Task, replace
from fakescale.account.words import TaskType
from fakescale.pytest_plugin import FakeFactory
from tests.conftest import NOON
from tests.support import ABSENT, Caller, example


def urls(value: Any) -> list[str]:
    return re.findall(r'"(http[^"]*/response_url/[^"]*)"', json.dumps(value))


def pointing(fake: FakeScale) -> list[Any]:
    """Return a completed task of each type that points to result files."""
    tasks = []
    for type in task_types.names():
        body = example(type)
        if "project" in body:
            fake.projects.create(type=type, name=body["project"] + type)
            body["project"] += type
        tasks.append(fake.tasks.complete(fake.tasks.create(type, **body).id))
    return [task for task in tasks if urls(task.response)]


def test_every_url_of_a_made_up_response_serves_a_valid_file() -> None:
    with FakeScale().serve() as fake:
        tasks = pointing(fake)
        assert len(tasks) == 12
        for task in tasks:
            shown = urls(task.response)
            assert "example.com" not in json.dumps(task.response)
            assert len(shown) == len(set(shown))
            for url in shown:
                assert url.startswith(f"{fake.url}/task/{task.id}/response_url/")
                reply = requests.get(url, timeout=10)
                assert reply.status_code == 200, (task.type, reply.text)
                if task.type == "segmentannotation":
                    assert reply.headers["Content-Type"] == "image/png"
                    assert reply.content.startswith(b"\x89PNG")
                else:
                    assert reply.headers["Content-Type"].startswith("application/json")
                    assert reply.json()


def content(fake: FakeScale, type: TaskType, member: str = "annotations", **changes: Any) -> Any:
    task = fake.tasks.complete(fake.tasks.create(type, **example(type, **changes)).id)
    assert task.response is not None
    url = task.response[member]["url"]
    return Caller(fake).get(url.removeprefix(fake.url))


def test_there_is_an_entry_for_each_frame(fake: FakeScale) -> None:
    frames = ["https://e.com/1", "https://e.com/2", "https://e.com/3"]
    video = content(fake, "videoannotation", attachments=frames, attachment_type="image")
    assert [len(frame["annotations"]) for frame in video] == [1, 1, 1]
    assert len({frame["annotations"][0]["uuid"] for frame in video}) == 1
    lidar = content(fake, "lidarannotation", attachments=frames, labels=["Car"])
    assert [frame["cuboids"][0]["label"] for frame in lidar] == ["Car"] * 3
    points = content(fake, "lidarsegmentation", "point_segmentations", attachments=frames)
    assert points["objects"] == [{"label": "Road", "index": 1}, {"label": "Car", "index": 2}]
    assert points["point_objects"] == [[1, 2, 0]] * 3


def test_the_events_and_the_playback_have_their_documented_shape(fake: FakeScale) -> None:
    names = [f"event {number}" for number in range(20)]
    events = content(fake, "videoplaybackannotation", "events", events_to_annotate=names)["events"]
    assert [event["label"] for event in events] == names
    assert {event["type"] for event in events} == {"point", "range"}
    for event in events:
        assert ({"end", "endTime"} <= event.keys()) == (event["type"] == "range")
    nothing = content(fake, "videoannotation", "events", events_to_annotate=ABSENT)
    assert nothing == {"events": []}
    for shape in content(fake, "videoplaybackannotation").values():
        assert {"label", "geometry", "frames"} == shape.keys()
        assert {"key", "timestamp", "attributes"} < shape["frames"][0].keys()


def test_a_cuboid_has_the_attributes_and_angles_that_are_asked_for(fake: FakeScale) -> None:
    asked: Any = {
        "annotation_attributes": {"kind": {"choices": ["a"]}},
        "pitch_and_roll_enabled": True,
    }
    [cuboid] = content(fake, "lidarannotation", **asked)[0]["cuboids"]
    assert (cuboid["attributes"], cuboid["pitch"], cuboid["roll"]) == ({"kind": "a"}, 0, 0)
    [cuboid] = content(fake, "lidarannotation")[0]["cuboids"]
    assert (cuboid["attributes"], "pitch" in cuboid) == ({}, False)


def test_an_instance_of_a_segmentation_of_points_is_numbered(fake: FakeScale) -> None:
    labels = ["Road", {"choice": "Car", "instance_label": True}]
    points = content(fake, "lidarsegmentation", "point_segmentations", labels=labels)
    assert points["objects"][1] == {"label": "Car", "index": 2, "instance": 1}


def test_links_lead_to_the_cuboid_of_the_paired_task(fake: FakeScale) -> None:
    [cuboid] = content(fake, "lidarannotation")[0]["cuboids"]
    paired = fake.tasks.list(type="lidarannotation")[0].id
    fake.projects.create(type="lidarlinking", name="linking")
    asked: Any = {"lidar_task": paired, "objects_to_annotate": ["Car"]}
    [camera] = content(fake, "lidarlinking", **asked)[0]["camera_responses"]
    [linked] = camera["annotations"]
    assert (linked["cuboid_uuid"], linked["label"]) == (cuboid["uuid"], "Car")
    assert "uuid" not in linked


def test_a_legacy_type_shows_its_one_geometry(fake: FakeScale) -> None:
    geometries: dict[TaskType, str] = {
        "videoboxannotation": "box",
        "videocuboidannotation": "cuboid",
    }
    for type, geometry in geometries.items():
        assert content(fake, type)[0]["annotations"][0]["type"] == geometry
        asked = {"polygon": {"objects_to_annotate": ["Bus"]}}
        [annotation] = content(fake, type, geometries=asked)[0]["annotations"]
        assert (annotation["type"], annotation["label"]) == ("polygon", "Bus")


def test_over_http_urls_have_the_host_of_the_request() -> None:
    fake = FakeScale(allow_hosts=["scale.test", "10.0.0.1"])
    live = Caller(fake)
    task = fake.tasks.create("lidarannotation", **example("lidarannotation"))
    task = fake.tasks.complete(task.id)
    [stored] = urls(task.response)
    assert stored.startswith("http://not-served.invalid/v1/")
    for host in ("scale.test:8675", "[::1]:80", "10.0.0.1"):
        for path in (f"/task/{task.id}", "/tasks"):
            reply = live("GET", path, headers={"Host": host})
            assert urls(reply.json) == [stored.replace("not-served.invalid", host)]


def test_in_python_urls_have_the_origin_of_the_fake(
    noon: time_machine.Traveller,
) -> None:
    body = example("lidarannotation")
    with FakeScale(complete_after=dt.timedelta(hours=1)).serve() as fake:
        by_labeler, by_hand = (fake.tasks.create("lidarannotation", **body).id for _ in range(2))
        by_test_mode = fake.test.tasks.create("lidarannotation", **body).id
        fake.tasks.complete(by_hand)
        fake.advance(hours=1)
        tasks = [fake.tasks.get(by_labeler), fake.tasks.get(by_hand)]
        for task in [*tasks, fake.test.tasks.get(by_test_mode)]:
            [url] = urls(task.response)
            assert url.startswith(f"{fake.url}/task/{task.id}/")


def made(type: str, response: Any, **changes: Any) -> Task:
    members = {"task_id": "1", "created_at": NOON, "updated_at": NOON, "type": type}
    return Task({**members, "response": response, **changes})


def test_only_urls_of_result_files_are_moved() -> None:
    for text in ("https://e.com/video.json", "http://e.com/v1/task/1/response_url/x", "text"):
        task = made("videoannotation", {"annotations": {"url": text}})
        assert seen_from(lambda: "http://here", task) == task
    url = f"http://e.com:1/v1/task/{'0' * 24}/response_url/{'0' * 8}-0000-4000-8000-{'0' * 12}"
    task = made("chat", {"url": url})
    assert seen_from(lambda: "http://here", task) == task
    task = made("videoannotation", {"url": [url]}, metadata={"url": url})
    moved = replace(task, response={"url": [url.replace("http://e.com:1", "http://here")]})
    assert seen_from(lambda: "http://here", task) == moved != task
    [seen] = seen_from(lambda: "http://here", Page([task], 1, Query(), has_more=False)).docs
    assert seen == moved


def file_of_test_mode(fake: FakeScale) -> str:
    made = fake.test.tasks.create("lidarannotation", **example("lidarannotation"))
    [url] = urls(fake.test.tasks.get(made.id).response)
    return url.removeprefix(fake.url)


def test_anyone_may_fetch_a_file(fake: FakeScale) -> None:
    path = file_of_test_mode(fake)
    for sent in ("", "Bearer nonsense", "Bearer live_other", f"Bearer {fake.api_key}"):
        assert Caller(fake)("GET", path, headers={"Authorization": sent}).status == 200
    assert {exchange.account for exchange in fake.requests} == {fake.test.key.account}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_anyone_may_ask_about_a_file(fake: FakeScale, method: str) -> None:
    path, secure = file_of_test_mode(fake), FakeScale(secure_result_urls=True)
    for sent in ("", "Bearer nonsense"):
        for end in ("", "/"):
            reply = Caller(fake)(method, path + end, headers={"Authorization": sent})
            assert reply.status == 200
        assert Caller(secure)(method, path, headers={"Authorization": sent}).status == 401


def test_a_secure_file_opens_with_either_key_of_the_account_alone() -> None:
    fake = FakeScale(secure_result_urls=True)
    path = file_of_test_mode(fake)
    for key in (fake.api_key, fake.test_api_key):
        assert Caller(fake, key)("GET", path).status == 200
    assert Caller(fake, "live_other")("GET", path).status == 404
    for sent in ("", "Bearer nonsense"):
        assert Caller(fake)("GET", path, headers={"Authorization": sent}).status == 401


def test_a_file_is_found_in_the_account_that_has_it(fake: FakeScale) -> None:
    task = fake.tasks.create("lidarannotation", **example("lidarannotation"))
    printed = fake.tasks.complete(task.id).to_json()
    fake.reset()
    fake.account("one").tasks.load([{**printed, "response": {"mine": 1}}])
    fake.account("two").tasks.load([printed])
    [url] = urls(printed)
    assert Caller(fake)("GET", url.removeprefix(fake.url)).status == 200
    fake.reset("two")
    assert Caller(fake)("GET", url.removeprefix(fake.url)).status == 404


def test_no_other_file_exists(fake: FakeScale, live: Caller) -> None:
    task = fake.tasks.create("lidarannotation", **example("lidarannotation"))
    task = fake.tasks.complete(task.id)
    [url] = urls(task.response)
    path = url.removeprefix(fake.url)
    assert live("GET", path).status == 200
    for wrong in (path[:-1] + "x", path.replace(task.id, "0" * 24), path[:-1]):
        assert live("GET", wrong).status == 404
    fake.tasks.recall(task.id)
    assert live("GET", path).status == 404
    fake.tasks.complete(task.id, response={"annotations": {"url": "https://e.com/mine"}})
    assert live("GET", path).status == 404


def test_a_factory_takes_the_option_for_secure_files(fakescale_factory: FakeFactory) -> None:
    with fakescale_factory(served=False, secure_result_urls=True) as fake:
        path = file_of_test_mode(fake)
        assert Caller(fake)("GET", path, headers={"Authorization": ""}).status == 401


def test_the_pages_of_a_document_are_printed_and_survive_a_dump(fake: FakeScale) -> None:
    body = example("documenttranscription", attachment=ABSENT, attachments=["a", "b"])
    task = fake.tasks.create("documenttranscription", **body)
    assert task.to_json()["document_pages"] == [{"width": 850, "height": 1100}] * 2
    other = FakeScale()
    other.load(json.loads(json.dumps(fake.dump())))
    assert other.tasks.get(task.id) == task
    loaded = FakeScale()
    loaded.load([json.loads(task.to_text())])
    assert loaded.tasks.get(task.id).to_text() == task.to_text()
    assert "document_pages" not in fake.tasks.create("chat").to_json()
