"""What `savor call` was told to ask, as given: nothing is looked up before the command line itself makes sense."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from savor.server.cli.failures import Unusable

STDIN = "-"


@dataclass(frozen=True)
class CallRequest:
    """The arguments of one `savor call`."""

    model: str
    inputs: Sequence[str]
    files: Sequence[Path]
    params: Sequence[str]
    options: Sequence[str]
    rpc: str | None

    def check(self) -> None:
        """Raises Unusable for what no model could answer."""
        if not self.inputs and not self.files:
            raise Unusable("no input: give INPUT…, --file FILE, or - to read stdin")
        if self.inputs.count(STDIN) > 1:
            raise Unusable("- can be given once: stdin is read whole")

    def parameters(self) -> dict[str, Any]:
        """The pipeline's parameters. Raises Unusable for one that is no KEY=VALUE, or given twice."""
        parameters: dict[str, Any] = {}
        for key, text in key_values(self.params, "--param"):
            if key in parameters:
                raise Unusable(f"--param {key} is given twice")
            parameters[key] = _value(text)
        return parameters


def key_values(given: Sequence[str], flag: str) -> Iterator[tuple[str, str]]:
    """The keys and values of a repeated flag."""
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Unusable(f"{flag} takes KEY=VALUE, not {text!r}")
        yield key, value


def _value(text: str) -> Any:
    """JSON where it is JSON, the text itself where it is not."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(constant)
