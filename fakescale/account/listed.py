"""The special methods that the owners share: iteration, an index, and a short ``repr``."""

import abc
import builtins
from collections.abc import Iterator
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")


class Listed(abc.ABC, Generic[Item]):
    """An owner whose items can be iterated over and chosen by index, in the order of ``list``."""

    @abc.abstractmethod
    def list(self) -> builtins.list[Item]:
        """Return all items."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Item]:
        return iter(self.list())

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> builtins.list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | builtins.list[Item]:
        return self.list()[index]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {len(self)} items>"
