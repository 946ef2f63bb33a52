"""The operations of control: the helpers and properties of a fake that JSON can hold.

An operation has the name that it has in Python, like ``tasks.complete``. There is no table
of them: each public method or property is one if JSON can hold its arguments and its result.
"""

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Unpack, get_args, get_origin, get_type_hints

from fakescale.account.world import Account, LiveView, World
from fakescale.api.shapes import Shape, read_argument, schema, shape
from fakescale.values.errors import BadRequest
from fakescale.values.schemas import Checker

#: The name of the argument that sets a property.
VALUE = "value"


class Fake(Protocol):
    """The part of FakeScale that finds the account or world of an operation."""

    def account(self, name: str) -> Account:
        """Return the account ``name``."""

    def world(self, account: str | None = None, *, test: bool = False) -> World:
        """Return the live or the test world of an account, by default the fake's own account."""


_SELECTORS = [it for it in inspect.signature(Fake.world).parameters.values() if it.name != "self"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Operation:
    """A helper that can be called over HTTP, or a property that can be read and set."""

    #: The path in Python, for example ``tasks.complete``.
    name: str
    #: The class that ``name`` starts from: World, LiveView, or the class of the fake.
    root: type
    #: The class that has the helper.
    owner: type
    #: The method or property.
    helper: Any
    #: The parameters of the helper, without those that JSON cannot hold.
    parameters: Sequence[inspect.Parameter]
    #: The `Shape` of the result.
    shape: Shape

    @property
    def is_property(self) -> bool:
        """Whether the operation is a property."""
        return isinstance(self.helper, property)

    @property
    def is_of_world(self) -> bool:
        """Whether the operation concerns one world of an account."""
        return self.root is World

    @property
    def selectors(self) -> Sequence[inspect.Parameter]:
        """The parameters that select the account and the world."""
        return {World: _SELECTORS, LiveView: _SELECTORS[:1]}.get(self.root, [])

    @functools.cached_property
    def arguments(self) -> Mapping[str, inspect.Parameter]:
        """The arguments that can be given over HTTP, by name."""
        return {parameter.name: parameter for parameter in (*self.parameters, *self.selectors)}

    @functools.cached_property
    def checkers(self) -> Mapping[str, Checker]:
        """The `Checker` of each argument by name; "" has the checker of any further argument."""
        return {
            "" if it.kind is it.VAR_KEYWORD else argument: Checker(schema(it.annotation) or {})
            for argument, it in self.arguments.items()
        }

    def requires(self, parameter: inspect.Parameter) -> bool:
        """Return whether the argument must be given; a property needs none, to be read."""
        has_default = parameter.default is not parameter.empty
        return not (has_default or parameter.kind is parameter.VAR_KEYWORD or self.is_property)

    def call(self, fake: Fake, given: Mapping[str, Any]) -> Any:
        """Call the helper, or set and read the property, and return the result.

        Raises BadRequest for a property whose current value is a function.
        """
        named = {
            name: read_argument(self.arguments[name].annotation, value)
            if name in self.arguments
            else value
            for name, value in given.items()
        }
        chosen = {it.name: named.pop(it.name) for it in self.selectors if it.name in named}
        home = self._root(fake, **chosen)
        *path, last = self.name.split(".")
        for step in path:
            home = getattr(home, step)
        if not self.is_property:
            placed = [it for it in self.parameters if it.kind is it.POSITIONAL_ONLY]
            first = [named.pop(it.name, it.default) for it in placed]
            return self.helper(home, *first, **named)
        if VALUE in named:
            setattr(home, last, named[VALUE])
        value = getattr(home, last)
        if callable(value):
            raise BadRequest(f"The {last} is a function, which is not JSON.")
        return value

    def _root(self, fake: Fake, **chosen: Any) -> Any:
        if self.is_of_world:
            return fake.world(**chosen)
        name = chosen.get("account")
        return fake if name is None else fake.account(name)


@functools.cache
def operations(fake: type) -> Mapping[str, Operation]:
    """Return all operations of a class of fakes, by name.

    An operation that a World has concerns one world, even if an account or the fake has it too.
    """
    found: dict[str, Operation] = {}
    for root in (World, LiveView, fake):
        for name, member in _members(root):
            for operation in _reached(name, member, root):
                found.setdefault(operation.name, operation)
    return found


def _reached(name: str, member: Any, root: type) -> Iterator[Operation]:
    """Yield the operation of a member, or the operations of the owner that a property returns."""
    operation = _operation(name, member, root, root)
    home = _result(member)
    if operation is not None:
        yield operation
    elif isinstance(member, property) and isinstance(home, type) and home is not World:
        # The live view returns owners of the live world, but the test world has them too.
        of = World if root is LiveView else root
        for inner, helper in _members(home):
            operation = _operation(f"{name}.{inner}", helper, of, home)
            if operation is not None:
                yield operation


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class has from this package."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] == "fakescale":
            for name, member in vars(base).items():
                if name[0] != "_" and (inspect.isfunction(member) or isinstance(member, property)):
                    yield name, member


def _operation(name: str, helper: Any, root: type, owner: type) -> Operation | None:
    """Return the operation of a method or property, or None if JSON cannot hold it."""
    if inspect.iscoroutinefunction(helper):  # the twin of a method that waits
        return None
    shown = shape(_result(helper))
    wanted = _parameters(helper)
    held = [it for it in wanted if schema(it.annotation) is not None]
    is_needed = any(it.default is it.empty and it not in held for it in wanted)
    if shown is None or (is_needed and not isinstance(helper, property)):
        return None
    return Operation(name=name, root=root, owner=owner, helper=helper, parameters=held, shape=shown)


def _result(helper: Any) -> Any:
    function: Any = helper.fget if isinstance(helper, property) else helper
    return inspect.signature(function).return_annotation


def _unpacked(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """Yield the parameter; ``**options: Unpack[Options]`` is one for each key of ``Options``."""
    if get_origin(parameter.annotation) is not Unpack:
        yield parameter
        return
    [options] = get_args(parameter.annotation)
    for name, hint in get_type_hints(options).items():
        default = parameter.empty if name in options.__required_keys__ else None
        yield inspect.Parameter(name, parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _parameters(helper: Any) -> list[inspect.Parameter]:
    if not isinstance(helper, property):
        parameters = inspect.signature(helper).parameters.values()
        return [each for it in parameters if it.name != "self" for each in _unpacked(it)]
    if helper.fset is None:
        return []
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(VALUE, kind, annotation=_result(helper))]
