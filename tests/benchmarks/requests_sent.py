"""The requests of the benchmarks as bytes, with bodies of 400 bytes that create a task.

The peers import this module too. Their environments hold nothing but the peer, so the module
uses only the standard library.
"""

import itertools
import json
from typing import Any

TYPE = "imageannotation"
CREATE = f"/v1/task/{TYPE}"
KEY = "live_fakescale"
BODY_SIZE = 400
#: The first number of a created task. Tasks that a server holds from the start have lower ones.
FIRST = 10**9

_numbers = itertools.count(FIRST)


def unique_id(number: int) -> str:
    """Return the unique_id of a task; all have the same length."""
    return f"frame-{number:010d}"


def params(number: int) -> dict[str, Any]:
    """Return the body of a creation, ``BODY_SIZE`` bytes as JSON."""
    return {
        "instruction": "Draw a tight box around each vehicle that is seen in the picture.",
        "attachment": "https://images.example.com/front/0001.jpg",
        "geometries": {
            "box": {
                "objects_to_annotate": ["car", "bus", "truck", "cyclist", "pedestrian"],
                "min_height": 10,
                "min_width": 10,
            }
        },
        "metadata": {"drive": "2024-02-29/17", "camera": "front-left"},
        "tags": ["night", "rain"],
        "unique_id": unique_id(number),
    }


def body(number: int) -> bytes:
    """Return the body of a creation as bytes."""
    return json.dumps(params(number)).encode()


#: The answer of peers that hold no tasks: a task as the API prints it.
TASK = {
    "task_id": "65e06f00c246dd6122265b1f",
    "created_at": "2024-02-29T12:00:00.000Z",
    "updated_at": "2024-02-29T12:00:00.000Z",
    "type": TYPE,
    "status": "pending",
    "instruction": params(0)["instruction"],
    "params": {name: params(0)[name] for name in ("attachment", "geometries")},
    "metadata": params(0)["metadata"],
    "tags": params(0)["tags"],
    "unique_id": unique_id(0),
    "is_test": False,
    "urgency": "standard",
    "processed_attachments": [],
}
CANNED = json.dumps(TASK).encode()


def request(
    method: str, target: str, content: bytes = b"", fields: dict[str, str] | None = None
) -> bytes:
    """Return a request as bytes."""
    head = {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        **(fields or {}),
    }
    if not content:
        del head["Content-Type"], head["Content-Length"]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {it}" for name, it in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def next_number() -> int:
    """Return the number of a new task."""
    return next(_numbers)


def create(key: str = KEY) -> bytes:
    """Return a request that creates a new task."""
    fields = {"Authorization": f"Bearer {key}"}
    return request("POST", CREATE, body(next_number()), fields)


# The similar requests to two other fakes.


def _dynamodb(operation: str, content: dict[str, Any]) -> bytes:
    scope = "AKIA/20240229/us-east-1/dynamodb/aws4_request"
    fields = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    return request("POST", "/", json.dumps({"TableName": "tasks", **content}).encode(), fields)


_ID = "unique_id"
CREATE_TABLE = _dynamodb(
    "CreateTable",
    {
        "KeySchema": [{"AttributeName": _ID, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": _ID, "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
)


def get_item(number: int) -> bytes:
    """Return the request for an existing item."""
    return _dynamodb("GetItem", {"Key": {_ID: {"S": unique_id(number)}}})


def put_item(number: int) -> bytes:
    """Return a request that puts an item with the contents of a task's body."""
    texts = {name: json.dumps(it) for name, it in params(number).items() if name != _ID}
    item = {name: {"S": text} for name, text in {**texts, _ID: unique_id(number)}.items()}
    return _dynamodb("PutItem", {"Item": item})


#: A request that creates a customer from a form.
CREATE_CUSTOMER = request(
    "POST",
    "/v1/customers",
    b"email=someone%40example.com",
    {"Authorization": "Bearer sk_test_1", "Content-Type": "application/x-www-form-urlencoded"},
)


def get_customer(created: bytes) -> bytes:
    """Return the request for a customer, given the answer to its creation."""
    target = f"/v1/customers/{json.loads(created)['id']}"
    return request("GET", target, fields={"Authorization": "Bearer sk_test_1"})
