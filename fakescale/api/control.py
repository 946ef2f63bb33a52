"""Control over HTTP: the Python helpers as operations; ``operations`` finds them.

The body of ``POST /_fakescale/tasks.complete`` is a JSON object, the helper's keyword
arguments. The answer is ``{"result": …}``. A property is read with ``{}``, and set with
``{"value": …}``. ``GET /_fakescale/`` lists all operations.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from fakescale.account.listing import FLAG, PAGE, WORD, read_parameters
from fakescale.api import page
from fakescale.api.operations import Fake, Operation, operations
from fakescale.api.request import Request, expect
from fakescale.api.shapes import schema
from fakescale.values.answer import Answer, json_answer
from fakescale.values.errors import BadRequest, NotFound, Unmet, invalid
from fakescale.values.frozen import MAX_WRAPPED_DEPTH, FrozenDict

_PICTURE = re.compile(r"ui/task/([^/]+)\.svg")
_OF_PICTURE = {"account": WORD, "test": FLAG, "frame": PAGE["offset"]}


def respond(fake: Fake, request: Request, name: str) -> Answer:
    """Answer an allowed control call; ``name`` is the operation's name, or "" for the list."""
    if request.method == "GET" and (found := _PICTURE.fullmatch(name)):
        asked = read_parameters(request.query.values, _OF_PICTURE)
        world = fake.world(asked.get("account"), test=asked.get("test", False))
        return page.picture(world.tasks.drawing(found[1], frame=asked.get("frame", 0)).svg)
    known = operations(type(fake))
    if (request.method, name) == ("GET", ""):
        return json_answer({"operations": {name: _described(it) for name, it in known.items()}})
    operation = known.get(name)
    if request.method != "POST" or operation is None:
        raise NotFound(
            f"There is no operation {request.method} /_fakescale/{name};"
            " GET /_fakescale/ lists all operations; call them by POST."
        )
    request.max_depth = MAX_WRAPPED_DEPTH  # a dump, or a printed task, holds what was given
    return json_answer({"result": run(fake, operation, expect(request.content, FrozenDict))})


def run(fake: Fake, operation: Operation, given: Mapping[str, Any]) -> Any:
    """Do an operation with the arguments ``given``, and return its result as JSON-able data.

    Raises BadRequest for wrong arguments, and any ApiError of the helper.
    """
    for argument, value in given.items():
        _check(operation, argument, value)
    for argument, parameter in operation.arguments.items():
        if operation.requires(parameter) and argument not in given:
            raise invalid(argument, "is required")
    try:
        result = operation.call(fake, given)
    except (TypeError, ValueError, OverflowError) as error:  # an unknown filter, for example
        raise BadRequest(f"{operation.name}: {error}") from error
    except AssertionError as error:
        raise Unmet(str(error)) from error
    return operation.shape.show(result)


def _check(operation: Operation, argument: str, value: Any) -> None:
    """Raise BadRequest unless the operation takes the argument with this value."""
    checker = operation.checkers.get(argument) or operation.checkers.get("")
    if checker is None:
        known = ", ".join(operation.arguments) or "none"
        raise invalid(argument, f"is not an argument of {operation.name}; it takes: {known}")
    checker.check(value, argument)


def _described(operation: Operation) -> dict[str, Any]:
    """Return the entry of an operation in the list."""
    arguments = {}
    for argument, parameter in operation.arguments.items():
        described = schema(parameter.annotation) or {}
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments["…"] = {**described, "description": "Any further argument."}
            continue
        arguments[argument] = {**described, "required": operation.requires(parameter)}
        if parameter.default is not parameter.empty:
            arguments[argument]["default"] = parameter.default
    line = (inspect.getdoc(operation.helper) or "").partition("\n")[0]
    return {"description": line, "arguments": arguments}
