"""Values that stand for a text."""

import enum
from typing import Any

import pytest

from fakescale import FakeScale, Status
from fakescale.values.named import named


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [(Colour.RED, "red"), (Status.PENDING, "pending"), ("x", "x"), (5, 5), (None, None), ([], [])],
)
def test_a_member_of_an_enum_stands_for_its_value(value: Any, text: Any) -> None:
    assert named(value) == text


def test_a_record_stands_for_its_key(fake: FakeScale) -> None:
    project = fake.projects.create("p", type="chat", rapid=True)
    task = fake.tasks.complete(fake.tasks.create("chat"))
    keys = {
        project: "p",
        fake.batches.create("b", project=project): "b",
        task: task.id,
        fake.teammates[0]: "admin@example.com",
    }
    for record in (fake.files.upload(b""), fake.audits.create(task)):
        keys[record] = record.id
    assert [named(record) for record in keys] == list(keys.values())
