"""Ways of running a model, each measured in a process of its own: one that fails or hangs takes no other with it.

Memory is then its own too, and the threads are those that a server would take.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from savor.accel.plan import Accel

_HANGS_S = 900.0
_PROGRAM = "from savor.server.tuning import main; main()"


@dataclass(frozen=True)
class Work:
    """What is to be measured: settings as `Settings` takes them, with one model, on these texts.

    Without texts those of its input example are taken, or the probes'. In no `seconds` it is only made ready.
    """

    settings: Mapping[str, Any]
    texts: Sequence[str] = ()
    seconds: float = 5.0


@dataclass(frozen=True)
class Measured:
    """What was found. `memory_bytes` is what the process took while it served."""

    items_per_s: float
    tokens_per_s: float
    alone_s: float
    memory_bytes: int
    report: Mapping[str, Any] = field(default_factory=dict)
    """How far it is from the eager model in float32, as `Report.to_dict` tells it; empty for that model itself."""


class NotMeasured(Exception):
    """A way that does not run here. The text says why."""


def apart(work: Work) -> Measured:
    """Measures in a process of its own. Raises NotMeasured."""
    if work.settings["models"][0]["accel"] == Accel.ONNX.value:
        # In a process before: what exporting takes of memory is not what serving takes.
        _child({**asdict(work), "seconds": 0.0})
    return Measured(**_child(asdict(work)))


def _child(work: Mapping[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROGRAM]
    try:
        ran = subprocess.run(command, input=json.dumps(work), capture_output=True, text=True, timeout=_HANGS_S)
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"it was not done after {_HANGS_S / 60:.0f} minutes") from None
    answer: dict[str, Any] = json.loads(ran.stdout.rpartition("\n")[2] or "{}")
    if "refused" in answer:
        raise NotMeasured(answer["refused"])
    if ran.returncode or not answer:
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotMeasured(f"its process ended with status {ran.returncode}: {last[:200]}")
    return answer


def main() -> None:
    """What runs in that process: work as JSON on stdin, what was found as the last line of stdout."""
    from savor.server.cli.serve import prepare_process
    from savor.server.settings import read_settings

    work = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr
    settings = read_settings(None, work["settings"])
    prepare_process(settings)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    # Only now: these load torch, which reads its variables then.
    from savor.accel.export import NotCompiled
    from savor.flavor.errors import LoadRefused
    from savor.server.measuring import measured

    try:
        answer = asdict(measured(settings, work["texts"], work["seconds"]))
    except LoadRefused as refused:
        answer = {"refused": str(_reason(refused, (LoadRefused, NotCompiled)))}
    answers.write("\n" + json.dumps(answer))
    answers.flush()


def _reason(error: BaseException, clear: tuple[type[Exception], ...]) -> BaseException:
    """The first of errors that followed from each other, as far back as they are written to be read."""
    while isinstance(error.__cause__, clear):
        error = error.__cause__
    return error
