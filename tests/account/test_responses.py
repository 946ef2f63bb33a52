import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.account import responses, task_types
from fakescale.account.task import Task
from fakescale.account.task_types import read_creation
from tests.support import ABSENT, example
from tests.values.test_frozen import JSON

TYPES = task_types.names()


def task(type: str, params: Any, number: int = 1) -> Task:
    stamp = "2024-01-01T00:00:00.000Z"
    members = {"task_id": f"65920080{number:016x}", "created_at": stamp, "updated_at": stamp}
    return Task({**members, "type": type, "params": params})


def made(type: str, number: int = 1, **changes: Any) -> Any:
    return responses.response(
        task(type, read_creation(type, example(type, **changes)).params, number)
    )


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


@pytest.mark.parametrize("type", TYPES)
def test_a_response_has_the_members_of_the_example(type: str) -> None:
    assert set(made(type)) == set(task_types.example(type)[1])


@pytest.mark.parametrize("type", TYPES)
def test_a_response_depends_on_the_id_but_not_on_its_timestamp(type: str) -> None:
    one = task(type, read_creation(type, example(type)).params)
    later = task(type, one.params)
    object.__setattr__(later, "id", "ffffffff" + one.id[8:])
    renamed = json.dumps(responses.response(one)).replace(one.id, later.id)  # in URLs
    assert json.loads(renamed) == responses.response(later)


def test_choices_vary_with_the_id() -> None:
    assert {made("categorization", number)["category"] for number in range(50)} == {"big", "small"}


def test_a_box_is_the_observed_one_with_a_requested_label() -> None:
    [box] = made("annotation", with_labels=True)["annotations"]
    assert box == {"left": 0, "top": 0, "width": 100, "height": 100, "label": box["label"]}
    assert box["label"] in ("calf", "cow")
    [box] = made("annotation", with_labels=False)["annotations"]
    assert "label" not in box


def test_every_requested_geometry_is_annotated() -> None:
    geometries: dict[str, Any] = {
        name: {} for name in ("box", "polygon", "line", "point", "cuboid", "ellipse")
    }
    annotations = made("imageannotation", geometries=geometries)["annotations"]
    assert [annotation["type"] for annotation in annotations] == list(geometries)
    assert all(set(annotation["attributes"]) == {"parked"} for annotation in annotations)


def test_only_leaves_of_nested_labels_are_chosen() -> None:
    labels = [{"choice": "vehicle", "subchoices": ["car", {"choice": "bus", "subchoices": []}]}]
    seen = {
        made("imageannotation", n, geometries={"box": {"objects_to_annotate": labels}})[
            "annotations"
        ][0]["label"]
        for n in range(30)
    }
    assert seen == {"car", "bus"}


def test_texts_and_rows_are_the_observed_ones() -> None:
    answer = made("transcription", fields={"a": "A"}, repeatable_fields={"b": "B"})
    assert answer == {
        "fields": {"a": "test response"},
        "repeatable_fields": [{"b": "test row response"}] * 2,
    }
    rows = made("transcription", repeatable_fields=ABSENT, row_fields={"b": "B"})
    assert rows["rows"] == [{"b": "test row response"}] * 2
    assert "repeatable_fields" not in rows
    assert made("transcription", repeatable_fields=ABSENT)["repeatable_fields"] == [None, None]
    assert made("comparison")["choice"] in ("yes", "no")


def test_multiple_categories_are_a_list_and_include_their_ids() -> None:
    answer = made("categorization", allow_multiple=True, category_ids={"1": "big", "2": "small"})
    assert len(answer["category"]) == len(answer["category_id"]) == 1
    without = made("categorization", allow_multiple=True)
    assert (len(without["category"]), without["category_id"]) == (1, None)


def test_categories_and_taxonomies_are_answered_together() -> None:
    answer = made("categorization", taxonomies={"color": {"choices": ["red"]}})
    assert set(answer) == {"category", "category_id", "taxonomies"}
    assert answer["taxonomies"] == {"color": "red"}


def test_the_fields_of_a_document_are_an_array() -> None:
    fields = [{"type": "text", "field_id": "x", "title": "X"}]
    [answer] = made("documenttranscription", fields=fields)["fields"]
    assert (answer["field_id"], type(answer["value"])) == ("x", str)
    assert made("documenttranscription", features=[{"type": "text"}])["fields"] == []


def test_an_entity_is_a_part_of_the_text() -> None:
    [entity] = made("namedentityrecognition", text="  Ada met Alan.")["annotations"]
    assert "  Ada met Alan."[entity["start"] : entity["end"]] == entity["text"] == "Ada"


def test_instance_labels_get_one_mask_each() -> None:
    mapping = made("segmentannotation")["labelMapping"]
    assert shape(mapping) == {
        "road": {"index": "int", "color": "str", "numPixels": "int"},
        "car": [{"index": "int", "color": "str", "numPixels": "int"}],
    }


