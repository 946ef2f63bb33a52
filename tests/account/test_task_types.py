import json
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.account import task_types
from fakescale.account.task_types import read_creation
from fakescale.values.errors import BadRequest, NotFound
from fakescale.values.keywords import PHRASES
from tests.support import ABSENT, example

FACTS = task_types._facts()
TYPES = task_types.names()
KNOWN_KEYWORDS = {
    "$ref", "allOf", "default", "deprecated", "description", "echo", "if", "items",
    "properties", "then", "x-source",
}  # fmt: skip


def test_all_34_types_and_the_alias_exist() -> None:
    assert len(TYPES) == 34
    assert read_creation("categorize", example("categorization")).type == "categorization"


def test_an_unknown_type_is_not_found() -> None:
    with pytest.raises(NotFound, match='no task type "kittens"'):
        read_creation("kittens", {})


@pytest.mark.parametrize("type", TYPES)
def test_every_example_is_accepted_and_echoed(type: str) -> None:
    body = task_types.example(type)[0]
    accepted = read_creation(type, body)
    numbers = {"min_width": 30, "min_height": 30}
    of_each = FACTS["types"][type].get("echo_defaults_of_each", {})
    for name, value in body.items():
        place = accepted.fields if name in FACTS["common"] else accepted.params
        if name in of_each:
            assert place[name] == {key: {**of_each[name], **it} for key, it in value.items()}
        else:
            assert place[name] == numbers.get(name, value)


@pytest.mark.parametrize(
    ("type", "missing"),
    [(type, [name]) for type in TYPES for name in FACTS["types"][type]["required"]]
    + [(type, names) for type in TYPES for names in FACTS["types"][type]["any_of_required"]],
)
def test_every_example_is_refused_without_what_it_requires(type: str, missing: list[str]) -> None:
    body = example(type, **dict.fromkeys(missing, ABSENT))
    with pytest.raises(BadRequest) as refusal:
        read_creation(type, body)
    known = FACTS["types"][type].get("texts", {}).values()
    assert all(name in str(refusal.value) for name in missing) or str(refusal.value) in known


@pytest.mark.parametrize(
    ("type", "name"), [(type, name) for type in TYPES for name in FACTS["types"][type]["params"]]
)
def test_every_parameter_is_refused_with_a_value_of_another_type(type: str, name: str) -> None:
    wrong: Any = [{}] if FACTS["types"][type]["params"][name]["type"] == "object" else {"x": {}}
    kinds = FACTS["types"][type]["params"][name]["type"]
    if "object" in kinds:
        wrong = True
    with pytest.raises(BadRequest) as refusal:
        read_creation(type, example(type, **{name: wrong}))
    assert name in str(refusal.value)


@pytest.mark.parametrize("name", FACTS["common"])
def test_every_common_parameter_is_refused_with_a_value_of_another_type(name: str) -> None:
    with pytest.raises(BadRequest, match=f'"{name}'):
        read_creation("chat", {name: [[]]})


@pytest.mark.parametrize("type", TYPES)
def test_defaults_are_echoed(type: str) -> None:
    defaults = FACTS["types"][type].get("echo_defaults", {})
    body = example(type, **dict.fromkeys(defaults, ABSENT))
    if "attachment_type" in FACTS["types"][type]["required"]:
        body["attachment_type"] = task_types.example(type)[0]["attachment_type"]
    params = read_creation(type, body).params
    assert {name: params[name] for name in defaults} == defaults


def test_an_image_echoes_the_defaults_of_each_geometry_and_attribute() -> None:
    body = example("imageannotation", geometries={"box": {"min_width": 3}, "line": {}, "odd": 1})
    del body["attachment_type"]
    params = read_creation("imageannotation", body).params
    assert (params["attachment_type"], params["with_labels"]) == ("image", True)
    assert params["geometries"] == {
        "box": {"min_width": 3, "min_height": 0, "examples": []},
        "line": {"min_width": 0, "min_height": 0, "examples": []},
        "odd": 1,
    }
    assert params["annotation_attributes"]["parked"]["allow_multiple"] is False


@pytest.mark.parametrize(
    "type",
    [
        type
        for type in TYPES
        if "attachments" in task_types.alternatives(type).get("attachment", ())
    ],
)
def test_an_empty_attachment_counts_as_absent_beside_the_other_one(type: str) -> None:
    several = {"attachment": "", "attachments": ["https://e.com/1"], "attachment_type": ABSENT}
    if type == "categorization":
        several["attachment_type"] = "image"
    given = read_creation(type, example(type, **several)).params
    assert "attachment" not in given
    assert given["attachments"] == ["https://e.com/1"]
    one = {**several, "attachment": "https://e.com/1", "attachments": []}
    given = read_creation(type, example(type, **one)).params
    assert "attachments" not in given
    assert given["attachment"] == "https://e.com/1"


