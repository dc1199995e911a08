"""Which backend runs a model: a compiled one that was verified, or eager with the reason why not."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savor.accel import attachment, content, conversion, export, onnx
from savor.accel.backend import Backend
from savor.accel.cache import CacheUnusable
from savor.accel.compiled import CompiledBackend, compiled
from savor.accel.eager import EagerBackend
from savor.accel.export import NotCompiled, Route, first_line
from savor.accel.onnx import OnnxBackend, Runtime
from savor.accel.plan import Accel, Plan
from savor.accel.precision import PRECISIONS, Precision, of_dtype
from savor.accel.probes import probes
from savor.accel.report import Report
from savor.accel.verification import Verification
from savor.flavor.artifact import Artifact
from savor.flavor.errors import LoadRefused

_log = logging.getLogger(__name__)


Said = Callable[[str], None]
"""Told what is being done, for work that takes its time."""


def choose(artifact: Artifact, plan: Plan, said: Said = _log.info) -> tuple[Artifact, Backend]:
    """The artifact as it is to be served, with what runs it. Raises LoadRefused where the plan can't be kept.

    The given artifact is not to be used after it: a compiled model takes its place.
    """
    precision = PRECISIONS[plan.precision] if plan.precision else of_dtype(artifact.pipeline.model.dtype)
    if plan.accel is Accel.EAGER and precision.name == "int8":
        raise LoadRefused("accel is eager, but torch has no int8 here: choose accel = onnx, or another precision")
    try:
        match plan.accel:
            case Accel.EAGER:
                return artifact, EagerBackend(artifact, "accel is eager", plan.threads)
            case Accel.COMPILE:
                return _traced(artifact, plan, precision, said)
            case _:
                return _exported(artifact, plan, precision, said)
    except NotCompiled as reason:
        if plan.accel is not Accel.AUTO:
            raise LoadRefused(f"accel is {plan.accel.value}, but {reason}") from reason
        _log.warning("%s runs eager: %s", artifact.saved.path, reason)
        return artifact, EagerBackend(artifact, reason.reason, plan.threads)


def _traced(artifact: Artifact, plan: Plan, precision: Precision, said: Said) -> tuple[Artifact, Backend]:
    """The model through torch.compile, verified anew at every start: what torch compiles it keeps in its own cache."""
    if precision.name == "int8":
        raise NotCompiled("torch.compile has no int8 here: choose accel = onnx")
    said("tracing the model with torch.compile")
    verification = _verification(artifact)
    ready = compiled(artifact)
    report = _verified(verification, CompiledBackend(ready, precision.name, plan.threads), precision)
    return ready, CompiledBackend(ready, precision.name, plan.threads, report)


def _exported(artifact: Artifact, plan: Plan, precision: Precision, said: Said) -> tuple[Artifact, Backend]:
    """The model as ONNX graphs: attached to it, out of the cache, or made now."""
    route, runtime = export.route(artifact), _runtime(artifact, plan)
    _check(precision, plan, runtime)
    options = {"task": route.task, "precision": precision.name, "provider": runtime.provider}
    digests = content.Digests(plan.cache.root)
    key = content.fingerprint(artifact.saved, options, digests)
    entry = attachment.find(artifact.saved, key, digests)
    if entry is None:
        facts = {"model": str(artifact.saved.path), **options, "versions": content.versions()}
        compilation = _Compilation(artifact, route, runtime, precision, said)
        try:
            entry = plan.cache.make(key, lambda folder: {**facts, **compilation.into(folder)})
        except CacheUnusable as unusable:
            raise NotCompiled(str(unusable), unusable.reason) from unusable
    report = Report.from_dict(entry.manifest["report"])
    if not report.passed:
        raise NotCompiled(f"the compiled model differs from the eager one: {report}")
    ready = onnx.opened(artifact, entry.folder, route, runtime)
    return ready, OnnxBackend(ready, runtime, precision.name, report)


def _runtime(artifact: Artifact, plan: Plan) -> Runtime:
    device = str(artifact.pipeline.model.device)
    return Runtime(device, plan.provider or device.partition(":")[0], plan.threads, plan.cache.root / "tensorrt")


def _check(precision: Precision, plan: Plan, runtime: Runtime) -> None:
    """Raises NotCompiled for what ONNX Runtime can't run, or would run slower than torch."""
    if runtime.provider not in onnx.PROVIDERS:
        raise NotCompiled(f"models on {runtime.device} are not compiled")
    runtime.check()
    if precision.name == "bf16":
        raise NotCompiled("ONNX Runtime has no bf16 for it: choose precision = fp32 or fp16")
    if precision.name == "fp16" and runtime.provider == "cpu" and plan.accel is Accel.AUTO:
        raise NotCompiled("ONNX Runtime has fp16 for GPUs: on a CPU choose precision = fp32 or int8")


@dataclass(frozen=True)
class _Compilation:
    """An export with its verification, as the cache wants it written."""

    artifact: Artifact
    route: Route
    runtime: Runtime
    precision: Precision
    said: Said

    def into(self, folder: Path) -> Mapping[str, Any]:
        """Writes the graphs, and gives their report; of a model that is not verified nothing stays but that."""
        self.said("running the eager model on the probes")
        verification = _verification(self.artifact)
        self.said(f"exporting the model to ONNX as {self.route.task}")
        export.export(self.artifact, folder)
        if self.precision.name != "fp32":
            self.said(f"converting the graphs to {self.precision.name}")
        conversion.convert(folder, self.precision.name)
        self.said("verifying the compiled model")
        ready = onnx.opened(self.artifact, folder, self.route, self.runtime)
        report = _report(verification, OnnxBackend(ready, self.runtime, self.precision.name), self.precision)
        if not report.passed:
            for file in folder.iterdir():
                file.unlink()
        return {"report": report.to_dict()}


def _verification(artifact: Artifact) -> Verification:
    """What the eager model gives. Raises NotCompiled where nothing can be held against that."""
    calls = probes(artifact)
    if not calls:
        raise NotCompiled("it can't be verified: as it was saved, the model can read none of the probes")
    with contextlib.closing(EagerBackend(artifact)) as eager:
        try:
            return Verification(eager, calls)
        except Exception as error:
            # Options of the saved model_config that `generate` refuses, inputs that break the model's code.
            text = "it can't be verified: the eager model fails on the probes"
            raise NotCompiled(f"{text}: {first_line(error)}", text) from error


def _verified(verification: Verification, backend: Backend, precision: Precision) -> Report:
    report = _report(verification, backend, precision)
    if not report.passed:
        raise NotCompiled(f"the compiled model differs from the eager one: {report}")
    return report


def _report(verification: Verification, backend: Backend, precision: Precision) -> Report:
    try:
        return verification.compare(backend, precision)
    except Exception as error:
        # Graphs and traced code can fail with anything.
        text = "the compiled model fails"
        raise NotCompiled(f"{text}: {first_line(error)}", f"{text}: {type(error).__name__}") from error
    finally:
        backend.close()
