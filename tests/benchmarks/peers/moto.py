"""moto's server with a DynamoDB table."""

from moto.server import ThreadedMotoServer

from tests.benchmarks.clients import Client
from tests.benchmarks.peers import stay
from tests.benchmarks.requests_sent import CREATE_TABLE

if __name__ == "__main__":
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    client = Client(port)
    client.ask(CREATE_TABLE)
    client.close()
    stay(port)
