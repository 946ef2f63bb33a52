import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.account import responses, task_types
from fakescale.account.task import Task
from fakescale.account.task_types import read_creation
from fakescale.values.frozen import freeze
from tests.support import example
from tests.values.test_frozen import JSON

TYPES = task_types.names()


def task(type: str, params: Any, number: int = 1) -> Task:
    stamp = "2024-01-01T00:00:00.000Z"
    return Task(
        id=f"65920080{number:016x}",
        created_at=stamp,
        updated_at=stamp,
        type=type,
        params=freeze(params),
    )


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
    optional = {"global_attributes"}
    assert set(made(type)) == set(task_types.example(type)[1]) - optional


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
    assert made("transcription", row_fields={"b": "B"})["rows"] == [{"b": "test row response"}] * 2
    assert made("comparison")["choice"] in ("yes", "no")


def test_multiple_categories_are_a_list_and_include_their_ids() -> None:
    answer = made("categorization", allow_multiple=True, category_ids={"1": "big", "2": "small"})
    assert len(answer["category"]) == len(answer["category_id"]) == 1


def test_the_fields_of_a_document_are_an_array() -> None:
    fields = [{"type": "text", "field_id": "x", "title": "X"}]
    [answer] = made("documenttranscription", fields=fields)["fields"]
    assert (answer["field_id"], type(answer["value"])) == ("x", str)
    assert made("documenttranscription", features=[{"type": "text"}])["fields"] == []


def test_the_value_of_a_field_depends_on_its_type() -> None:
    fields = [
        {"type": kind, "field_id": kind, "title": kind, **more}
        for kind, more in {
            "text": {}, "number": {}, "boolean": {}, "datetime": {},
            "category": {"choices": [{"label": "G", "value": "g"}]},
            "select": {"options": [{"title": "S", "value": "s"}]},
            "field_set": {"fields": [{"type": "text", "field_id": "x", "title": "X"}]},
        }.items()
    ]  # fmt: skip
    assert made("textcollection", fields=fields)["annotations"] == {
        "text": "test response",
        "number": "1",
        "boolean": True,
        "datetime": "2020-01-01T00:00:00.000Z",
        "category": ["g"],
        "select": ["s"],
        "field_set": {"x": "test response"},
    }


def test_an_entity_is_a_part_of_the_text() -> None:
    [entity] = made("namedentityrecognition", text="  Ada met Alan.")["annotations"]
    assert "  Ada met Alan."[entity["start"] : entity["end"]] == entity["text"] == "Ada"


def test_instance_labels_get_one_mask_each() -> None:
    mapping = made("segmentannotation")["labelMapping"]
    assert shape(mapping) == {
        "road": {"index": "int", "color": "str"},
        "car": [{"index": "int", "color": "str"}],
    }


ODD = JSON | st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "choice": JSON,
            "choices": JSON,
            "field_id": st.text(max_size=2),
            "fields": JSON,
            "instance_label": JSON,
            "subchoices": JSON,
            "type": st.sampled_from(["category", "select", "field_set"]),
        },
    ),
    max_size=3,
)
NAMES = """
    allow_multiple annotation_attributes attachment attachments categories category_ids choices
    features fields geometries instance_labels labels objects_to_annotate repeatable_fields
    taxonomies text
"""


@given(
    st.sampled_from([*TYPES, "neverheardof"]),
    st.dictionaries(st.sampled_from(NAMES.split()), ODD, max_size=4),
)
def test_odd_parameters_still_get_a_response(type: str, params: Any) -> None:
    assert isinstance(responses.response(task(type, params)), dict)
    assert "error" in responses.failure(task(type, params))


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
