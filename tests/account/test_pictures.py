"""The drawings of tasks as the fake makes them up."""

import base64
import re
import xml.etree.ElementTree as ET
import zlib
from typing import Any

import pytest

import fakescale
from fakescale import FakeScale, RemoteFakeScale, Task
from fakescale.account import task_types
from tests.support import Caller

SVG = "{http://www.w3.org/2000/svg}"
# The types whose picture shows a label of the example.
LABELS = {
    "imageannotation": ["car", "bus", "road"],
    "annotation": ["calf", "cow"],
    "segmentannotation": ["road", "car"],
    "laneannotation": ["solid line", "dashed line"],
    "videoannotation": ["car"],
    "videoplaybackannotation": ["person"],
    "videoboxannotation": ["car"],
    "videocuboidannotation": ["car"],
    "lidarannotation": ["Car", "Pedestrian"],
    "lidarsegmentation": ["Road", "Car"],
    "lidartopdown": ["crosswalk"],
    "namedentityrecognition": ["PERSON"],
    "documenttranscription": ["barcode", "total"],
    "polygonannotation": ["cow"],
    "lineannotation": ["cow"],
    "pointannotation": ["cow"],
    "cuboidannotation": ["cow"],
}
FORMS = {"chat", "chatexperimental", "chatlite", "multichat", "categorization", "comparison"}
FORMS |= {"transcription", "datacollection", "textcollection", "phonecall"}


def a_task(fake: FakeScale, type: str) -> Task:
    """Return the completed task of a type."""
    test = Caller(fake, "test_fakescale")
    body: dict[str, Any] = {}
    if type == "lidarlinking":
        body["lidar_task"] = test.create("lidarannotation")["task_id"]
    return fake.test.tasks.get(test.create(type, **body)["task_id"])


def a_picture(fake: FakeScale, url: str) -> Task:
    return fake.test.tasks.create("imageannotation", attachment=url, geometries={"box": {}})


@pytest.mark.parametrize("type", task_types.names())
def test_the_made_up_response_of_each_type_is_drawn(fake: FakeScale, type: str) -> None:
    task = a_task(fake, type)
    drawing = fake.test.tasks.drawing(task)
    root = ET.fromstring(drawing.svg)
    written = " ".join(it.text or "" for it in root.iter(f"{SVG}text"))
    assert drawing.total == len(drawing.shapes) > 0
    assert not any("cannot be drawn" in it.text for it in drawing.shapes)
    assert {it.kind for it in drawing.shapes} == {"answer"} or type not in FORMS
    for label in drawing.labels:
        assert label.label in written
    if type in LABELS:
        assert {it.label for it in drawing.labels} <= {*LABELS[type]}
        assert drawing.labels
    assert fakescale.draw(task) == task._repr_svg_() == drawing.svg


def test_each_frame_of_a_result_file_is_drawn(fake: FakeScale) -> None:
    task = a_task(fake, "lidarannotation")
    assert fake.test.tasks.drawing(task).frames == 2
    assert fakescale.draw(task, frame=1).startswith("<svg")


def test_a_mask_is_in_the_drawing_itself(fake: FakeScale) -> None:
    task = a_task(fake, "segmentannotation")
    [image] = ET.fromstring(fakescale.draw(task)).iter(f"{SVG}image")
    assert image.get("image-rendering") == "pixelated"
    assert (image.get("href") or "").startswith("data:image/png;base64,iVBOR")
    drawing = fake.test.tasks.drawing(task)
    mapping = (task.response or {})["labelMapping"]
    assert [it.color for it in drawing.labels] == [mapping["road"]["color"],
                                                   mapping["car"][0]["color"]]  # fmt: skip


def test_a_mask_is_black_where_a_label_is_left_out(fake: FakeScale) -> None:
    task = a_task(fake, "segmentannotation")
    whole, part = (fake.test.tasks.drawing(task, without=it) for it in ([], ["road"]))
    pictures = [re.findall('base64,([^"]*)', it.svg)[0] for it in (whole, part)]
    colors = [decoded(base64.b64decode(it)) for it in pictures]
    road, car = (it.color for it in whole.labels)
    assert colors == [{road, car}, {"#000000", car}]
    assert "road (left out)" in part.svg
    assert [it.label for it in part.shapes] == ["car"]


