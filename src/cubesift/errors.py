"""Errors for people: what came, what was expected, what to do, in one line."""

from __future__ import annotations


class CubesiftError(Exception):
    """Something a person can mend. The command line prints it as one line and exits with 1.

    Anything else that is raised is our own bug and keeps its traceback.
    """


class BadFile(CubesiftError):
    """One file cannot be used; the others go on, and this one is listed as rejected.

    The message reads `<name>: <what came>, <what was expected>. <what to do>`.
    """


class DiskFull(CubesiftError):
    """Nothing more can be written; what was finished stays, and the same command goes on later."""


class Stale(CubesiftError):
    """An artefact was made from something else than what it is asked to be used with."""
