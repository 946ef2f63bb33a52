"""The parameters of queries, in all the ways in which clients write several values."""

import re
from urllib.parse import quote

import pytest

from fakescale.account.listing import Filter, Parameter, read_parameters, token
from fakescale.api.forms import read_query_string
from fakescale.api.route import Route
from fakescale.api.routes import ROUTES
from fakescale.values.errors import ApiError
from tests.support import Caller

PARAMETERS = [(route, name) for route in ROUTES for name in route.query]


def some_value(name: str, parameter: Filter | Parameter) -> str:
    """Return a value that the parameter accepts."""
    if name == "next_token":
        return token(("2024-02-29T12:00:00.000Z", "a"))
    schema = parameter.schema.get("items", parameter.schema)
    if "enum" in schema:
        return str(schema["enum"][0])
    values = {"boolean": "true", "integer": "1", "object": '{"a":1}', "string": "a,b"}
    return values.get(schema.get("type"), "2024-02-29")


@pytest.mark.parametrize(
    ("route", "name"), PARAMETERS, ids=[f"{route.path} {name}" for route, name in PARAMETERS]
)
def test_brackets_change_nothing(route: Route, name: str) -> None:
    value = quote(some_value(name, route.query[name]))
    plain, *others = [
        read_parameters(read_query_string(f"{name}{brackets}={value}").values, route.query)
        for brackets in ("", "[]", "[0]", "%5B%5D", "[19]", "[4711]")
    ]
    assert plain.keys() == {name}
    assert others == [plain] * 5


@pytest.mark.parametrize(
    ("route", "name"), PARAMETERS, ids=[f"{route.path} {name}" for route, name in PARAMETERS]
)
def test_a_nested_value_is_refused_by_its_written_name(route: Route, name: str) -> None:
    given = read_query_string(f"{name}[a][b]=x")
    if route.query[name].schema == {"type": "object"}:
        assert read_parameters(given.values, route.query)[name] == {"a": {"b": "x"}}
        return
    with pytest.raises(ApiError, match=re.escape(f'"{name}[a][b]" must be')):
        read_parameters(given.values, route.query, (), given.written)


@pytest.mark.parametrize(
    "query",
    [
        "unique_id=a&unique_id=b",
        "unique_id[]=a&unique_id[]=b",
        "unique_id[0]=a&unique_id[1]=b",
        "unique_id[1]=b&unique_id[0]=a",
        "unique_id[]=a,b",
        "unique_id=a,b",
        "unique_id[40]=a&unique_id[41]=b",
        "&".join(f"unique_id[]={name}" for name in [*"ab", *map(str, range(40))]),
    ],
)
def test_several_values_filter_in_every_spelling(live: Caller, query: str) -> None:
    for name in "abc":
        live.create(unique_id=name)
    found = live("GET", f"/tasks?{query}").json["docs"]
    assert [task["unique_id"] for task in found] == ["b", "a"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit[]=0", "limit[]"),
        ("limit%5B%5D=0", "limit[]"),
        ("status[0]=wrong", "status[0]"),
        ("status[0]=pending&status[1]=wrong", "status[1]"),
        ("status[0]=wrong&status[1]=pending", "status[0]"),
        ("status[]=pending&status=wrong", "status"),
        ("status[]=pending&status[]=wrong", "status[]"),
        ("status[a]=pending", "status[a]"),
        ("tags[a][b]=x", "tags[a][b]"),
        ("tags=x&tags[a]=y", "tags"),
        ("offset=-1", "offset"),
        ("status[%E9]=pending", "status[%E9]"),
    ],
)
def test_a_refusal_names_the_parameter_as_it_was_written(
    live: Caller, query: str, name: str
) -> None:
    reply = live("GET", f"/tasks?{query}")
    assert reply.status == 400
    assert f'"{name}"' in reply.error


def test_unknown_parameters_are_ignored_in_every_spelling(live: Caller) -> None:
    live.create()
    for query in ("x=1", "x[]=1", "x[a][b]=1", "x[=1", "]=1", "[]=1", "=1", "&&", "%ff=%ff", "a[b"):
        assert live("GET", f"/tasks?{query}").json["total"] == 1
