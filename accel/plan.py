"""What an operator asks of a model's execution."""

from dataclasses import dataclass
from enum import Enum

from savor.accel.cache import Cache
from savor.accel.precision import PRECISIONS


class Accel(Enum):
    """How a model is to be executed."""

    AUTO = "auto"
    ONNX = "onnx"
    COMPILE = "compile"
    EAGER = "eager"


@dataclass(frozen=True)
class Plan:
    """What the operator asks for: how a model is executed, and where compiled ones are kept.

    `precision` None means that of the loaded weights, `provider` None that of the device, `threads` None those of the
    process.
    """

    cache: Cache
    accel: Accel = Accel.AUTO
    precision: str | None = None
    provider: str | None = None
    threads: int | None = None

    @property
    def dtype(self) -> str | None:
        """The torch type that the weights are to be loaded in, None for their own."""
        return PRECISIONS[self.precision].dtype if self.precision else None
