"""The JSON Schemas of accepted bodies, for the OpenAPI document.

They are made from the schemas that check the stored values. A body may differ from the stored
value: a number or boolean may be a text, a null at the top counts as absent, and a task may
inherit missing parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakescale.account import task_types
from fakescale.values.keywords import KEYWORDS, PATTERNS
from fakescale.values.schemas import INTEGER, NUMBER

Schema = dict[str, Any]

#: The place of the named schemas in the document.
COMPONENTS = "#/components/schemas/"

_NULL: Schema = {"type": "null"}
_RULES = {"not", "if", "then"}
_LIMITS = ("minLength", "minItems", "minProperties")
# The texts of integers, by minimum and maximum, for all bounds that occur.
_BOUNDED = {
    (1, None): "0*[1-9][0-9]{0,17}",
    (None, 100): "-[0-9]{1,18}|0*([0-9]{1,2}|100)",
    (1, 100): "0*([1-9][0-9]?|100)",
    (10, 30): "0*([12][0-9]|30)",
}


def creation(type: str, *, strict: bool = False) -> Schema:
    """Return the schema of a body that creates a task of ``type``.

    With ``strict``, it describes only what a client should send, here and below.
    """
    facts = task_types.facts(type)
    if strict:
        return {"description": facts["summary"], **body(task_types.schema(type), strict=True)}
    schema = dict(task_types.schema(type))
    needed = schema.pop("required")
    choices = facts["any_of_required"]
    rules = [rule for rule in schema.pop("allOf", ()) if "anyOf" not in rule]
    whole = body({**schema, "allOf": rules} if rules else schema)
    _allow_empty_alternatives(whole, task_types.alternatives(type))
    if needed or choices:
        others = facts.get("replaced_by", {})
        complete = [_given([it for it in needed if it not in others])]
        complete += [{"anyOf": [_given([it]), _given([others[it]])]} for it in others]
        complete += [{"anyOf": [_given([name]) for name in names]} for names in choices]
        whole["anyOf"] = [{"allOf": complete}, *in_a_project()["anyOf"]]
    description = f"{facts['summary']} The task may inherit missing parameters."
    return {"description": description, **whole}


def _allow_empty_alternatives(whole: Schema, alternatives: Mapping[str, Sequence[str]]) -> None:
    """Let a member be empty beside one that replaces it, as the API does."""
    rules = []
    for rule in whole.get("allOf", ()):
        names = rule["not"]["required"] if "not" in rule else ()
        is_of_them = bool(names) and alternatives.keys() >= {*names}
        if needed := alternatives.keys() & {*rule.get("then", {}).get("required", ())}:
            stay = [_full_or_alone(name, alternatives[name]) for name in sorted(needed)]
            rules.append({**rule, "then": {"allOf": [rule["then"], *stay]}})
        else:
            rules.append({"not": {"allOf": [*map(_full, names)]}} if is_of_them else rule)
    for name, others in alternatives.items():
        member = whole["properties"][name]
        if [it for limit in _LIMITS if (it := member.pop(limit, None))]:
            absent = {"not": {"required": [name]}}
            is_null = {"properties": {name: _NULL}}
            rules.append({"anyOf": [absent, is_null, *map(_full, (name, *others))]})
    if rules:
        whole["allOf"] = rules


def _full_or_alone(name: str, others: Sequence[str]) -> Schema:
    """Return the schema of a body in which nothing makes ``name`` count as absent."""
    return {"anyOf": [_full(name), {"not": {"anyOf": [*map(_full, others)]}}]}


def _full(name: str) -> Schema:
    """Return the schema of a body whose member ``name`` is neither absent nor empty."""
    return {"required": [name], "properties": {name: {"not": {"enum": [None, "", [], {}]}}}}


def in_a_project() -> Schema:
    """Return the schema of a body that names a project or a batch."""
    return {"anyOf": [_given(["project"]), _given(["batch"])]}


def body(schema: Mapping[str, Any], *, strict: bool = False) -> Schema:
    """Return the schema of a whole body."""
    if strict:
        return shape(schema, strict=True)
    whole = shape({name: value for name, value in schema.items() if name not in ("not", "allOf")})
    if "properties" in whole:
        whole["properties"] = {
            name: member if name in schema.get("required", ()) else _or_null(member)
            for name, member in whole["properties"].items()
        }
    if "not" in schema:
        whole["not"] = _rule(schema["not"])
    if "allOf" in schema:
        whole["allOf"] = [_rule(rule) for rule in schema["allOf"]]
    return whole


def shape(schema: Any, *, strict: bool = False) -> Schema:
    """Return the schema of a part of a body, given the schema of its stored value."""
    if schema is False:
        return {"enum": [None, []]}
    told: Schema = {}
    for keyword, value in schema.items():
        if keyword in KEYWORDS or keyword == "echo":
            told[f"x-{keyword}"] = value
        elif keyword == "format" and value in PATTERNS:
            told["pattern"] = PATTERNS[value]
        elif keyword == "$ref":
            told[keyword] = value.replace("#/$defs/", COMPONENTS)
        elif keyword == "properties":
            told[keyword] = {name: shape(it, strict=strict) for name, it in value.items()}
        elif keyword == "items":
            told[keyword] = shape(value, strict=strict)
        elif keyword != "$defs":
            told[keyword] = value
    return told if strict else _or_text(told)


def _rule(rule: Mapping[str, Any]) -> Schema:
    """Return a rule about the members of a body, in which required members are not null."""
    told = shape({name: value for name, value in rule.items() if name not in (*_RULES, "anyOf")})
    for name in rule.keys() & _RULES:
        told[name] = _rule(rule[name])
    if "anyOf" in rule:
        told["anyOf"] = [_rule(it) for it in rule["anyOf"]]
    if "required" in rule:
        given = _given(rule["required"])["properties"]
        told["properties"] = {**given, **told.get("properties", {})}
    return told


def _given(names: Sequence[str]) -> Schema:
    return {"required": [*names], "properties": {name: {"not": _NULL} for name in names}}


def _or_text(schema: Schema) -> Schema:
    types = _types(schema)
    if schema.get("const") is True:
        return {**_without("const", schema), "enum": [True, "true", "1"]}
    if "string" in types:
        return schema
    if "boolean" in types:
        return {**_without("type", schema), "enum": [True, False, "true", "false", "1", "0"]}
    if not {"integer", "number"}.intersection(types):
        return schema
    told = {**schema, "type": [*types, "string"]}
    if "enum" in schema:
        return {**told, "enum": [*schema["enum"], *map(str, schema["enum"])]}
    any_text = INTEGER if "integer" in types else NUMBER
    texts = _BOUNDED.get((schema.get("minimum"), schema.get("maximum")), any_text)
    return {**told, "pattern": f"^({texts})$"}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, _NULL]}
    told = {**schema, "enum": [*schema["enum"], None]} if "enum" in schema else schema
    return {**told, "type": [*_types(schema), "null"]} if "type" in schema else told


def _types(schema: Schema) -> list[str]:
    types = schema.get("type", "string")
    return [types] if isinstance(types, str) else [*types]


def _without(keyword: str, schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != keyword}
