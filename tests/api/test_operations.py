"""The choice of operations by the annotations of the helpers."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import werkzeug.test

from fakescale import FakeScale
from fakescale.account.world import LiveView, World
from fakescale.api import operations as module
from fakescale.api.operations import operations


class Owner:
    def add(self, name: str, when: Callable[[], int] | None = None) -> int:
        return len(name)

    def upload(self, content: bytes) -> int:
        return len(content)

    def give_back(self) -> object:
        return self

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        yield 1

    def _inside(self) -> int:
        return 1

    @staticmethod
    def made() -> int:
        return 1

    @property
    def size(self) -> int:
        return 1

    @property
    def kept(self) -> Callable[[], int]:
        return self.upload  # type: ignore[return-value]

    def terms(self, **terms: Any) -> None:
        assert terms


# A helper may have the signature of a dataclass, as `faults.add` has.
Owner.terms.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [inspect.Parameter("times", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=int)],
    return_annotation=None,
)


def test_a_helper_is_an_operation_if_json_can_hold_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(Owner, "__module__", "fakescale.owner")
    found = operations.__wrapped__(Owner)
    mine = {name: it for name, it in found.items() if it.root is Owner}
    assert set(mine) == {"add", "size", "terms"}
    assert list(mine["add"].arguments) == ["name"]
    assert list(mine["terms"].arguments) == ["times"]


def test_a_method_of_a_user_s_subclass_is_no_operation() -> None:
    class Mine(FakeScale):
        def erase_the_disk(self) -> None:
            raise AssertionError

    assert list(operations(Mine)) == list(operations(FakeScale))
    reply = werkzeug.test.Client(Mine()).post("/_fakescale/erase_the_disk", json={})
    assert reply.status_code == 404


def test_an_operation_concerns_a_world_or_an_account_or_the_fake() -> None:
    roots: Mapping[str, type] = {name: it.root for name, it in operations(FakeScale).items()}
    assert roots["callback_url"] is roots["tasks.get"] is World
    assert roots["disable_type"] is roots["test_api_key"] is LiveView
    assert roots["faults.add"] is roots["reset"] is FakeScale
    assert [it.name for it in module._SELECTORS] == ["account", "test"]
