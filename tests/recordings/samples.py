"""Recordings as the recorders write them."""

import base64
import gzip
import json
from typing import Any

TASK = {
    "task_id": "5f0000000000000000000001",
    "created_at": "2021-06-29T20:21:53.289Z",
    "type": "chat",
    "status": "pending",
}
ANSWER = json.dumps(TASK)
GZIPPED = base64.b64encode(gzip.compress(ANSWER.encode(), mtime=0)).decode()

# VCR for Ruby 6 with Psych: `preserve_exact_body_bytes` writes base64, and a text in a binary
# encoding is `!binary`. The user of Basic authentication may be in the URL.
RUBY_YAML = f"""\
---
http_interactions:
- request:
    method: post
    uri: https://live_ruby:@api.scale.com/v1/task/chat
    body:
      encoding: UTF-8
      string: '{{"instruction":"héllo"}}'
    headers:
      Content-Type:
      - application/json
      User-Agent:
      - Faraday v1.10.0
  response:
    status:
      code: 200
      message: OK
    headers:
      Content-Type:
      - application/json; charset=utf-8
      Content-Encoding:
      - gzip
    body:
      encoding: ASCII-8BIT
      string: !binary |-
        {GZIPPED}
    http_version:
  recorded_at: Tue, 29 Jun 2021 20:21:53 GMT
- request:
    method: get
    uri: https://api.scale.com/v1/task/5f0000000000000000000001
    body:
      encoding: US-ASCII
      base64_string: ''
    headers: {{}}
  response:
    status:
      code: 200
      message: OK
    headers: {{}}
    body:
      encoding: UTF-8
      base64_string: {base64.b64encode(ANSWER.encode()).decode()}
  recorded_at: Tue, 29 Jun 2021 20:21:54 GMT
recorded_with: VCR 6.1.0
"""


def ruby(*, encoding: str = "UTF-8", body: Any = "") -> dict[str, Any]:
    """Return an interaction as the JSON serializer of VCR for Ruby writes it."""
    return {
        "request": {
            "method": "get",
            "uri": "https://api.scale.com/v1/tasks",
            "body": {"encoding": encoding, "string": body},
            "headers": {"Authorization": ["Basic bGl2ZV9tZTo="]},
        },
        "response": {
            "status": {"code": 401, "message": "Unauthorized"},
            "headers": {"Content-Type": ["application/json"]},
            "body": {"encoding": "UTF-8", "string": '{"status_code":401,"error":"No."}'},
        },
        "recorded_at": "Tue, 29 Jun 2021 20:21:53 GMT",
    }


RUBY_JSON = json.dumps({"http_interactions": [ruby()], "recorded_with": "VCR 6.1.0"})

# Old cassettes of vcrpy: Python 2, a request that is no text, and the stub of httpx.
VCRPY_YAML = """\
interactions:
- request:
    body: !!python/unicode '{"a": 1}'
    headers:
      Accept: &id001 ['*/*']
      Content-Type: ['application/json']
    method: POST
    uri: https://api.scale.com/v1/task/chat
  response:
    body: {string: !!python/unicode '{"error": "x"}'}
    headers:
      Accept: *id001
      Date: ['Tue, 29 Jun 2021 20:21:53 GMT']
    status: {code: 400, message: Bad Request}
- request:
    body: ''
    headers: {accept: '*/*'}
    method: GET
    uri: https://example.com/other
  response: not even an answer
- request:
    body: null
    headers: {accept: '*/*'}
    method: GET
    uri: https://api.scale.com:443/v1/tasks
  response:
    content: '{"docs": []}'
    headers: {}
    http_version: HTTP/1.1
    status_code: 200
version: 1
"""


def har_entry(**members: Any) -> dict[str, Any]:
    """Return an entry of a HAR, with other ``members`` of the request and the response."""
    request = {
        "method": "POST",
        "url": "https://api.scale.com/v1/task/chat",
        "httpVersion": "HTTP/2",
        "cookies": [],
        "headers": [{"name": ":authority", "value": "api.scale.com"}],
        "queryString": [],
        "headersSize": -1,
        "bodySize": 0,
    }
    response = {
        "status": 200,
        "statusText": "",
        "httpVersion": "HTTP/2",
        "cookies": [],
        "headers": [{"name": "content-encoding", "value": "gzip"}],
        "content": {"size": len(ANSWER), "mimeType": "application/json", "text": ANSWER},
        "redirectURL": "",
    }
    return {
        "startedDateTime": "2021-06-29T22:21:53.289+02:00",
        "time": 12.5,
        "request": request | members.get("request", {}),
        "response": response | members.get("response", {}),
        "cache": {},
        "timings": {"send": 1, "wait": 10, "receive": 1},
    }


def har(*entries: Any, **log: Any) -> str:
    """Return a HAR."""
    return json.dumps({"log": {"version": "1.2", "creator": {}, **log, "entries": [*entries]}})


_POSTED = {"mimeType": "application/json", "text": '{"instruction":"héllo"}'}
# Chrome: members of its own, `pages` before the entries, and a status 0 for a blocked request.
CHROME = har(
    {"_initiator": {"type": "other"}, **har_entry(request={"postData": _POSTED})},
    har_entry(response={"status": 0, "_error": "net::ERR_BLOCKED_BY_CLIENT"}),
    har_entry(request={"url": "data:image/png;base64,AA=="}),
    har_entry(request={"url": "https://[bad"}),
    pages=[{"id": "page_1", "title": "https://dashboard.scale.com"}],
)
# Firefox: a body in base64, an upload without its text.
FIREFOX = har(
    har_entry(
        request={
            "method": "GET",
            "headers": [{"name": "Host", "value": "api.scale.com"}],
        },
        response={
            "content": {
                "mimeType": "application/json",
                "encoding": "base64",
                "text": base64.b64encode(ANSWER.encode()).decode(),
            }
        },
    ),
    har_entry(
        request={
            "url": "https://api.scale.com/v1/files/upload",
            "headers": [
                {"name": "Content-Type", "value": "multipart/form-data; boundary=----b1"},
            ],
            "postData": {
                "mimeType": "multipart/form-data; boundary=----b1",
                "params": [
                    {"name": "project_name", "value": "p"},
                    {"name": "file", "fileName": "a.png", "contentType": "image/png"},
                ],
            },
        },
    ),
)
# mitmproxy: the text and the params of a form, the members sorted by name.
MITMPROXY = json.dumps(
    {
        "log": {
            "creator": {"comment": "", "name": "mitmproxy", "version": "10.3.0"},
            "entries": [
                har_entry(
                    request={
                        "postData": {
                            "mimeType": "application/x-www-form-urlencoded",
                            "text": "",
                            "params": [{"name": "a", "value": "b c"}],
                        }
                    }
                )
            ],
            "pages": [],
            "version": "1.2",
        }
    },
    sort_keys=True,
)
LINE = {
    "when": "2021-06-29T20:21:53.289Z",
    "method": "GET",
    "url": "https://api.scale.com/v1/tasks",
    "headers": [["Authorization", "Basic x"]],
    "body": "",
    "status": 200,
    "answer": ANSWER,
}
LINES = f"{json.dumps(LINE)}\n\n{json.dumps(LINE | {'answer': TASK, 'headers': {'A': 'b'}})}\n"

SAMPLES = {
    "ruby.yml": RUBY_YAML,
    "ruby.json": RUBY_JSON,
    "vcrpy.yaml": VCRPY_YAML,
    "chrome.har": CHROME,
    "firefox.har": FIREFOX,
    "mitmproxy.har": MITMPROXY,
    "lines.jsonl": LINES,
}
