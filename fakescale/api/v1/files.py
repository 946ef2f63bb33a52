"""The endpoints of the files: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import files
from fakescale.account.files import MAX_UPLOAD, UPLOAD
from fakescale.api.openapi_answers import (
    ANY,
    COUNT,
    NAME,
    TEXT,
    TIME,
    UUID,
    array_of,
    object_of,
    page_of,
)
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Multipart, Route
from fakescale.values.errors import invalid


def upload_file(call: Call) -> Any:
    files = call.world.files
    form = call.request.read_multipart(MAX_UPLOAD, files._receive)
    if "file" not in form.files:  # guessed: the status is 400
        raise invalid("file", "is required")
    incoming, mime_type = form.files["file"]
    options = {name: form.fields[name] for name in UPLOAD.names if name in form.fields}
    return files.upload(incoming, mime_type=mime_type, **options).to_json()


def import_file(call: Call) -> Any:
    return call.world.files.import_file(**call.body).to_json()


def list_files(call: Call) -> Any:
    return call.world.files._page(call.wanted).to_json()


ROUTES = (
    Route(
        "POST",
        "/v1/files/upload",
        upload_file,
        "File",
        body=Multipart("file", files.UPLOAD),
        refuses=(409,),
    ),
    Route("POST", "/v1/files/import", import_file, "File", body=files.IMPORT, refuses=(409,)),
    # Documented: the project is required.
    Route("GET", "/v1/files", list_files, "FilePage", query=files.QUERY, needs=("project",)),
)

SCHEMAS: Mapping[str, Schema] = {
    "File": object_of(
        {
            "id": UUID,
            "attachment_url": {"type": "string", "pattern": "^scaledata://"},
            "created_at": TIME,
            "updated_at": TIME,
            "project_names": array_of(TEXT),
            "metadata": ANY,
        },
        {"mime_type": NAME, "size": COUNT, "display_name": NAME, "reference_id": NAME},
    ),
    "FilePage": page_of("File"),
}
