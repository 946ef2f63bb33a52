import random
from typing import Any

import pytest
from hypothesis import given

from fakescale.account.form_values import field_values
from tests.account.test_responses import made
from tests.values.test_frozen import JSON

TEXT = "test response"
GOOD = [{"label": "Good", "value": "good"}]
NESTED = [{"type": "boolean", "field_id": "x", "title": "X"}]


@pytest.mark.parametrize(
    ("kind", "more", "value"),
    [
        ("text", {}, TEXT),
        ("number", {}, "1"),
        ("boolean", {}, True),
        ("date", {}, "2020-01-01"),
        ("datetime", {}, "2020-01-01T00:00:00.000Z"),
        ("time_range", {}, {"start": 0, "end": 1}),
        ("category", {"choices": GOOD}, ["good"]),
        ("category", {"choices": [{"value": "a", "subchoices": GOOD}]}, ["good"]),
        ("category", {}, []),
        ("select", {"options": [{"title": "S", "value": "s"}]}, ["s"]),
        ("radio", {"items": ["only"]}, ["only"]),
        ("field_set", {"fields": NESTED}, {"x": True}),
        ("form", {"fields": NESTED}, {"x": True}),
        ("neverheardof", {}, TEXT),
        ("text", {"max_responses_required": 3}, [TEXT]),
        ("number", {"max_responses_required": 3, "min_responses_required": 2}, ["1", "1"]),
        ("text", {"max_responses_required": 10**9, "min_responses_required": 10**9}, [TEXT] * 100),
    ],
)
def test_the_value_of_a_field_depends_on_its_kind(kind: str, more: Any, value: Any) -> None:
    fields = [{"type": kind, "field_id": "f", "title": "F", **more}]
    assert field_values(fields, random.Random(0)) == {"f": value}


@pytest.mark.parametrize("kind", ["ranking", "ranking_order", "rank"])
@pytest.mark.parametrize("name", ["options", "choices", "items"])
def test_a_ranking_is_a_list_of_all_options(kind: str, name: str) -> None:
    options = [{"value": "a"}, {"label": "b"}, {"field_id": "c"}, "d"]
    fields = [{"type": kind, "field_id": "f", "title": "F", name: options}]
    assert sorted(field_values(fields, random.Random(0))["f"]) == ["a", "b", "c", "d"]
    orders = {tuple(field_values(fields, random.Random(n))["f"]) for n in range(9)}
    assert len(orders) > 1


def test_a_category_has_as_many_choices_as_it_must() -> None:
    choices = [{"label": it, "value": it} for it in "abc"]
    field = {"type": "category", "field_id": "f", "choices": choices, "min_choices": 2}
    chosen = field_values([field], random.Random(0))["f"]
    assert len({*chosen}) == 2
    assert {*chosen} < {*"abc"}


def test_the_forms_of_attachments_are_filled_in() -> None:
    forms = [NESTED[0], {"title": "a group", "fields": [{"type": "text", "field_id": "y"}]}]
    attachments = [{"type": "text", "content": "c", "forms": forms}]
    answer = made("textcollection", attachments=attachments, fields=[])
    assert answer == {"annotations": {"x": True, "y": TEXT}}


def test_the_fields_of_a_document_may_be_an_object() -> None:
    answer = made("documenttranscription", fields={"paid": {"type": "boolean"}, "odd": 1})
    assert answer["fields"] == [
        {"field_id": "paid", "value": True},
        {"field_id": "odd", "value": TEXT},
    ]


@given(JSON, JSON, JSON)
def test_odd_fields_still_have_a_value(kind: Any, options: Any, number: Any) -> None:
    field = {"type": kind, "field_id": "f", "choices": options, "min_choices": number}
    field |= {"fields": options, "max_responses_required": number, "min_responses_required": 2}
    assert set(field_values([field], random.Random(0))) == {"f"}
