"""The lively labeler: its objects lie inside the picture and obey the parameters."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import fakescale
from fakescale import FakeScale, Task, TaskFailure, labelers
from fakescale.account import responses, task_types
from fakescale.account.file_contents import FILES
from fakescale.account.pictures import drawing
from fakescale.account.result_files import result_file
from fakescale.account.task import complete
from fakescale.account.task_types import read_creation
from tests.account.test_responses import task as a_task
from tests.support import example

LABELS = ["cat", "dog", {"choice": "vehicle", "subchoices": ["car", "bus"]}]
LEAVES = {"cat", "dog", "car", "bus"}
COUNTS = st.none() | st.integers(1, 9)
SPECS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "box": {
        "min_width": st.integers(0, 60) | st.floats(0, 60) | st.just("wide"),
        "min_height": st.integers(0, 60),
        "can_rotate": st.booleans(),
        "integer_pixels": st.booleans(),
    },
    "polygon": {"min_vertices": COUNTS, "max_vertices": COUNTS},
    "line": {"min_vertices": COUNTS, "max_vertices": COUNTS},
    "point": {},
    "ellipse": {},
    "cuboid": {"min_width": st.integers(0, 60), "min_height": st.integers(0, 60)},
}
SIZES = st.tuples(st.integers(60, 5_000), st.integers(60, 5_000))


def points(value: Any) -> Iterator[tuple[float, float]]:
    """Yield all points that a shape names."""
    if isinstance(value, list):
        for item in value:
            yield from points(item)
    elif isinstance(value, dict):
        if "x" in value:
            yield value["x"], value["y"]
        if "x1" in value:
            yield value["x1"], value["y1"]
            yield value["x2"], value["y2"]
        if "left" in value:
            yield value["left"], value["top"]
            yield value["left"] + value["width"], value["top"] + value["height"]
        for name, item in value.items():
            if name != "points_3d":
                yield from points(item)


def number(spec: dict[str, Any], name: str) -> float:
    value = spec.get(name)
    return value if isinstance(value, int | float) else 0


def check(shape: dict[str, Any], kind: str, spec: dict[str, Any], size: Any) -> None:
    """Assert that a shape lies inside a picture and is as its task asks."""
    places = list(points(shape))
    assert places
    for x, y in places:
        assert 0 <= x <= size[0], shape
        assert 0 <= y <= size[1], shape
    if kind == "box":
        assert shape["width"] >= number(spec, "min_width")
        assert shape["height"] >= number(spec, "min_height")
        assert ("rotation" in shape) == bool(spec.get("can_rotate"))
        if spec.get("can_rotate"):
            assert len(shape["vertices"]) == 4
        if spec.get("integer_pixels") and isinstance(spec.get("min_width", 0), int):
            assert all(type(shape[it]) is int for it in ("left", "top", "width", "height"))
    if kind in ("polygon", "line"):
        least, most = spec.get("min_vertices"), spec.get("max_vertices")
        assert len(shape["vertices"]) <= (most or 1_000)
        assert len(shape["vertices"]) >= min(least or 1, most or 1_000)
    if kind == "cuboid":
        corners = {it["description"]: it for it in shape["vertices"]}
        left, right = corners["face-topleft"], corners["face-bottomright"]
        assert right["x"] - left["x"] >= number(spec, "min_width")
        assert right["y"] - left["y"] >= number(spec, "min_height")


def labeled(type: str, params: Any, **options: Any) -> Any:
    return labelers.lively(**{"error_rate": 0, **options})(a_task(type, params))


@pytest.mark.parametrize("geometry", SPECS)
def test_every_object_lies_inside_the_picture_and_obeys_the_parameters(geometry: str) -> None:
    @given(
        spec=st.fixed_dictionaries({}, optional=SPECS[geometry]),
        size=SIZES,
        per_task=st.integers(1, 9),
        seed=st.integers(0, 99),
    )
    def check_all(spec: dict[str, Any], size: Any, per_task: int, seed: int) -> None:
        url = "http://a.test/x.jpg"
        params = {
            "attachment": url,
            "geometries": {geometry: {**spec, "objects_to_annotate": LABELS}},
        }
        response = labeled(
            "imageannotation",
            params,
            per_task=per_task,
            seed=seed,
            sizes={params["attachment"]: size},
        )
        assert len(response["annotations"]) == per_task
        for annotation in response["annotations"]:
            assert annotation["type"] == geometry
            assert annotation["label"] in LEAVES
            check(annotation, geometry, spec, size)

    check_all()


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("annotation", "box"),
        ("polygonannotation", "polygon"),
        ("lineannotation", "line"),
        ("laneannotation", "line"),
        ("pointannotation", "point"),
        ("cuboidannotation", "cuboid"),
    ],
)
def test_the_older_types_are_lively_too(type: str, kind: str) -> None:
    url = "http://a.test/400x300/1.jpg"
    params = {"attachment": url, "objects_to_annotate": ["a", "b"], "with_labels": True,
              "min_width": 30, "min_height": 20, "max_vertices": 5}  # fmt: skip
    annotations = labeled(type, params, per_task=40)["annotations"]
    assert len(annotations) == 40
    assert {it["label"] for it in annotations} == {"a", "b"}
    for annotation in annotations:
        check(annotation, kind, params, (400, 300))
    assert len({json.dumps(it) for it in annotations}) > 30


def test_a_box_that_must_be_larger_than_the_picture_is_so_and_begins_at_its_edge() -> None:
    params = {"attachment": "http://a.test/9x9/", "geometries": {"box": {"min_width": 50}}}
    [box] = labeled("imageannotation", params, per_task=1)["annotations"]
    assert (box["left"], box["width"]) == (0, 50)
    assert 0 <= box["top"] <= box["top"] + box["height"] <= 9


def test_each_geometry_is_there_even_if_fewer_objects_are_wanted() -> None:
    geometries: dict[str, Any] = {name: {} for name in SPECS}
    for per_task in (1, 8):
        made = labeled("imageannotation", {"geometries": geometries}, per_task=per_task)
        kinds = [it["type"] for it in made["annotations"]]
        assert {*kinds} == {*SPECS}
        assert len(kinds) == max(per_task, len(SPECS))


def test_attributes_have_allowed_values() -> None:
    params: dict[str, Any] = {
        "geometries": {"box": {"objects_to_annotate": ["car", "dog"]}},
        "annotation_attributes": {
            "color": {"choices": ["red", "blue"]},
            "age": {"type": "number", "min": 3, "max": 8},
            "barks": {
                "choices": ["yes", "no"],
                "conditions": {"label_condition": {"label": ["dog"]}},
            },
            "day": {"choices": ["on", "off"], "global": True},
        },
    }
    response = labeled("imageannotation", params, per_task=50)
    given_values = [it["attributes"] for it in response["annotations"]]
    assert {it["color"] for it in given_values} == {"red", "blue"}
    assert {it["age"] for it in given_values} == {3, 4, 5, 6, 7, 8}
    for annotation in response["annotations"]:
        assert ("barks" in annotation["attributes"]) == (annotation["label"] == "dog")
    assert response["global_attributes"]["day"] in ("on", "off")


def test_the_same_task_and_seed_give_the_same_response() -> None:
    params: dict[str, Any] = {"geometries": {"box": {}, "line": {}}}
    assert labeled("imageannotation", params) == labeled("imageannotation", params)
    assert labeled("imageannotation", params, seed=1) != labeled("imageannotation", params)
    assert labeled("imageannotation", params, seed=1) == labeled("imageannotation", params, seed=1)
    other = labelers.lively(error_rate=0)(a_task("imageannotation", params, 2))
    assert other != labeled("imageannotation", params)


@pytest.mark.parametrize("type", task_types.names())
def test_a_response_of_any_type_has_the_members_of_its_example_and_is_drawn(type: str) -> None:
    params = read_creation(type, example(type)).params
    task = a_task(type, params)
    response = labelers.lively(error_rate=0)(task)
    assert response is not None
    assert set(response) - {"threads"} == set(task_types.example(type)[1])
    done = complete(task, task.created_at, response)
    drawn = drawing(done)
    assert drawn.total > 0
    usual = drawing(complete(task, task.created_at, responses.response(task)))
    assert {it.kind for it in drawn.shapes} == {it.kind for it in usual.shapes}
    assert not any("cannot be drawn" in it.text for it in drawn.shapes)
    for label in drawn.labels:
        assert label.label in drawn.svg


def files(type: str, **changes: Any) -> dict[str, Any]:
    """Return the result files of a lively task, by their members."""
    params = read_creation(type, example(type, **changes)).params
    task = a_task(type, params)
    response = labelers.lively(per_task=6, error_rate=0)(task)
    assert response is not None
    done = complete(task, task.created_at, response)
    return {
        member: json.loads(result_file(done, it["url"].rpartition("/")[2]).body)
        for member, it in response.items()
    }


@pytest.mark.parametrize("type", sorted(FILES))
def test_result_files_of_every_type_are_there(type: str) -> None:
    assert files(type)


def test_objects_of_a_video_move_and_stay_inside() -> None:
    urls = [f"http://a.test/300x200/{n}.jpg" for n in range(40)]
    geometries: dict[str, Any] = {name: {} for name in SPECS}
    frames = files("videoannotation", attachments=urls, geometries=geometries)["annotations"]
    assert len(frames) == 40
    assert frames[0] != frames[39]
    uuids = [[it["uuid"] for it in frame["annotations"]] for frame in frames]
    assert all(it == uuids[0] for it in uuids)
    for frame in frames:
        for annotation in frame["annotations"]:
            check(annotation, annotation["type"], {}, (300, 200))


def test_cuboids_of_a_scene_drive_where_they_look() -> None:
    urls = [f"http://a.test/{n}.json" for n in range(3)]
    frames = files("lidarannotation", attachments=urls)["annotations"]
    first, later = frames[0]["cuboids"], frames[2]["cuboids"]
    assert len(first) == len(later) == 6
    for before, after in zip(first, later, strict=True):
        assert before["uuid"] == after["uuid"]
        assert (before["position"] == after["position"]) == before["stationary"]


def test_a_playback_has_several_keys() -> None:
    [*tracks] = files("videoplaybackannotation")["annotations"].values()
    assert len(tracks) == 6
    assert [it["key"] for it in tracks[0]["frames"]] == list(range(10))


def test_text_and_sound_have_more_to_see() -> None:
    text = "Ada met Alan in Paris and Grace in Rome."
    response = labeled("namedentityrecognition", {"text": text, "labels": [{"name": "PERSON"}]})
    spans = response["annotations"]
    assert len(spans) == 5
    assert all(text[it["start"] : it["end"]] == it["text"] for it in spans)
    assert sorted(spans, key=lambda it: it["start"]) == spans
    sound = labeled("audiotranscription", {"phrases": ["avocado"]}, per_task=20)
    assert len(sound["alignment"]) == 80
    assert " avocado" in sound["transcript"]


def test_a_share_of_tasks_fails_with_the_documented_text() -> None:
    label = labelers.lively(error_rate=0.2)
    failures = []
    for n in range(500):
        try:
            label(a_task("annotation", {"attachment": "http://a.test/x.jpg"}, n))
        except TaskFailure as failure:
            failures.append(failure.response)
    assert failures[0] == {
        "error": "One or more attachments could not be downloaded.",
        "attachments": [{"statusCode": 403, "url": "http://a.test/x.jpg"}],
    }
    assert 60 < len(failures) < 140
    with pytest.raises(TaskFailure):
        labelers.lively(error_rate=1)(a_task("audiotranscription", {}))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"per_task": 0}, ValueError),
        ({"per_task": 1_001}, ValueError),
        ({"per_task": 1.5}, TypeError),
        ({"per_task": True}, TypeError),
        ({"error_rate": 2}, ValueError),
        ({"error_rate": float("nan")}, ValueError),
        ({"error_rate": "0"}, TypeError),
        ({"sizes": {"u": (1,)}}, ValueError),
        ({"sizes": {"u": (0, 5)}}, ValueError),
        ({"sizes": {"u": 5}}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        labelers.lively(**options)


def test_a_fake_uses_it_and_its_result_files_can_be_fetched(fake: FakeScale) -> None:
    fake.labeler = labelers.lively(per_task=7, error_rate=0)
    fake.turnaround = dt.timedelta(hours=1)
    urls = ["http://a.test/300x200/1.jpg", "http://a.test/300x200/2.jpg"]
    task = fake.tasks.create("videoannotation", attachments=urls, geometries={"box": {}})
    with fake.serve():
        fake.advance(hours=1)
        done: Task = fake.tasks.get(task)
        assert done.response is not None
        url = done.response["annotations"]["url"]
        assert url.startswith(f"{fake.url}/task/{task.id}/response_url/")
        frames = requests.get(url, timeout=10).json()
    assert [len(it["annotations"]) for it in frames] == [7, 7]
    assert fakescale.draw(done).count("<circle") == 0
    assert fakescale.draw(done, frame=1) != fakescale.draw(done)


def test_the_module_is_imported_when_it_is_first_used() -> None:
    code = "import fakescale, sys; assert 'fakescale.labelers' not in sys.modules"
    code += "; fakescale.labelers.lively(); fakescale.demo.fill; fakescale.draw"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_page_of_a_document_tells_its_size(fake: FakeScale) -> None:
    params = {"features": [{"type": "block", "label": "l"}]}
    page = {"width": 100, "height": 50}
    task = a_task("documenttranscription", params)
    printed = {**task.to_json(), "document_pages": [page]}
    response = labelers.lively(error_rate=0)(Task(printed))
    assert response is not None
    assert len(response["annotations"]) == 5
    for annotation in response["annotations"]:
        check(annotation["location"], "box", {}, (100, 50))