@pytest.mark.parametrize(
    ("type", "given", "name", "empty"),
    [
        ("transcription", {}, "row_fields", {}),
        ("transcription", {"repeatable_fields": {"b": "B"}}, "fields", {}),
        ("comparison", {"choices": ["a"]}, "fields", {}),
        ("comparison", {"fields": {"a": "A"}}, "choices", []),
        ("categorization", {"categories": ["a"]}, "taxonomies", {}),
        ("namedentityrecognition", {"text": "Ada"}, "attachment", ""),
        ("lidarsegmentation", {"attachments": ["https://e.com/1"]}, "lidar_task", ""),
    ],
)
def test_an_empty_member_counts_as_absent_beside_one_that_replaces_it(
    type: str, given: dict[str, Any], name: str, empty: Any
) -> None:
    body = example(type, **given, **{name: empty})
    assert name not in read_creation(type, body).params
    others = dict.fromkeys(task_types.alternatives(type)[name], ABSENT)
    with pytest.raises(BadRequest, match=name):
        read_creation(type, example(type, **{**others, name: empty}))


def test_an_empty_array_is_an_empty_attachment_where_both_forms_are_taken() -> None:
    body = example("lidartopdown", attachments=["https://e.com/1"], attachment=[])
    assert "attachment" not in read_creation("lidartopdown", body).params


def test_an_empty_attachment_alone_is_refused() -> None:
    body = example("videoannotation", attachment="", attachments=ABSENT, attachment_type=ABSENT)
    for given in (body, {**body, "attachments": []}):
        with pytest.raises(BadRequest, match="attachment"):
            read_creation("videoannotation", given)


def test_template_variables_replace_the_attachments_of_a_textcollection() -> None:
    body = example("textcollection", attachments=ABSENT, template_variables={"prompt": "?"})
    assert read_creation("textcollection", body).params["template_variables"] == {"prompt": "?"}
    for variables in (None, ABSENT):
        body = example("textcollection", attachments=ABSENT, template_variables=variables)
        with pytest.raises(BadRequest, match="attachments"):
            read_creation("textcollection", body)


def test_a_given_value_overrides_a_default() -> None:
    assert read_creation("annotation", example("annotation", min_width=7)).params["min_width"] == 7


def test_the_default_instruction_is_filled_in() -> None:
    accepted = read_creation("audiotranscription", {"attachment": "https://a.example.com/a.wav"})
    assert accepted.fields["instruction"] == "Please transcribe the attached audio file."


def test_unknown_members_are_kept() -> None:
    assert read_creation("chat", {"surprise": {"a": [1]}}).params == {"surprise": {"a": [1]}}


def test_the_version_of_a_project_is_not_echoed() -> None:
    accepted = read_creation("chat", {"project_version": "1", "project_param_version": 2})
    assert (accepted.fields, accepted.params) == ({}, {})


def test_urgency_may_be_any_text() -> None:
    assert read_creation("chat", {"urgency": "hour"}).fields == {"urgency": "hour"}


def test_null_counts_as_absent() -> None:
    accepted = read_creation("chat", {"metadata": None, "unique_id": None, "x": None})
    assert (accepted.fields, accepted.params) == ({}, {})
    with pytest.raises(BadRequest, match='"geometries" is required'):
        read_creation("imageannotation", example("imageannotation", geometries=None))


@pytest.mark.parametrize(
    ("text", "read"), [("30", 30), ("-7", -7), ("0.5", "0.5"), ("thirty", "thirty"), ("", "")]
)
def test_numbers_may_come_as_text(text: str, read: Any) -> None:
    body = example("annotation", min_width=text)
    if isinstance(read, int):
        params = read_creation("annotation", body).params
        assert params["min_width"] == read
        assert type(params["min_width"]) is int
    else:
        with pytest.raises(BadRequest, match='"min_width" must be an integer'):
            read_creation("annotation", body)


def test_numbers_may_come_as_text_deep_inside() -> None:
    body = example("imageannotation", geometries={"box": {"min_height": "10", "other": "10"}})
    geometries = read_creation("imageannotation", body).params["geometries"]
    assert geometries["box"].items() >= {"min_height": 10, "other": "10"}.items()
    assert (
        read_creation("imageannotation", example("imageannotation", padding="0.5")).params[
            "padding"
        ]
        == 0.5
    )


