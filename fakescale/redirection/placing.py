"""The replacement of functions in modules and classes of other packages, and its end."""

import contextlib
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

#: Makes the replacement of the function that it is given.
Patch = Callable[[Callable[..., Any]], Callable[..., Any]]

# A loader of another type may serve other modules too, so it stays as it is.
_LOADERS = (importlib.machinery.SourceFileLoader, importlib.machinery.ExtensionFileLoader)


@contextlib.contextmanager
def replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module or a class for a ``with`` block."""
    inherited = name not in vars(place)
    before = vars(place).get(name)
    setattr(place, name, value)
    try:
        yield
    finally:
        if inherited:
            delattr(place, name)
        else:
            setattr(place, name, before)


class Overlapping:
    """A context manager for blocks that may overlap, in any threads.

    It is entered with the first of them, and left with the last.
    """

    def __init__(self, make: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._blocks = 0
        self._until_end = contextlib.ExitStack()

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keep it entered for a ``with`` block."""
        with self._lock:
            if not self._blocks:
                self._until_end.enter_context(self._make())
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    self._until_end.close()


class Patches:
    """Patches that are in place while a ``with`` block of ``placed`` is open.

    Each row of ``table`` is a module or ``module:class``, the name of a function or a method in it,
    and the patch. No module is imported for this. A module that is imported later is patched then,
    since this is a finder in ``sys.meta_path``.
    """

    def __init__(self, *table: tuple[str, str, Patch]) -> None:
        #: The rows.
        self.table = table
        rows = [(*owner.partition(":")[::2], name, patch) for owner, name, patch in table]
        self._rows: list[tuple[str, str, str, Patch]] = rows
        self._modules = {module for module, *_ in rows}
        self._lock = threading.Lock()
        self._blocks = 0
        # The replacements, by their row and the id of the replaced function; and their own ids.
        self._made: dict[tuple[str, str, str, int], Callable[..., Any]] = {}
        self._ours: set[int] = set()
        self._until_end = contextlib.ExitStack()

    @contextlib.contextmanager
    def placed(self) -> Iterator[None]:
        """Keep the patches in place for a ``with`` block; blocks may overlap."""
        with self._lock:
            self._blocks += 1
            if self._blocks == 1:
                sys.meta_path.insert(0, self)
        self.renew()
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    sys.meta_path.remove(self)
                    self._until_end.close()
                    self._made.clear()
                    self._ours.clear()

    def renew(self) -> None:
        """Place the patches that are missing, within a block of ``placed``.

        Other packages replace the same functions: gevent for good, and pytest-socket, which puts
        the originals back after each test.
        """
        if not self._blocks:
            return
        with self._lock:
            for module, kind, name, patch in self._rows:
                place = sys.modules.get(module)
                if place is not None and kind:
                    place = getattr(place, kind, None)
                # The release that is installed may lack the function.
                original = getattr(place, name, None)
                if original is None or id(original) in self._ours:
                    continue
                key = module, kind, name, id(original)
                if key not in self._made:
                    made = self._made[key] = patch(original)
                    self._ours.add(id(made))
                    self._until_end.callback(_take_out, place, name, made, vars(place).get(name))
                setattr(place, name, self._made[key])

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of the table as the other finders do; its import places its patches."""
        if name not in self._modules:
            return None
        found = (it.find_spec(name, path, target) for it in sys.meta_path if it is not self)
        spec = next(filter(None, found), None)
        loader = spec.loader if spec is not None else None
        if isinstance(loader, _LOADERS):
            run = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                self.renew()

            vars(loader)["exec_module"] = exec_module
        return spec


def _take_out(place: Any, name: str, made: object, before: Any) -> None:
    """Restore an attribute, unless it was replaced again; without ``before`` it was inherited."""
    if vars(place).get(name) is not made:
        return
    if before is None:
        delattr(place, name)
    else:
        setattr(place, name, before)
