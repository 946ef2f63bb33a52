"""werkzeug's own threaded server with one of the small applications."""

import sys
import threading

from werkzeug.serving import make_server

from tests.benchmarks.peers import apps, stay

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, getattr(apps, sys.argv[1]), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stay(server.port)
