"""localstripe, on loopback."""

import os
import socket
import sys
import threading

from aiohttp import web
from localstripe.server import app


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)  # there is nothing to clean up


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    web.run_app(app, sock=listener, access_log=None, print=lambda _: print(port, flush=True))
