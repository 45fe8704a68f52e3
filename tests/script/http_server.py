"""http_server.py - serves a folder by HTTP/1.1 and tells of its connections.

Usage: http_server.py FOLDER LOG

Serves the folder on a free port of the loopback until it is killed.  The first
line of LOG is the port.  Each connection is a line "connection" more, each
request "request", before it is answered.  Connections stay open from request
to request, for as long as the client likes.
"""
import functools
import http.server
import os
import sys

log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def tell(line):
    os.write(log, line.encode() + b"\n")


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        tell("connection")
        super().setup()

    def log_request(self, code="-", size="-"):
        tell("request")

    def log_error(self, format, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    # Clients come faster than they are taken in, on a busy machine.
    request_queue_size = 128


server = Server(("127.0.0.1", 0),
                functools.partial(Handler, directory=sys.argv[1]))
tell(str(server.server_address[1]))
server.serve_forever()
