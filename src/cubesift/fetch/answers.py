"""Reading what the archive answers: bodies that may break off, headers that may be missing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

from cubesift.fetch.patience import Lost, Patience, Response, Stopped, in_words

PIECE = 1 << 18  # bytes read at once


def pieces_of(response: Response, patience: Patience) -> Iterator[bytes]:
    """The body as it comes.

    Raises:
        Lost: the connection broke, fell silent, or became slower than `slowest`.
    """
    settings = patience.settings
    since, amount = time.monotonic(), 0
    while True:
        try:
            # read1 returns what has come; read would wait for all of PIECE, however slowly it trickles.
            piece = response.read1(PIECE)
        except (OSError, HTTPException) as error:
            raise Lost(f"the connection broke ({in_words(error)})") from None
        if patience.stopped.is_set():
            raise Stopped
        if not piece:
            return
        patience.answered()
        yield piece
        amount += len(piece)
        if (elapsed := time.monotonic() - since) >= settings.timeout:
            if amount < settings.slowest * elapsed:
                raise Lost(f"slower than {settings.slowest:.0f} bytes per second")
            since, amount = time.monotonic(), 0


def continues(response: Response, have: int, known: dict[str, Any]) -> bool:
    """Whether a 206 is the rest of the very file we have a part of."""
    given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if given is None or int(given[1]) != have:
        return False
    if given[2] != "*" and known["bytes"] not in (None, int(given[2])):
        return False
    return validator_of(response) in ("", known["validator"])


def validator_of(response: Response) -> str:
    """What `If-Range` may carry (RFC 9110, 13.1.5): a strong ETag, else Last-Modified."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def length_of(response: Response) -> int | None:
    """Bytes of the body, or None where the answer does not say."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def refuse_web_page(response: Response) -> None:
    """Stop at a page of a hotel's or a campus' network that took the archive's place.

    Raises:
        Lost: the answer is HTML.
    """
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise Lost("a web page came instead of the file (is there a login page in between?)")


def refusal(status: int | None) -> str:
    """What a status that is no file means, in words."""
    if status in (404, 410):
        return f"the archive has no such file ({status}). Is the name right, and in this release?"
    return f"the archive will not give it ({status}). Does it need a login?"