@pytest.mark.parametrize(
    ("text", "read"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_booleans_may_come_as_text(text: str, read: bool) -> None:
    body = example("categorization", allow_multiple=text)
    assert read_creation("categorization", body).params["allow_multiple"] is read


def test_a_form_may_hold_a_list_of_one_as_text() -> None:
    body = example("categorization", categories="a", tags="t")
    accepted = read_creation("categorization", body, form=True)
    assert (accepted.params["categories"], accepted.fields["tags"]) == (["a"], ["t"])
    with pytest.raises(BadRequest, match='"categories" must be an array'):
        read_creation("categorization", example("categorization", categories="a"))


def test_repeated_tags_are_counted_once() -> None:
    tags = ["b", "a", "b", "c", "d", "e", "a"]
    assert read_creation("chat", {"tags": tags}).fields["tags"] == ["b", "a", "c", "d", "e"]
    with pytest.raises(BadRequest, match='"tags" must contain less than or equal to 5'):
        read_creation("chat", {"tags": [*tags, "f"]})


@pytest.mark.parametrize("tags", [[""], [" "], [None], ["a", 3], "a", {"a": 1}])
def test_bad_tags_are_refused(tags: Any) -> None:
    with pytest.raises(BadRequest, match='"tags'):
        read_creation("chat", {"tags": tags})


def test_metadata_is_limited_to_10_kilobytes() -> None:
    fits = {"k": "x" * (10 * 1024 - len('{"k":""}'))}
    assert read_creation("chat", {"metadata": fits}).fields["metadata"] == fits
    with pytest.raises(BadRequest, match='"metadata" must not be larger than 10240 bytes'):
        read_creation("chat", {"metadata": {"k": fits["k"] + "x"}})


@pytest.mark.parametrize("url", ["http://example.com/x", "https://u:p@h", "a@example.com"])
def test_a_callback_is_a_url_or_an_address(url: str) -> None:
    assert read_creation("chat", {"callback_url": url}).fields["callback_url"] == url


@pytest.mark.parametrize("url", ["", "nobody", "/path", 7])
def test_other_callbacks_are_refused(url: Any) -> None:
    with pytest.raises(BadRequest, match='"callback_url" must be'):
        read_creation("chat", {"callback_url": url})


@pytest.mark.parametrize(
    ("type", "changes", "says"),
    [
        ("imageannotation", {"geometries": {}}, '"geometries" must have at least 1 key'),
        (
            "imageannotation",
            {"geometries": {"polygon": {"min_vertices": 3, "max_vertices": 2}}},
            '"max_vertices" greater than or equal to "min_vertices"',
        ),
        (
            "imageannotation",
            {"attachment": "u", "context_attachments": [{"attachment": "u"}]},
            "context_attachments",
        ),
        (
            "imageannotation",
            {"geometries": {"box": {"can_rotate": 5}}},
            "geometries.box.can_rotate",
        ),
        ("videoannotation", {"attachment": "u"}, "exclusive peers [attachments, attachment]"),
        ("videoannotation", {"attachment_type": "video"}, '"attachments" is not allowed'),
        (
            "videoannotation",
            {"attachments": ABSENT, "attachment": "u", "attachment_type": "image"},
            '"attachments" is required',
        ),
        ("multistage", {"attachments": ["a", "b"]}, '"attachments" must contain less than'),
        (
            "textcollection",
            {"fields": [{"type": "text", "field_id": "a", "title": "t"}] * 2},
            'the same "field_id"',
        ),
        ("segmentannotation", {"labels": ["x"] * 51}, '"labels" must contain less than'),
        ("audiotranscription", {"attachment": "word"}, '"attachment" must be a valid uri'),
    ],
)
def test_the_documented_rules_between_members_hold(
    type: str, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_creation(type, example(type, **changes))
    assert says in str(refusal.value)


def test_known_texts_are_exact() -> None:
    with pytest.raises(BadRequest) as phone:
        read_creation("phonecall", example("phonecall", entity_name=ABSENT))
    assert str(phone.value) == (
        "Please provide an entity name (name, business name, etc.) corresponding to the phone"
        " number for the worker."
    )
    with pytest.raises(BadRequest) as kind:
        read_creation("datacollection", example("datacollection", attachment_type="pdf"))
    assert str(kind.value) == ("Invalid attachment_type - please choose one of these: text website")


def test_values_that_are_not_json_are_refused() -> None:
    with pytest.raises(BadRequest, match="holds a set"):
        FakeScale().tasks._submit("chat", {"x": {1}})


def test_the_data_file_uses_no_keyword_without_a_phrase() -> None:
    seen: set[str] = set()

    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            seen.update(schema)
            for name in ("properties",):
                for part in schema.get(name, {}).values():
                    walk(part)
            for name in ("items", "then"):
                walk(schema.get(name))

    parts = [*FACTS["common"].values(), *FACTS["definitions"].values()]
    for facts in FACTS["types"].values():
        parts += [*facts["params"].values(), *facts.get("rules", [])]
    for part in parts:
        walk(part)
    assert seen - KNOWN_KEYWORDS <= set(PHRASES)


def test_every_parameter_has_a_source() -> None:
    for facts in FACTS["types"].values():
        assert facts["source"]
        assert all(param["x-source"] for param in facts["params"].values())
    assert all(param["x-source"] for param in FACTS["common"].values())


def test_the_validator_of_a_type_is_compiled_once() -> None:
    read_creation("chat", {})
    assert task_types._parameters("chat") is task_types._parameters("chat")


def test_the_examples_are_json() -> None:
    for type in TYPES:
        assert json.loads(json.dumps(task_types.example(type)))
