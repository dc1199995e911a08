"""How a saved model would be executed, as far as its files tell: compiled or not and why, and what is attached."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from savor.server.cli.facts import Fact, listed

if TYPE_CHECKING:
    from savor.accel.entry import Entry
    from savor.flavor.description import Description

_KEY_CHARS = 12


@dataclass(frozen=True)
class Attached:
    """A compiled model among a saved model's files. `state` is "ok", "of other versions" or what is wrong with it."""

    key: str
    precision: str
    provider: str
    state: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.key[:_KEY_CHARS], self.precision, self.provider, self.state)))


@dataclass(frozen=True)
class Execution:
    """What accel = auto would do. `not_compiled` is why a model runs eager, empty for one that is to be compiled."""

    not_compiled: str
    dtype: str
    attached: tuple[Attached, ...]

    def facts(self) -> Iterator[Fact]:
        """What a sheet tells of it."""
        engine = "eager" if self.not_compiled else "ONNX once it is verified, else eager"
        yield "runs on", f"{engine}, {self.dtype or 'the type of its weights'}"
        yield "not compiled", self.not_compiled
        yield "attached", listed(map(str, self.attached))

    def record(self) -> Mapping[str, Any]:
        """What JSON tells of it."""
        return {"not_compiled_reason": self.not_compiled, "attached": [asdict(each) for each in self.attached]}


def execution(described: "Description") -> Execution:
    """How a described model would be executed, the files attached to it read and checked."""
    from savor.accel import attachment

    saved = described.saved
    attached = tuple(_attached(entry) for entry in attachment.attached(saved))
    return Execution(_not_compiled(described), saved.dtype, attached)


def _not_compiled(described: "Description") -> str:
    from savor.accel.export import NotCompiled, route
    from savor.flavor.artifact import Artifact

    saved = described.saved
    if saved.dtype == "bfloat16":
        return "ONNX Runtime has no bf16 for it: --precision fp32 compiles it"
    try:
        route(Artifact(saved, SimpleNamespace(task=saved.task, type=""), described.config, encoder=None))
    except NotCompiled as reason:
        return str(reason)
    return ""


def _attached(entry: "Entry") -> Attached:
    from savor.accel.content import versions
    from savor.accel.entry import Damaged

    try:
        manifest = entry.manifest
        entry.check()
    except Damaged as damage:
        return Attached(entry.key, "", "", f"damaged: {damage}")
    state = "ok" if manifest.get("versions") == versions() else "of other versions"
    return Attached(entry.key, manifest.get("precision", ""), manifest.get("provider", ""), state)
