import dataclasses
import threading

import pytest

from fakescale.values.dumps import Table
from fakescale.values.errors import BadRequest, NotFound


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    name: str
    books: int = 0


@pytest.fixture
def table() -> Table[Shelf]:
    table = Table(Shelf, "name", threading.RLock(), 'There is no shelf "{}".')
    for name in ("b", "a"):
        table.put(Shelf(name=name))
    return table


def test_a_table_keeps_the_order_of_insertion(table: Table[Shelf]) -> None:
    table.put(Shelf(name="b", books=1))
    assert [(it.name, it.books) for it in table] == [("b", 1), ("a", 0)]
    assert (len(table), "a" in table, "c" in table) == (2, True, False)
    assert (table.find("c"), table.get("a")) == (None, Shelf(name="a"))


def test_an_unknown_key_gets_the_message_of_the_table(table: Table[Shelf]) -> None:
    for call in (table.get, table.change):
        with pytest.raises(NotFound, match=r'^There is no shelf "\{c\}"\.$'):
            call("{c}")


def test_a_change_makes_a_new_value(table: Table[Shelf]) -> None:
    before = table.get("a")
    assert table.change("a", books=2) == table.get("a") == Shelf(name="a", books=2)
    assert before.books == 0


def test_a_table_can_change_during_iteration(table: Table[Shelf]) -> None:
    for shelf in table:
        table.put(Shelf(name=shelf.name * 2))
    assert [it.name for it in table] == ["b", "a", "bb", "aa"]


def test_a_table_is_restored_from_its_dump(table: Table[Shelf]) -> None:
    table.change("a", books=2)
    data = table.dump()
    assert data == [{"name": "b"}, {"name": "a", "books": 2}]
    copy = Table(Shelf, "name", threading.RLock(), "")
    copy.restore(data)
    assert list(copy) == list(table)
    with pytest.raises(BadRequest, match="name"):
        copy.restore([*data, {"name": "a"}])
    assert list(copy) == list(table)