def test_an_instance_label_may_be_below_another() -> None:
    labels = [{"choice": "vehicle", "subchoices": [{"choice": "car", "instance_label": True}]}]
    mapping = made("segmentannotation", labels=labels, instance_labels=ABSENT)["labelMapping"]
    assert shape(mapping) == {"car": [{"index": "int", "color": "str", "numPixels": "int"}]}


def image(**changes: Any) -> Any:
    return made("imageannotation", **{"annotation_attributes": ABSENT, **changes})


def test_a_shape_is_as_its_geometry_asks() -> None:
    camera = {"camera_intrinsics": {}, "camera_rotation_quaternion": {}, "camera_height": 1}
    for geometry, spec, expected in (
        ("box", {"min_width": 120, "min_height": 150}, {"width": 120, "height": 150}),
        ("box", {"can_rotate": True}, {"rotation": 0, "vertices": CORNERS}),
    ):
        [annotation] = image(geometries={geometry: spec})["annotations"]
        assert annotation.items() >= expected.items()
    [cuboid] = image(geometries={"cuboid": camera})["annotations"]
    assert all({"x", "y", "z"} == point.keys() for point in cuboid["points_3d"])
    [cuboid] = image(geometries={"cuboid": {}})["annotations"]
    assert (len(cuboid["vertices"]), "points_3d" in cuboid) == (6, False)
    assert all({"x1", "y1", "x2", "y2"} < edge.keys() for edge in cuboid["edges"])


CORNERS = [{"x": x, "y": y} for x, y in ((0, 0), (100, 0), (100, 100), (0, 100))]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, 3),
        ({"min_vertices": 5}, 5),
        ({"max_vertices": 2}, 2),
        ({"min_vertices": 4, "max_vertices": 4}, 4),
        ({"min_vertices": 10**9}, 1000),
        ({"max_vertices": -1}, 1),
    ],
)
def test_a_path_has_as_many_vertices_as_asked(spec: Any, count: int) -> None:
    for geometry in ("polygon", "line"):
        [annotation] = image(geometries={geometry: spec})["annotations"]
        assert len(annotation["vertices"]) == count


def coordinates(value: Any) -> Iterator[float]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from coordinates(item)
        elif key in ("x", "y", "x1", "y1", "x2", "y2", "left", "top", "width", "height"):
            yield item


def test_all_shapes_lie_within_a_small_picture() -> None:
    names = ("box", "polygon", "line", "point", "cuboid", "ellipse")
    specs: Any = {name: {"can_rotate": True, "min_vertices": 9} for name in names}
    found = [*coordinates(image(geometries=specs)["annotations"])]
    assert len(found) > 50
    assert all(0 <= it <= 110 for it in found)


def test_each_attribute_has_a_value_of_its_kind() -> None:
    attributes = {
        "category": {"choices": ["a"]},
        "several": {"choices": ["a"], "allow_multiple": True},
        "text": {"type": "text"},
        "number": {"type": "number", "min": 3},
        "angle": {"type": "angle"},
        "to the line": {"type": "linked", "allowed_labels": ["way"]},
        "to nothing": {"type": "linked", "allowed_labels": ["sky"]},
        "of the line": {"type": "text", "conditions": {"label_condition": {"label": ["way"]}}},
        "weather": {"choices": ["sun"], "global": True},
    }
    geometries = {"box": {"objects_to_annotate": ["car"]}, "line": {"objects_to_annotate": ["way"]}}
    answer = image(geometries=geometries, annotation_attributes=attributes)
    car, way = answer["annotations"]
    assert car["attributes"] == {
        "category": "a",
        "several": ["a"],
        "text": "test response",
        "number": 3,
        "angle": 0,
        "to the line": way["uuid"],
    }
    assert way["attributes"] == {**car["attributes"], "of the line": "test response"}
    assert answer["global_attributes"] == {"weather": "sun"}
    assert answer["links"] == []


def test_flags_and_numbers_of_a_form_are_read() -> None:
    attributes = {"a": {"choices": ["x"], "allow_multiple": "false", "global": "false"}}
    attributes["b"] = {"type": "number", "min": "3"}
    [box] = image(geometries={"box": {}}, annotation_attributes=attributes)["annotations"]
    assert box["attributes"] == {"a": "x", "b": 3}
    labels = [{"choice": "car", "instance_label": "false"}]
    mapping = made("segmentannotation", labels=labels, instance_labels=ABSENT)["labelMapping"]
    assert shape(mapping) == {"car": {"index": "int", "color": "str", "numPixels": "int"}}
    several = {"type": "text", "field_id": "t", "title": "T", "max_responses_required": "2"}
    group = {"type": "field_set", "field_id": "g", "title": "G", "fields": [several]}
    answers = made("textcollection", fields=[group])["annotations"]
    assert answers["g"] == {"t": ["test response"]}


