"""FITS files front to back: headers as astropy reads them, and files that cannot be opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from astropy.io import fits

from cubesift.data.cards import parse_header
from cubesift.data.fits import primary_and_first, read_logcube
from cubesift.errors import BadFile
from tests.logcubes import logcube, write_logcube


def test_headers_are_those_that_astropy_reads(shared: Path) -> None:
    for path in (*shared.glob("sami/*.gz"), *shared.glob("muse/*.gz"), *shared.glob("manga/*.gz")):
        ours = primary_and_first(path)
        with fits.open(path) as hdus:
            for number, header in enumerate(ours):
                theirs = hdus[number].header
                assert {key for key in theirs if key not in ("", "COMMENT", "HISTORY")} >= header.keys()
                for key, value in header.items():
                    assert value == theirs[key] or len(theirs[key]) > 60, (path.name, key)


def test_cards_are_read_as_astropy_reads_them() -> None:
    cards = [
        "SIMPLE  =                    T / conforms to FITS standard",
        "OBSERVER= 'O''Neill '           / a quote, and one / in the comment",
        "EMPTY   = ''                   / a text without letters",
        "UNKNOWN =                      / no value",
        "EXPTIME =             1.35D+04 / seconds",
        "PLATEID =                 7815",
        "PLATEID =                 9999 / the first counts",
        "COMMENT = 'not a value'",
        "HIERARCH ESO TEL AIRM = 1.2",
        "END",
    ]
    raw = "".join(card.ljust(80) for card in cards).encode()
    ours, theirs = parse_header(raw), fits.Header.fromstring(raw)
    assert ours == {
        "SIMPLE": True,
        "OBSERVER": "O'Neill",
        "EMPTY": "",
        "EXPTIME": 13500.0,
        "PLATEID": 7815,
    }
    assert all(theirs[key] == value for key, value in ours.items())


def test_a_folder_a_missing_file_and_a_pipe_are_refused(tmp_path: Path) -> None:
    folder, missing, pipe = (
        tmp_path / f"manga-{kind}-LOGCUBE.fits.gz" for kind in ("folder", "none", "pipe")
    )
    folder.mkdir()
    os.mkfifo(pipe)
    for path, phrase in ((folder, "a folder"), (missing, "not there"), (pipe, "no ordinary file")):
        with pytest.raises(BadFile, match=phrase):
            read_logcube(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    locked = write_logcube(tmp_path / "manga-8485-1901-LOGCUBE.fits.gz", logcube(4))
    locked.chmod(0)
    with pytest.raises(BadFile, match="Permission denied"):
        read_logcube(locked)
