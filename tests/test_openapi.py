"""The OpenAPI document: valid, whole, and nothing but what is served."""

import json

from openapi_spec_validator import OpenAPIV31SpecValidator

from fakescale.openapi import document
from tests.conformance import BASE

DOCUMENT = json.loads(json.dumps(document(BASE)))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
