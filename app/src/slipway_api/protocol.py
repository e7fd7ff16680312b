"""HTTP on the wire: uvicorn's protocol, with our own words for what is not HTTP."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .problems import MEDIA_TYPE, render


class Protocol(HttpToolsProtocol):
    """Answers bytes that are no HTTP request with a problem document, too."""

    def send_400_response(self, msg: str) -> None:
        body = render(400, detail="This is not an HTTP/1.1 request that the service understands.")
        lines = [b"HTTP/1.1 400 Bad Request"]
        lines += [name + b": " + value for name, value in self.server_state.default_headers]
        lines += [
            b"content-type: " + MEDIA_TYPE.encode("ascii"),
            b"content-length: %d" % len(body),
            b"connection: close",
            b"",
            body,
        ]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
