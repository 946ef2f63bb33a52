"""Facts about single task types: their parameters, and their made-up responses in test mode."""

from collections.abc import Mapping
from typing import Any

from fakescale.contract.asking import get, make, make_project, ok, task
from fakescale.contract.assumptions import DUMP, RUBY, documented, guessed, observed
from fakescale.contract.target import Reply, Target

GENAI = "GenAI pages of the reference"
URL = "https://example.com/1.jpg"
BOX = {"box": {"objects_to_annotate": ["cat"]}}
IMAGE: Mapping[str, Any] = {"instruction": "i", "attachment": URL, "geometries": BOX}


def create(api: Target, type: str, body: Mapping[str, Any]) -> Reply:
    """Request a creation of a task of a type."""
    return api.call("POST", f"/task/{type}", dict(body))


def response(api: Target, type: str, body: Mapping[str, Any]) -> Any:
    """Create a task in test mode, and return its made-up response."""
    made = ok(create(api, type, body))
    return task(api, made["task_id"])["response"]


# Parameters


@observed(f"{RUBY}, {DUMP}")
def test_a_task_has_an_urgency_and_processed_attachments(api: Target) -> None:
    made = make(api)
    for shown in (made, task(api, made["task_id"]), get(api, "/tasks?limit=1")["docs"][0]):
        assert (shown["urgency"], shown["processed_attachments"]) == ("standard", [])


@observed(DUMP)
def test_an_image_has_the_defaults_in_its_params(api: Target) -> None:
    attributes = {"kind": {"type": "category", "description": "d", "choices": ["a", "b"]}}
    body = {**IMAGE, "annotation_attributes": attributes}
    params = ok(create(api, "imageannotation", body))["params"]
    assert params["attachment_type"] == "image"
    assert "with_labels" in params
    added = {"min_width": 0, "min_height": 0, "examples": []}
    assert params["geometries"]["box"].items() >= {**BOX["box"], **added}.items()
    assert params["annotation_attributes"]["kind"]["allow_multiple"] is False


@documented(GENAI)
def test_template_variables_replace_the_attachments_of_a_textcollection(api: Target) -> None:
    project = make_project(api, type="textcollection")
    body = {"project": project, "instruction": "i", "template_variables": {"prompt": "p"}}
    assert create(api, "textcollection", body).status == 200


@observed("a public client")
def test_an_attachment_may_be_empty_beside_attachments(api: Target) -> None:
    body = {**IMAGE, "attachment_type": "image", "attachment": "", "attachments": [URL]}
    assert create(api, "videoannotation", body).status == 200


@guessed("as an attachment may be empty beside attachments")
def test_attachments_may_be_empty_beside_an_attachment(api: Target) -> None:
    body = {**IMAGE, "attachment_type": "video", "attachments": []}
    assert create(api, "videoannotation", body).status == 200


@guessed("as an attachment may be empty beside attachments")
def test_fields_may_be_empty_beside_repeatable_fields(api: Target) -> None:
    body = {
        "instruction": "i",
        "attachment_type": "website",
        "attachment": "https://example.com/",
        "fields": {},
        "repeatable_fields": {"user": "the submitter"},
    }
    assert create(api, "transcription", body).status == 200


# Made-up responses


@observed(DUMP)
def test_the_response_to_an_image_has_global_attributes(test_mode: Target) -> None:
    assert response(test_mode, "imageannotation", IMAGE)["global_attributes"] == {}


@observed(RUBY)
def test_rows_that_were_not_asked_for_are_null(test_mode: Target) -> None:
    body = {
        "instruction": "i",
        "attachment_type": "website",
        "attachment": "https://example.com/",
        "fields": {"title": "the title"},
    }
    assert response(test_mode, "transcription", body) == {
        "fields": {"title": "test response"},
        "repeatable_fields": [None, None],
    }


@observed("two public readers of masks")
def test_a_mask_tells_the_number_of_pixels_of_each_label(test_mode: Target) -> None:
    body = {"instruction": "i", "attachment": URL, "labels": ["road", "sky"]}
    mapping = response(test_mode, "segmentannotation", body)["labelMapping"]
    assert mapping.keys() == {"road", "sky"}
    for entry in mapping.values():
        assert entry["index"] > 0
        assert entry["numPixels"] >= 0


@guessed("a reader takes the value of a ranking as a list")
def test_a_ranking_is_a_list_of_its_options(test_mode: Target) -> None:
    options = [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}]
    field = {"type": "ranking_order", "field_id": "f", "title": "t", "options": options}
    body = {
        "instruction": "i",
        "attachments": [{"type": "text", "content": "c"}],
        "fields": [field],
    }
    made = response(test_mode, "textcollection", body)
    assert sorted(made["annotations"]["f"]) == ["a", "b"]