def decoded(png: bytes) -> set[str]:
    """Return the colors of a mask: 64 rows of 64 pixels, with 3 bytes each."""
    start = png.index(b"IDAT") + 4
    rows = zlib.decompress(png[start : png.index(b"IEND") - 8])
    pixels = b"".join(rows[it * 193 + 1 : it * 193 + 193] for it in range(64))
    return {f"#{pixels[it : it + 3].hex()}" for it in range(0, len(pixels), 3)}


@pytest.mark.parametrize(
    "url", ["https://elsewhere.test/a.png", "http://a.test/v1/task/x/response_url/" + "0" * 36]
)
def test_a_file_that_the_fake_did_not_make_is_not_fetched(fake: FakeScale, url: str) -> None:
    task = fake.tasks.create("segmentannotation", attachment="http://a.test/x", labels=["a"])
    task = fake.tasks.complete(task, {"annotations": {"combined": {"image": url}}})
    assert url in fakescale.draw(task)
    url = url.replace("/x/", f"/{task.id}/")
    other = fake.tasks.recall(task)
    other = fake.tasks.complete(other, {"annotations": {"url": url}})
    assert url in fakescale.draw(other)


def test_the_size_of_a_picture_is_given_or_agreed_or_that_of_the_page(fake: FakeScale) -> None:
    def border(task: Task, **options: Any) -> list[tuple[str | None, str | None]]:
        rects = ET.fromstring(fakescale.draw(task, **options)).iter(f"{SVG}rect")
        framed = [it for it in rects if it.findtext(f"{SVG}title") == "the picture"]
        return [(it.get("width"), it.get("height")) for it in framed]

    named = a_picture(fake, "http://a.test/640x480/1.jpg")
    assert border(named) == [("640", "480")]
    assert border(named, size=(10, 20.5)) == [("10", "20.5")]
    plain = a_picture(fake, "http://a.test/1.jpg")
    assert border(plain) == []
    document = a_task(fake, "documenttranscription")
    page = document.document_pages[0]
    assert border(document) == [(str(page["width"]), str(page["height"]))]


def test_one_label_alone_may_be_left_out(fake: FakeScale) -> None:
    task = a_task(fake, "polygonannotation")
    assert "<polygon" in fakescale.draw(task)
    assert "<polygon" not in fakescale.draw(task, without="cow")
    assert "<polygon" not in fakescale.draw(task, without=["cow"])


@pytest.mark.parametrize("size", [5, (1,), (1, 2, 3), ("1", "2"), (0, 5), (1, -5), (1, 1e300)])
def test_a_wrong_size_is_refused(fake: FakeScale, size: Any) -> None:
    with pytest.raises(ValueError, match="size must be a width and a height in pixels"):
        fakescale.draw(a_task(fake, "annotation"), size=size)


def test_anything_but_a_task_is_refused() -> None:
    with pytest.raises(TypeError, match=r"draw\(\) takes a task, not 'x'"):
        fakescale.draw("x")  # type: ignore[arg-type]


def test_a_task_of_a_remote_fake_is_drawn_too(fake: FakeScale) -> None:
    with fake.serve():
        remote = RemoteFakeScale(fake.url)
        task = remote.test.tasks.create(
            "videoannotation", attachments=["http://a.test/1.jpg"], geometries={"box": {}}
        )
        assert fakescale.draw(task) == remote.test.tasks.drawing(task).svg
        assert "<rect" in fakescale.draw(task)


def test_a_canceled_task_has_no_response_to_draw(fake: FakeScale) -> None:
    task = fake.tasks.cancel(fake.tasks.create("chat"))
    assert "no response yet" in fakescale.draw(task)
    failed = fake.tasks.fail(fake.tasks.create("chat"), "The file is gone.")
    assert "The file is gone." in fakescale.draw(failed)
