"""The server of lab.sh: HTTP on port 8900, where /large has 200,000 octets and /slow takes two seconds; DNS for every name."""

import http.server
import socket
import threading
import time


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * 200_000 if self.path == "/large" else b"hello from the lab\n"
        pieces = [body] if self.path != "/slow" else [body] * 20
        self.send_response(200)
        # Without a length the client reads until the server has ended the connection: so that has happened when curl returns.
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            if self.path == "/slow":
                time.sleep(0.1)


def answer_names():
    """RFC 1035 §4.1: the question as it came, and one address for it."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 53))
    while True:
        asked, client = server.recvfrom(512)
        record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x02\x00\x02"
        server.sendto(asked[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + asked[12:] + record, client)


threading.Thread(target=answer_names, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 8900), Pages).serve_forever()
