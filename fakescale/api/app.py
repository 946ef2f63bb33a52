"""What surrounds every request: who may call, the key, the route, the refusals, the journal."""

import datetime as dt
import email.utils
import functools
import http
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fakescale.account.result_files import seen_from
from fakescale.api.access import Access
from fakescale.api.request import Request, raw_path
from fakescale.api.route import Call, match
from fakescale.api.v1 import ROUTES
from fakescale.server.access_log import log_exchange
from fakescale.state import State
from fakescale.traffic.fault import Effect
from fakescale.traffic.faults import Asked
from fakescale.traffic.idempotency import LONGEST_KEY
from fakescale.traffic.journal import Exchange
from fakescale.values.answer import Answer, header_fields, json_answer, refusal
from fakescale.values.environ import REPORT, STOPPED, BrokenOff
from fakescale.values.errors import ApiError, NotFound, invalid
from fakescale.values.meanwhile import give_way

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("fakescale")

#: Below it lies what is not the API's: without a key, in no journal, struck by no fault.
CONTROL = "/_fakescale/"
HEALTH = f"{CONTROL}health"
DOCUMENT = f"{CONTROL}openapi.json"


#: Answers a control call that may be made: a request and what its path has after CONTROL.
Control = Callable[[Request, str], Answer]


def application(
    state: State,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
    *,
    access: Access,
    control: Control,
    max_body: int,
) -> Iterable[bytes]:
    """Answer a request (WSGI, once the rest is filled in)."""
    path = raw_path(environ)
    # The decoded path is not used, and that of httpx is none that werkzeug can read.
    request = Request({**environ, "PATH_INFO": path}, max_body)
    now = state.clock.now()
    trace = None
    effects: list[Effect] = []
    answer = Answer(0, b"")  # unless a fault keeps the API from its work
    is_control = f"{path}/".startswith(CONTROL)
    try:
        access.check_host(environ)
        effects = [] if is_control else _decide(state, request, path)
        if is_control:
            answer = _control(state, access, control, request, path)
        elif all(effect.works for effect in effects):
            answer = _respond(state, request, path)
    except ApiError as error:
        answer = refusal(error)
    except Exception:
        trace = traceback.format_exc()
        answer = refusal(ApiError("Something went wrong inside fakescale."))
    for effect in effects:
        answer = effect.spoil(answer)
    exchange = Exchange(
        method=request.method,
        path=path,
        query=environ.get("QUERY_STRING", ""),
        headers=request.fields,
        body=request.seen,
        status=answer.status,
        answer=answer.body,
        when=now,
        traceback=trace,
        fault="; ".join(effect.text for effect in effects) or None,
        account=request.account,
    )
    if not is_control:
        state.journal._append(exchange)
    if trace is not None:
        log.error("a bug in fakescale\n%s", trace)
    environ.get(REPORT, log_exchange)(exchange)
    if delay := sum(effect.delay for effect in effects):
        # Not on a clock: that of a test may stand still.
        give_way()
        environ.get(STOPPED, threading.Event()).wait(delay)
    if answer.status:
        start_response(
            f"{answer.status} {http.HTTPStatus(answer.status).phrase}",
            [
                *header_fields(answer.body, answer.headers),
                ("Date", _date(now.replace(microsecond=0))),
            ],
        )
    if answer.is_reset:
        raise BrokenOff(answer.body)
    return [answer.body]


@functools.lru_cache(maxsize=4)
def _date(second: dt.datetime) -> str:
    return email.utils.format_datetime(second, usegmt=True)


def _decide(state: State, request: Request, path: str) -> list[Effect]:
    if not state.faults:
        return []
    asked = Asked(
        method=request.method,
        path=path,
        query=request.environ.get("QUERY_STRING", ""),
        headers=request.fields,
        api_key=request.api_key,
        # An upload is read once, as it arrives, and not before.
        content=lambda: None if request.is_multipart else request.content,
    )
    return state.faults._decide(asked)


def _control(state: State, access: Access, control: Control, request: Request, path: str) -> Answer:
    if (request.method, path) == ("GET", HEALTH):
        return json_answer({"status": "ok"})
    if (request.method, path) == ("GET", DOCUMENT):
        from fakescale.api.openapi import document

        return json_answer(document(f"{request.called_at or state.origin()}/v1"))
    access.check_control(request)
    give_way()  # much of it takes long, and time that moves on sends callbacks
    return control(request, path[len(CONTROL) :])


def _respond(state: State, request: Request, path: str) -> Answer:
    # Observed: a bad key is refused before anything else.
    world = state.accounts.world(request.api_key)
    request.account = world.key.account
    found = match(ROUTES, request.method, path)
    if found is None:
        # Guessed, for a wrong method as well: what the API says there is not known.
        raise NotFound(f"Not found: {request.method} {path}")
    route, names = found
    account = state.accounts.account(world.key.account)
    call = Call(account, world, route, names, request)

    def work() -> Answer:
        try:
            content = route.view(call)
            if isinstance(content, Answer):
                return content
            seen = seen_from(request.called_at or state.origin(), content)
            return json_answer(seen, route.status)
        except ApiError as error:  # here, so that a saved answer can be a refusal
            return refusal(error)

    key = request.environ.get("HTTP_IDEMPOTENCY_KEY", "")
    if route.idempotent and key:
        return _once(state, call, key, work)
    return work()


def _once(state: State, call: Call, key: str, work: Callable[[], Answer]) -> Answer:
    """Do ``work`` unless ``key`` was used for the same request before."""
    if len(key) > LONGEST_KEY:
        raise invalid("Idempotency-Key", f"must not be longer than {LONGEST_KEY} characters", key)
    account, is_test = call.world.key
    # Guessed: what makes a request another one, and that the modes have keys of their own.
    # Equal are an empty body and {}, and null and an absent member, as everywhere.
    body = call.request.json_content or {}
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    fingerprint = (
        account,
        call.route.path,
        *call.path.values(),
        call.request.query_string.decode("latin-1"),
        json.dumps(body, sort_keys=True),
    )
    return state.once.run((is_test, key), fingerprint, work)
