"""A small archive on this machine that can misbehave in the ways archives and lines do."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any

PIECE = 1 << 14


@dataclass
class Request:
    """One line of the log."""

    method: str
    name: str
    range: str | None
    status: int
    sent: int = 0  # bytes of the body


class BadServer:
    """Serves `files` (path -> bytes) as Apache does: ranges, ETag, Last-Modified, folder pages.

    `moods[name]` lists the misbehaviours of the next requests for files of that name, one each;
    `always[name]` holds for every request. "*" stands for every file. See `Handler.misbehave`.
    """

    def __init__(self, files: dict[str, bytes]):
        self.files = dict(files)
        self.moods: dict[str, list[str]] = {}
        self.always: dict[str, str] = {}
        self.retry_after = "0"
        self.pause = 0.0  # seconds between the pieces of a body
        self.log: list[Request] = []
        self.open_at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        server = self

        class Bound(Handler):
            archive = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/sas"

    def publish(self, folder: str, name: str = "checksums.sha1sum") -> None:
        """Put a list of the right checksums into a folder."""
        lines = [
            f"{hashlib.sha1(body).hexdigest()}  {PurePosixPath(path).name}\n"
            for path, body in self.files.items()
            if str(PurePosixPath(path).parent) == folder
        ]
        self.files[f"{folder}/{name}"] = "".join(lines).encode()

    def requests(self, name: str, method: str = "GET") -> list[Request]:
        return [request for request in self.log if request.name == name and request.method == method]

    def mood(self, name: str) -> str:
        with self.lock:
            for key in (name, "*"):
                if self.moods.get(key):
                    return self.moods[key].pop(0)
                if key in self.always:
                    return self.always[key]
        return ""

    def __enter__(self) -> BadServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    archive: BadServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.archive.lock:
            self.archive.open_at_once += 1
            self.archive.most_at_once = max(self.archive.most_at_once, self.archive.open_at_once)
        try:
            self.answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.archive.lock:
                self.archive.open_at_once -= 1

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self) -> None:
        path = self.path.removeprefix("/sas/")
        name = PurePosixPath(path).name
        self.entry = Request(self.command, name, self.headers.get("Range"), 0)
        self.archive.log.append(self.entry)
        if path.endswith("/"):
            names = [PurePosixPath(file).name for file in self.archive.files if in_folder(file, path)]
            page = "".join(f'<tr><td><a href="{name}">{name}</a></td></tr>' for name in names)
            self.reply(200, page.encode(), {"Content-Type": "text/html"})
            return
        body = self.archive.files.get(path)
        if body is None:
            self.reply(404, b"no such file")
            return
        self.misbehave(self.archive.mood(name), body)

    def misbehave(self, mood: str, body: bytes) -> None:
        half = len(body) // 2
        headers = {
            "ETag": f'"{hashlib.md5(body).hexdigest()}"',
            "Last-Modified": formatdate(1.6e9, usegmt=True),
            "Content-Type": "application/x-gzip",
        }
        start = self.resumed_at(headers) if mood not in ("no ranges", "no validator") else 0
        if mood in ("429", "503"):
            self.reply(int(mood), b"later", {"Retry-After": self.archive.retry_after})
        elif mood in ("403", "404", "405", "416", "500", "502"):
            self.reply(int(mood), b"sorry")
        elif mood == "hang up":
            self.close_connection = True
        elif mood == "web page":
            self.reply(200, b"<html>Please log in</html>", {"Content-Type": "text/html; charset=utf-8"})
        elif mood == "corrupt":
            self.reply(200, bytes([body[0] ^ 1]) + body[1:], headers)
        elif mood == "truncate":  # as a proxy that believes what it got was all
            self.reply(200, body[:half], headers)
        elif mood == "no validator":
            self.reply(200, body)
        elif mood == "wrong range":
            self.reply(206, body, headers | {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"})
        elif mood == "ignores If-Range":  # goes on with another file
            given = int(str(self.headers["Range"])[6:-1])
            rest = {"Content-Range": f"bytes {given}-{len(body) - 1}/{len(body)}"}
            self.reply(206, body[given:], headers | rest)
        elif mood == "no length":
            self.reply(200, body, headers, length=None)
        elif mood == "too long":  # says more than it has
            self.reply(200, body, headers, length=len(body) + 7)
        elif mood in ("drop", "silence", "trickle", ""):
            length = len(body) - start
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            part = length // 2 if mood in ("drop", "silence") else 100 if mood == "trickle" else length
            self.reply(206 if start else 200, body[start : start + part], headers, length, mood=mood)
        elif mood == "no ranges":
            self.reply(200, body, headers)
        else:
            raise ValueError(mood)

    def resumed_at(self, headers: dict[str, str]) -> int:
        given = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, headers["ETag"], headers["Last-Modified"])
        return int(given[1]) if given and same else 0

    def reply(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        length: int | None = -1,
        mood: str = "",
    ) -> None:
        length = len(body) if length == -1 else length
        self.entry.status = status
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if length != len(body):
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        piece = 1 if mood == "trickle" else PIECE
        for at in range(0, len(body), piece):
            if self.archive.closing.is_set():
                break
            self.wfile.write(body[at : at + piece])
            self.entry.sent += len(body[at : at + piece])
            time.sleep(0.02 if mood == "trickle" else self.archive.pause)
        if mood == "silence":
            self.archive.closing.wait(2.0)


def in_folder(file: str, folder: str) -> bool:
    return str(PurePosixPath(file).parent) == folder.rstrip("/")
