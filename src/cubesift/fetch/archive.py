"""Where the archive keeps what: releases, addresses, an existing mirror, checksum lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field
from pydantic.dataclasses import dataclass

from cubesift.errors import CubesiftError

# Public data releases and the version of the reduction pipeline (DRP) each was made with.
RELEASES = {"DR13": "v1_5_4", "DR14": "v2_1_2", "DR15": "v2_4_3", "DR16": "v2_4_3", "DR17": "v3_1_1"}

_PLATEIFU = re.compile(r"[0-9]{4,5}-[0-9]{3,5}")


@dataclass(frozen=True)
class Fetching:
    """Which release, from where, and how politely.

    The archive limits how often one may ask, so the defaults are patient: two connections, and after a
    refusal waits that double from 2 s to 5 minutes.
    """

    release: Literal["DR13", "DR14", "DR15", "DR16", "DR17"] = "DR17"
    base: Annotated[str, Field(pattern=r"^https?://")] = "https://data.sdss.org/sas"
    connections: Annotated[int, Field(ge=1, le=8)] = 2
    tries: Annotated[int, Field(ge=1)] = 8  # failures in a row before a file, or the archive, is given up
    timeout: Annotated[float, Field(gt=0)] = 60.0  # seconds of silence before a connection counts as lost
    slowest: Annotated[float, Field(ge=0)] = 1024.0  # bytes/s over `timeout`; slower counts as lost too
    first_wait: Annotated[float, Field(ge=0)] = 2.0  # seconds before the second try; doubles with each
    longest_wait: Annotated[float, Field(ge=0)] = 300.0  # seconds; asked to wait longer, fetch ends

    @property
    def folder(self) -> str:
        """The release's folder under the root of the archive, `dr17/manga/spectro/redux/v3_1_1`."""
        return f"{self.release.lower()}/manga/spectro/redux/{RELEASES[self.release]}"


def cube_file(plateifu: str) -> str:
    """A cube's path under the release's folder: `8485/stack/manga-8485-1901-LOGCUBE.fits.gz`.

    Source: SDSS data model, mangaCube.
    """
    return f"{plateifu.split('-')[0]}/stack/manga-{plateifu}-LOGCUBE.fits.gz"


def drpall_file(settings: Fetching) -> str:
    """The catalogue's path under the release's folder: `drpall-v3_1_1.fits` (data model, mangaDRPall)."""
    return f"drpall-{RELEASES[settings.release]}.fits"


def address(settings: Fetching, file: str) -> str:
    """Where a file, or a folder where it ends in `/`, of the release is found on the net."""
    return f"{settings.base.rstrip('/')}/{settings.folder}/{file}"


def in_mirror(settings: Fetching, file: str) -> Path | None:
    """The file in the mirror that `SAS_BASE_DIR` names, or None where there is no mirror or no such file.

    `SAS_BASE_DIR` means what it means to `sdss_access` and Marvin: the local copy of the archive's root,
    with `dr17/manga/spectro/redux/…` below it.

    Raises:
        CubesiftError: it names no folder.
    """
    root = os.environ.get("SAS_BASE_DIR")
    if not root:
        return None
    if not Path(root).expanduser().is_dir():
        raise CubesiftError(f"SAS_BASE_DIR is {root}, which is not a folder. Correct it, or unset it.")
    path = Path(root).expanduser() / settings.folder / file
    return path.absolute() if path.is_file() and path.stat().st_size else None


def checked_plateifus(names: Iterable[str], where: str = "") -> list[str]:
    """Names of cubes, in order and each once.

    Raises:
        CubesiftError: a name is not plate-ifu, as in 8485-1901.
    """
    checked: dict[str, None] = {}
    for name in names:
        if not _PLATEIFU.fullmatch(name):
            place = f"{where}: " if where else ""
            raise CubesiftError(f"{place}{name!r} is not a plateifu. Write plate-ifu, as in 8485-1901.")
        checked[name] = None
    return list(checked)


def read_plateifus(path: Path) -> list[str]:
    """Names of cubes from a text file, one a line; of a CSV the column `plateifu`, or else the first.

    Empty lines and what follows a `#` are left out.

    Raises:
        CubesiftError: no such file, or a line holds something else; it is named with its number.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise CubesiftError(f"{path}: not a readable text file with a plateifu on each line.") from None
    names: list[str] = []
    column = 0
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip().strip("\"'") for cell in line.split("#")[0].split(",")]
        if not any(cells):
            continue
        if not names and "plateifu" in cells:
            column = cells.index("plateifu")
            continue
        cell = cells[column] if column < len(cells) else ""
        names += checked_plateifus([cell], f"{path}, line {number}")
    return list(dict.fromkeys(names))


class _Links(HTMLParser):
    """Collects the addresses a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def checksum_lists(page: str) -> list[str]:
    """Names of the `.sha1sum` files that a folder's page links to.

    The archive puts one list into each folder, but has named them differently from release to release
    (DR10: `lss-dr10.sha1sum`), so the name is read off the page rather than guessed.
    """
    links = _Links()
    links.feed(page)
    names = (unquote(Path(urlsplit(link).path).name) for link in links.links)
    return sorted({name for name in names if name.endswith(".sha1sum")})


def parse_checksums(text: str) -> dict[str, str]:
    """SHA-1 by file name, from the lines `sha1sum` writes: 40 hex digits, blank, blank or `*`, name."""
    found = re.findall(r"^([0-9a-fA-F]{40}) [ *](.+?)\s*$", text, flags=re.MULTILINE)
    return {Path(name).name: sha1.lower() for sha1, name in found}
