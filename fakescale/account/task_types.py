"""The task types: the rules for a creation body, and the creation that the API stores.

All facts are in ``task_types.json``, with their sources. It has one entry for each type.
"""

import functools
import json
import pkgutil
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, cast

from fakescale.account.words import TaskType
from fakescale.values.answer import decode
from fakescale.values.errors import NotFound, PaymentRequired, invalid
from fakescale.values.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList, freeze
from fakescale.values.schemas import Checker, Parameters


class Creation(NamedTuple):
    """A valid creation body."""

    #: The task type, never an alias.
    type: str
    #: The fields of the task itself.
    fields: dict[str, Any]
    #: The parameters of the type.
    params: Mapping[str, Any]
    #: The members that must name another task: name -> {"type", "status"} of that task.
    references: Mapping[str, Mapping[str, str]]


def read_creation(type: str, body: Mapping[str, Any], *, form: bool = False) -> Creation:
    """Return the `Creation` that the API stores for ``type`` and ``body``, which is JSON.

    ``form`` says that the body was form-encoded, so a list of one looks like a text. Unknown
    members are not refused (documented), and are kept in ``params`` (guessed). Raises NotFound
    for an unknown type, BadRequest for a bad body.
    """
    name, facts = _type(type)
    given = _without_empty_alternatives(name, body)
    if given.get("instruction") is None and "default_instruction" in facts:
        given["instruction"] = facts["default_instruction"]
    replaced = facts.get("replaced_by", EMPTY_DICT).items()
    optional = [it for it, other in replaced if given.get(other) is not None]
    read = _parameters(name, *optional).read(given, form=form)
    common = common_parameters()
    fields = {key: value for key, value in read.items() if key in common}
    params = {key: value for key, value in read.items() if key not in common}
    if "tags" in fields:
        fields["tags"] = distinct(fields["tags"])
    if "document_page" in facts:  # guessed: a page for each attachment
        attachments = params.get("attachments")
        count = len(attachments) if isinstance(attachments, list) and attachments else 1
        fields["document_pages"] = FrozenList([facts["document_page"]] * count)
    # Inheritance has used them already; not echoed (guessed).
    for name_of_version in ("project_version", "project_param_version"):
        fields.pop(name_of_version, None)
    params = {**facts.get("echo_defaults", EMPTY_DICT), **params}
    for member, defaults in facts.get("echo_defaults_of_each", EMPTY_DICT).items():
        if isinstance(params.get(member), dict):
            params[member] = _with_defaults(params[member], defaults)
    return Creation(name, fields, params, references(name))


_LIMITS = ("minLength", "minItems", "minProperties")
_PAIR = ("attachment", "attachments")


