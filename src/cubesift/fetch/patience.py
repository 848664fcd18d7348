"""Asking the archive, and asking again: one shared back-off for all connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np

from cubesift.data.store import version
from cubesift.errors import BadFile, CubesiftError
from cubesift.fetch.archive import Fetching

T = TypeVar("T")
Response = HTTPResponse | HTTPError

FIRST_CONTACT = 3  # tries while nothing ever answered: a mistyped address should not cost ten minutes
PROGRESS = 1 << 20  # bytes that came before a connection broke, for it not to count as a failure in a row


class Lost(Exception):
    """One try that came to nothing and may be tried again; says why in a few words."""


class Refused(Lost):
    """The archive, not the file, was the trouble: all connections wait."""


class Stopped(Exception):
    """Somebody asked all connections to stop."""


class Patience:
    """What all connections share: when the archive may be asked again, and whether to stop."""

    def __init__(self, settings: Fetching, rng: np.random.Generator):
        self.settings = settings
        self.stopped = threading.Event()
        self._rng = rng
        self._lock = threading.Lock()
        self._until = 0.0  # time.monotonic() before which nobody asks
        self._failures = 0  # in a row, over all connections
        self._ever_answered = False

    def backoff(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: doubling, with jitter, bounded."""
        wait = min(self.settings.first_wait * 2.0 ** (failures - 1), self.settings.longest_wait)
        # Jitter keeps two connections, and two users, from coming back in the same moment.
        return wait * float(0.5 + 0.5 * self._rng.random())

    def sleep(self, seconds: float) -> None:
        """Wait, unless asked to stop."""
        if self.stopped.wait(seconds):
            raise Stopped

    def before_asking(self) -> None:
        """Wait until the archive may be asked again."""
        while (wait := self._until - time.monotonic()) > 0:
            self.sleep(wait)
        self.sleep(0)

    def answered(self) -> None:
        """The archive gave something: the failures before it are forgiven."""
        with self._lock:
            self._failures = 0
            self._ever_answered = True

    def refused(self, reason: str, asked: float | None) -> Refused:
        """The archive says "later", or (`asked` None) nothing: every connection waits `asked` s or more.

        Raises:
            CubesiftError: it has been so `tries` times in a row, or asks for a longer wait than we have.
        """
        with self._lock:
            self._failures += 1
            self._ever_answered |= asked is not None
            wait = asked or 0.0
            if wait > self.settings.longest_wait:
                raise self._given_up(f"{reason}, come back in {wait / 60:.0f} minutes")
            tries = self.settings.tries if self._ever_answered else FIRST_CONTACT
            if self._failures >= min(tries, self.settings.tries):
                raise self._given_up(f"{reason}, {_times(self._failures)}")
            wait = max(wait, self.backoff(self._failures))
            self._until = max(self._until, time.monotonic() + wait)
        return Refused(reason)

    def broke(self, reason: str) -> Lost:
        """One request failed on the archive's side: the file's trouble, unless every file has it.

        Raises:
            CubesiftError: nothing else has been answered for twice as many tries as a file has.
        """
        with self._lock:
            self._failures += 1
            if self._failures >= 2 * self.settings.tries:
                raise self._given_up(f"{reason}, {_times(self._failures)}")
        return Lost(reason)

    def _given_up(self, why: str) -> CubesiftError:
        host = urlsplit(self.settings.base).netloc
        return CubesiftError(
            f"{host}: {why}. What was fetched stays: run the same command again later and it goes on there."
        )


@contextmanager
def asked(
    url: str, patience: Patience, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Iterator[Response]:
    """Send one request and yield the answer, whose status is below 500 and not 429.

    Raises:
        Lost: no answer, or one that may be better next time.
        CubesiftError: the archive has refused too often.
    """
    patience.before_asking()
    agent = f"cubesift/{version()}"
    request = Request(url, headers={"User-Agent": agent, **(headers or {})}, method=method)
    response: Response
    try:
        response = urlopen(request, timeout=patience.settings.timeout)
    except HTTPError as error:
        response = error
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        raise patience.refused(f"no answer ({in_words(cause)})", None) from None
    with response:
        status = response.status
        if status in (429, 503):
            words = "too many requests" if status == 429 else "busy"
            raise patience.refused(f"{words} ({status})", _retry_after(response))
        if status is not None and status >= 500:
            raise patience.broke(f"the archive has an error of its own ({status})")
        patience.answered()
        yield response


def keep_trying(
    attempt: Callable[[], T], name: str, patience: Patience, size: Callable[[], int] = lambda: 0
) -> T:
    """What `attempt` returns, the first time it does not raise `Lost`; between tries we wait.

    `size` is how many bytes there are already: a broken connection that brought some is forgiven.

    Raises:
        BadFile: too many failures in a row; the line ends with the last one.
    """
    failures = 0
    while True:
        before = size()
        try:
            return attempt()
        except Lost as lost:
            failures = 1 if size() - before >= PROGRESS else failures + 1
            if failures >= patience.settings.tries:
                line = f"{name}: {lost}, {_times(failures)}. Run the same command again later."
                raise BadFile(line) from None
            if not isinstance(lost, Refused):
                patience.sleep(patience.backoff(failures))


def in_words(error: object) -> str:
    """What a network error says, without its number."""
    if isinstance(error, TimeoutError):
        return "silence"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _times(failures: int) -> str:
    return "once" if failures == 1 else f"{failures} times in a row"


def _retry_after(response: Response) -> float:
    """Seconds the answer asks us to wait; 0 where it does not (RFC 9110, 10.2.3: seconds or a date)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
