"""How a command that fails says so: one clear message with the next step, an exit status, and never a traceback."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from savor.client import (
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    Other,
    Overloaded,
    SavorError,
    Unavailable,
    WrongFamily,
)
from savor.server.cli.screen import fail

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


class Unusable(Exception):
    """What the caller gave can't be used; the text says what to give instead."""


class NotNow(Exception):
    """The call can't be made as things are; the text says what to do."""


@contextmanager
def reporting(server: str) -> Iterator[None]:
    """Turns every failure within into a message and an exit status."""
    try:
        yield
    except Unusable as error:
        fail(str(error), _USAGE)
    except NotNow as error:
        fail(str(error), _FAILED)
    except SavorError as error:
        fail(_EXPLAINED.get(type(error), _said)(error, server), _FAILED)
    except UnicodeEncodeError:
        # What a shell passes on need not be text: Python keeps such bytes as lone surrogates.
        fail("an argument is not UTF-8 text", _USAGE)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _said(error: SavorError, _server: str) -> str:
    return str(error)


def _unavailable(error: Unavailable, server: str) -> str:
    if error.reason:
        return f"{error.message}\n`savor models -s {server}` shows how far the models are"
    hint = f"no server at {server}: start one with `savor serve …` or give --server"
    return f"{hint}\n({error.message}; a server with TLS wants --ca)"


def _fields(error: InvalidArgument, _server: str) -> str:
    if not error.violations:
        return f"the server refuses the request: {error.message}"
    return "\n  ".join(
        ["the server refuses the request:", *(f"{each.field}: {each.description}" for each in error.violations)]
    )


def _not_found(error: NotFound, server: str) -> str:
    return f"{error.message}\n`savor models -s {server}` lists what is served"


def _wrong_family(error: WrongFamily, server: str) -> str:
    return f"{error.message}\n`savor models MODEL -s {server}` lists a model's RPCs"


def _overloaded(error: Overloaded, _server: str) -> str:
    after_s = error.retry_after_s
    return error.message if after_s is None else f"{error.message}\ntry again in {after_s:.1f} s"


def _too_late(error: DeadlineExceeded, _server: str) -> str:
    return f"no answer in time: give it longer with --timeout SECONDS\n({error.message})"


def _other(error: Other, server: str) -> str:
    question = f"\nis it a Savor server that listens at {server}?" if error.code == "UNIMPLEMENTED" else ""
    return f"{error}{question}"


_EXPLAINED: Mapping[type[SavorError], Callable[[Any, str], str]] = {
    Unavailable: _unavailable,
    InvalidArgument: _fields,
    NotFound: _not_found,
    WrongFamily: _wrong_family,
    Overloaded: _overloaded,
    DeadlineExceeded: _too_late,
    Other: _other,
}
