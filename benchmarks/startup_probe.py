"""A start of Savor taken apart, in a process of its own: `python -m benchmarks.startup_probe MODEL COMPILED ACCEL`.

It does what `savor serve` does up to the moment at which the model answers, and prints the seconds of each step as one
line of JSON: what it says while it compiles are the steps' names.
"""

import json
import sys
import time
from pathlib import Path

_BEGUN_S = time.perf_counter()


class _Steps:
    """The step that is under way, and the seconds of those before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since_s = "imports", _BEGUN_S

    def begin(self, name: str) -> None:
        """Ends the step before."""
        now_s = time.perf_counter()
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now_s - self._since_s
        self._name, self._since_s = name, now_s


def main(model: str, compiled: str, accel: str) -> None:
    """Takes one start."""
    steps = _Steps()
    import mlflow.transformers  # noqa: F401
    import torch  # noqa: F401
    import transformers.pipelines  # noqa: F401

    from savor.accel.cache import Cache
    from savor.accel.choice import choose
    from savor.accel.plan import Accel, Plan
    from savor.flavor import saved, table
    from savor.flavor.load import LoadOptions, load
    from savor.server import app  # noqa: F401
    from savor.server.cli import app as commands  # noqa: F401
    from savor.server.cli import serve  # noqa: F401
    from savor.server.loading import Opened, warm
    from savor.server.resolve import Source

    if accel != Accel.EAGER.value:
        import optimum.onnxruntime  # noqa: F401
    steps.begin("loading the weights")
    loaded = load(saved.read(Path(model)), LoadOptions(device="cpu"))
    steps.begin("opening the compiled model" if accel != Accel.EAGER.value else "choosing the backend")
    plan = Plan(Cache(Path(compiled), 1 << 40), Accel(accel), "fp32", threads=1)
    artifact, backend = choose(loaded, plan, steps.begin)
    steps.begin("warming up")
    family = table.families_of(artifact.saved.family_task, artifact.saved.inference_task)[0]
    warm(family, Opened(Source(Path(model), "probe"), artifact, backend))
    steps.begin("done")
    print(json.dumps(steps.seconds), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