def test_attributes_are_present_only_if_they_are_asked_for() -> None:
    for type in ("imageannotation", "annotation"):
        [shape, *_] = made(type, annotation_attributes={})["annotations"]
        assert shape["attributes"] == {}
        assert "attributes" not in made(type, annotation_attributes=ABSENT)["annotations"][0]


@pytest.mark.parametrize(
    ("type", "by_default"),
    [
        ("annotation", False),
        ("polygonannotation", False),
        ("lineannotation", False),
        ("laneannotation", True),
        ("pointannotation", True),
        ("cuboidannotation", True),
    ],
)
def test_with_labels_says_whether_a_shape_has_a_label(type: str, by_default: bool) -> None:
    for asked, expected in ((ABSENT, by_default), (True, True), (False, False)):
        [annotation] = made(type, with_labels=asked)["annotations"]
        assert ("label" in annotation) == expected


def test_relationships_join_two_entities() -> None:
    labels = [{"name": "PERSON"}, {"name": "VERB"}]
    relationships = [{"name": "does", "source_label": "PERSON", "target_label": "VERB"}]
    answer = made("namedentityrecognition", labels=labels, relationships=relationships)
    source, target = answer["annotations"]
    assert (source["label"], target["label"]) == ("PERSON", "VERB")
    assert (source["text"], target["text"]) == ("Ada", "met")
    [relationship] = answer["relationships"]
    assert (relationship["source_ref"], relationship["target_ref"]) == (source["id"], target["id"])
    assert relationship["name"] == "does"
    alone = made("namedentityrecognition", text="Ada", relationships=relationships)
    assert (len(alone["annotations"]), alone["relationships"]) == (1, [])


def test_a_flag_adds_a_member_to_the_annotation_of_a_document() -> None:
    features = [{"type": "text", "label": flag, "flags": [flag]} for flag in ("date", "money")]
    features.append({"type": "group", "title": "box", "flags": ["checkbox"]})
    date, money, box = made("documenttranscription", features=features)["annotations"]
    assert (money["text"], money["money"]) == ("12.50", {"amount": "12.50"})
    assert "date" in date
    assert (box["label"], box["checked"]) == ("box", True)


def test_a_model_annotates_the_features_of_a_document() -> None:
    features = [{"type": "text", "label": "total"}]
    [annotation] = made("documentmodel", features=features)["annotations"]
    assert (annotation["label"], annotation["page"]) == ("total", 0)


def test_points_have_cuboids_only_with_a_lidar_task() -> None:
    assert set(made("lidarsegmentation")) == {"point_segmentations"}
    linked = made("lidarsegmentation", lidar_task="a" * 24)
    assert set(linked) == {"point_segmentations", "annotations"}


ODD = JSON | st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "choice": JSON,
            "choices": JSON,
            "field_id": st.text(max_size=2),
            "fields": JSON,
            "flags": JSON,
            "instance_label": JSON,
            "max_responses_required": st.integers(-3, 200),
            "min_responses_required": st.integers(-3, 200),
            "subchoices": JSON,
            "type": st.sampled_from(["category", "select", "field_set"]),
        },
    ),
    max_size=3,
)
NAMES = """
    allow_multiple annotation_attributes attachment attachments categories category_ids choices
    features fields geometries instance_labels labels objects_to_annotate relationships
    repeatable_fields taxonomies text
"""


@given(
    st.sampled_from([*TYPES, "neverheardof"]),
    st.dictionaries(st.sampled_from(NAMES.split()), ODD, max_size=4),
)
def test_odd_parameters_still_get_a_response(type: str, params: Any) -> None:
    assert isinstance(responses.response(task(type, params)), dict)
    assert "error" in responses.failure(task(type, params))


def test_a_failed_audio_task_has_the_documented_text() -> None:
    failed = responses.failure(task("audiotranscription", {"attachment": "https://e.com/1"}))
    assert failed == {"error": "The audio file cannot be loaded."}


def test_a_failure_names_attachments_of_textcollection() -> None:
    params = {"attachments": [{"type": "image", "content": "https://e.com/1.png"}]}
    failed = responses.failure(task("textcollection", params))
    assert failed["attachments"] == [{"statusCode": 403, "url": "https://e.com/1.png"}]


def test_a_failure_names_the_attachments() -> None:
    failed = responses.failure(task("comparison", {"attachments": ["a", "b"], "attachment": "c"}))
    assert failed == {
        "error": "One or more attachments could not be downloaded.",
        "attachments": [{"statusCode": 403, "url": url} for url in "cab"],
    }
