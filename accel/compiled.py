"""The torch.compile backend: the eager model with a forward pass that torch's own compiler made, for any shape."""

import copy
from dataclasses import replace

import torch

from savor.accel.eager import EagerBackend
from savor.accel.report import Report
from savor.flavor.artifact import Artifact


def compiled(artifact: Artifact) -> Artifact:
    """The artifact with a pipeline whose model shares the weights, and compiles its forward pass at first use."""
    pipeline = copy.copy(artifact.pipeline)
    model = copy.copy(pipeline.model)
    model.forward = torch.compile(model.forward, dynamic=True)
    pipeline.model = model
    return replace(artifact, pipeline=pipeline)


class CompiledBackend(EagerBackend):
    """Runs an artifact that `compiled` gave."""

    def __init__(
        self, artifact: Artifact, precision: str, threads: int | None = None, report: Report | None = None
    ) -> None:
        super().__init__(artifact, threads=threads)
        self.info = replace(self.info, name="compile", precision=precision, report=report)
