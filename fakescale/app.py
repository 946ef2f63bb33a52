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

from fakescale import wire
from fakescale.access import Access
from fakescale.access_log import log_exchange
from fakescale.api import match
from fakescale.call import Call
from fakescale.effects import Effect
from fakescale.errors import ApiError, NotFound, invalid
from fakescale.faults import Asked
from fakescale.idempotency import LONGEST_KEY
from fakescale.journal import Exchange
from fakescale.meanwhile import give_way
from fakescale.records import Answer
from fakescale.results import seen_from
from fakescale.service import Service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("fakescale")

#: Below it lies what is not the API's: without a key, in no journal, struck by no fault.
CONTROL = "/_fakescale/"
HEALTH = f"{CONTROL}health"
DOCUMENT = f"{CONTROL}openapi.json"


#: Answers a control call that may be made: a request and what its path has after CONTROL.
Control = Callable[[wire.Request, str], Answer]


def application(
    service: Service,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
    *,
    access: Access,
    control: Control,
    max_body: int,
) -> Iterable[bytes]:
    """Answer a request (WSGI, once the rest is filled in)."""
    path = wire.raw_path(environ)
    # The decoded path is not used, and that of httpx is none that werkzeug can read.
    request = wire.Request({**environ, "PATH_INFO": path}, max_body)
    now = service.clock.now()
    trace = None
    effects: list[Effect] = []
    answer = Answer(0, b"")  # unless a fault keeps the API from its work
    is_control = f"{path}/".startswith(CONTROL)
    try:
        access.check_host(environ)
        effects = [] if is_control else _decide(service, request, path)
        if is_control:
            answer = _control(service, access, control, request, path)
        elif all(effect.works for effect in effects):
            answer = _respond(service, request, path)
    except ApiError as error:
        answer = wire.refusal(error)
    except Exception:
        trace = traceback.format_exc()
        answer = wire.refusal(ApiError("Something went wrong inside fakescale."))
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
        service.journal.append(exchange)
    if trace is not None:
        log.error("a bug in fakescale\n%s", trace)
    environ.get(wire.REPORT, log_exchange)(exchange)
    if delay := sum(effect.delay for effect in effects):
        # Not on a clock: that of a test may stand still.
        give_way()
        environ.get(wire.STOPPED, threading.Event()).wait(delay)
    if answer.status:
        start_response(
            f"{answer.status} {http.HTTPStatus(answer.status).phrase}",
            [
                *wire.headers(answer.body, answer.headers),
                ("Date", _date(now.replace(microsecond=0))),
            ],
        )
    if answer.is_reset:
        raise wire.BrokenOff(answer.body)
    return [answer.body]


@functools.lru_cache(maxsize=4)
def _date(second: dt.datetime) -> str:
    return email.utils.format_datetime(second, usegmt=True)


def _decide(service: Service, request: wire.Request, path: str) -> list[Effect]:
    if not service.faults:
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
    return service.faults.decide(asked)


def _control(
    service: Service, access: Access, control: Control, request: wire.Request, path: str
) -> Answer:
    if (request.method, path) == ("GET", HEALTH):
        return wire.answer({"status": "ok"})
    if (request.method, path) == ("GET", DOCUMENT):
        from fakescale.openapi import document  # seldom asked for

        return wire.answer(document(f"{request.called_at or service.origin()}/v1"))
    access.check_control(request)
    give_way()  # much of it takes long, and time that moves on sends callbacks
    return control(request, path[len(CONTROL) :])


def _respond(service: Service, request: wire.Request, path: str) -> Answer:
    # Observed: a bad key is refused before anything else.
    world = service.accounts.world(request.api_key)
    request.account = world.key.account
    found = match(request.method, path)
    if found is None:
        # Guessed, for a wrong method as well: what the API says there is not known.
        raise NotFound(f"Not found: {request.method} {path}")
    route, names = found
    account = service.accounts.account(world.key.account)
    call = Call(account, world, route, names, request)

    def work() -> Answer:
        try:
            content = route.view(call)
            if isinstance(content, Answer):
                return content
            seen = seen_from(request.called_at or service.origin(), content)
            return wire.answer(seen, route.status)
        except ApiError as error:  # here, so that a saved answer can be a refusal
            return wire.refusal(error)

    key = request.environ.get("HTTP_IDEMPOTENCY_KEY", "")
    if route.idempotent and key:
        return _once(service, call, key, work)
    return work()


def _once(service: Service, call: Call, key: str, work: Callable[[], Answer]) -> Answer:
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
    return service.once.run((is_test, key), fingerprint, work)