@functools.cache
def alternatives(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return the members of which an empty one counts as absent beside another: name -> others.

    Observed: a client sends an empty attachment beside attachments. Guessed: the reverse is
    accepted too, and so is each other member that must not be empty and that another one replaces.
    None of them is echoed.
    """
    facts = _facts()["types"][name]
    params = facts["params"]
    groups = [tuple(group) for group in facts["any_of_required"] if params.keys() >= {*group}]
    if params.keys() >= {*_PAIR}:
        groups.append(_PAIR)
    return {
        member: tuple(it for it in group if it != member)
        for group in groups
        for member in group
        if member in _PAIR or any(limit in params[member] for limit in _LIMITS)
    }


_EMPTY: Mapping[str, Any] = {"string": "", "array": [], "object": {}}


def _is_full(value: Any) -> bool:
    return value is not None and value not in ("", [], {})


def _is_empty(schema: Mapping[str, Any], value: Any) -> bool:
    """Return whether ``value`` is empty and has a type that the schema names."""
    return any(kind in schema["type"] and value == empty for kind, empty in _EMPTY.items())


def _without_empty_alternatives(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of ``body`` without what is empty beside something that replaces it."""
    others = alternatives(name)
    if not others:
        return dict(body)
    params = _facts()["types"][name]["params"]
    return {
        member: value
        for member, value in body.items()
        if value
        or member not in others
        or not _is_empty(params[member], value)
        or not any(_is_full(body.get(other)) for other in others[member])
    }


def _with_defaults(each: Mapping[str, Any], defaults: Mapping[str, Any]) -> FrozenDict:
    """Return an object of objects, each with the ``defaults`` that it lacked."""
    return FrozenDict(
        {
            name: FrozenDict({**defaults, **item}) if isinstance(item, dict) else item
            for name, item in each.items()
        }
    )


def check_enabled(type: str, disabled: Collection[str]) -> None:
    """Raise PaymentRequired if ``type`` is one of the ``disabled`` types."""
    if type in disabled:
        raise PaymentRequired(  # observed
            "You have not been authorized to use this API endpoint, "
            "please contact sales at sales@scale.ai to be enabled."
        )


def check_common(name: str, value: Any) -> None:
    """Raise BadRequest unless ``value`` is valid for ``name``, a parameter of every type."""
    common_checker(name).check(value, name)


@functools.cache
def common_checker(name: str) -> Checker:
    """Return the `Checker` of ``name``, a parameter of every type."""
    return Checker(common_parameters()[name])


def read_common(name: str, value: Any) -> Any:
    """Return ``value`` as a value of ``name``, a parameter of every type.

    Numbers and booleans may come as text. Raises BadRequest for a bad value.
    """
    return _common_parameters().read({name: value})[name]


def check_tags(tags: Any) -> None:
    """Raise BadRequest unless ``tags`` is a list of tags, of any length."""
    tags_checker().check(tags, "tags")


@functools.cache
def tags_checker() -> Checker:
    """Return the `Checker` of a list of tags, of any length."""
    return Checker({"type": "array", "items": common_parameters()["tags"]["items"]})


def common_parameters() -> Mapping[str, Any]:
    """Return the schemas of the parameters that every type has."""
    parameters: FrozenDict = _facts()["common"]
    return parameters


def distinct(tags: Any) -> FrozenList:
    """Return ``tags`` without repetitions; the first of each remains (guessed)."""
    return _distinct(tuple(tags))


# Many tasks have the same tags. Shared tags take less memory, and a filter finds them in the
# processor's cache.
@functools.lru_cache(maxsize=256)
def _distinct(tags: tuple[str, ...]) -> FrozenList:
    return FrozenList(dict.fromkeys(tags))


def example(type: str) -> tuple[FrozenDict, FrozenDict]:
    """Return an example of a creation body for ``type``, and of the task's response."""
    facts = _type(type)[1]
    return facts["example_request"], facts["example_response"]


def references(type: str) -> Mapping[str, Mapping[str, str]]:
    """Return the members that must name another task: name -> its ``type`` and ``status``."""
    found: FrozenDict = _type(type)[1].get("references", EMPTY_DICT)
    return found


def canonical(type: str) -> TaskType | None:
    """Return the name of the type whose name or alias is ``type``, or None."""
    name = _aliases().get(type, type)
    return cast(TaskType, name) if name in _facts()["types"] else None


@functools.cache
def required(type: str) -> TaskType:
    """Return the name of the type whose name or alias is ``type``; raises NotFound.

    The message names the nearest type.
    """
    name = canonical(type)
    if name is None:
        # Guessed: the type is a part of the path, so an unknown type is an unknown path.
        raise NotFound(f"Not found: there is no task type {json.dumps(type)}{_hint(type)}")
    return name


def read_types(name: str, given: Iterable[str]) -> frozenset[TaskType]:
    """Return the names of the types that a helper is given, by name or alias.

    Raises BadRequest, naming ``name`` and the nearest type, for a type that does not exist.
    """
    for type in given:
        if canonical(type) is None:
            raise invalid(name, f"must be a task type{_hint(type)}", type)
    return frozenset(map(required, given))


def _hint(type: str) -> str:
    """Return the end of a message that names the type nearest to ``type``, or ""."""
    import difflib  # seldom needed

    near = difflib.get_close_matches(str(type)[:80].lower(), spellings(), 1)
    return f"; the nearest is {json.dumps(near[0])}" if near else ""


def names() -> list[TaskType]:
    """Return the names of all task types, without aliases."""
    return list(_facts()["types"])


def spellings() -> list[str]:
    """Return all names and aliases of task types, which the path of a creation may hold."""
    return [*names(), *_aliases()]


def facts(name: str) -> FrozenDict:
    """Return the entry of the type ``name`` in the data file."""
    entry: FrozenDict = _facts()["types"][name]
    return entry


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a creation body after inheritance."""
    facts = _facts()["types"][name]
    rules: list[Mapping[str, Any]] = [
        {"anyOf": [{"required": [member]} for member in members]}
        for members in facts["any_of_required"]
    ]
    rules += [{"not": {"required": members}} for members in facts.get("mutually_exclusive", [])]
    rules += facts.get("rules", [])
    return {
        "type": "object",
        "properties": {**_facts()["common"], **facts["params"]},
        "required": facts["required"],
        **({"allOf": rules} if rules else {}),
        "$defs": _facts()["definitions"],
    }


@functools.cache
def _facts() -> FrozenDict:
    # Not by importlib.resources, whose import takes longer than this does.
    text = pkgutil.get_data("fakescale.account", "task_types.json")
    assert text is not None  # noqa: S101
    frozen: FrozenDict = freeze(decode(text))
    return frozen


@functools.cache
def _aliases() -> dict[str, str]:
    types = _facts()["types"].items()
    return {alias: name for name, facts in types for alias in facts.get("aliases", EMPTY_LIST)}


def _type(type: str) -> tuple[TaskType, FrozenDict]:
    name = required(type)
    return name, _facts()["types"][name]


@functools.cache
def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``part`` of a schema, or the definition that it refers to."""
    if "$ref" not in part:
        return part
    definition: FrozenDict = _facts()["definitions"][part["$ref"].removeprefix("#/$defs/")]
    return definition


@functools.cache
def _parameters(name: str, *optional: str) -> Parameters:
    """Return the checker of a body; the ``optional`` members are not required this time."""
    whole = schema(name)
    required = [member for member in whole["required"] if member not in optional]
    return Parameters({**whole, "required": required}, _facts()["types"][name].get("texts"))


@functools.cache
def _common_parameters() -> Parameters:
    return Parameters({"type": "object", "properties": common_parameters()})
