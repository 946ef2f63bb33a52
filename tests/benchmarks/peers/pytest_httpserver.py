"""pytest-httpserver with a canned answer."""

from pytest_httpserver import HTTPServer

from tests.benchmarks.peers import stay
from tests.benchmarks.requests_sent import CREATE, TASK

if __name__ == "__main__":
    server = HTTPServer()
    server.expect_request(CREATE, method="POST").respond_with_json(TASK)
    server.expect_request(f"/v1/task/{TASK['task_id']}").respond_with_json(TASK)
    server.start()
    stay(server.port)
