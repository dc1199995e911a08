"""Which peers there are, and what of them can be measured here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import mlserver, ray, triton
from benchmarks.peers.environments import Environment, SetUpFailed
from benchmarks.peers.graph import export
from benchmarks.servers.mlflow import MlflowTarget
from benchmarks.servers.target import Target
from benchmarks.subject import CACHE

Targets = Callable[[Path, Path], Sequence[Target]]
"""What serves a saved model, given its folder and one for logs: without batching, and with where there is one."""


@dataclass(frozen=True)
class Peer:
    """A server that users have today. `environment` is None for one in the interpreter's own."""

    name: str
    targets: Targets
    environment: Environment | None = None
    grpc: bool = True
    everywhere: bool = False
    """Whether it listens on all addresses and can't be told not to."""

    def reason(self, alone: bool) -> str | None:
        """Why it can't be measured, None where it can. `alone` says whether this network has only loopback."""
        if self.everywhere and not alone:
            return "listens on all addresses, and this process may not make a network of its own for it (unshare)"
        try:
            if self.environment is not None:
                self.environment.check()
        except SetUpFailed as reason:
            return str(reason)
        return None


def _mlflow(model: Path, scratch: Path) -> Sequence[Target]:
    return [MlflowTarget(model, scratch / "mlflow.log")]


def _triton(model: Path, scratch: Path) -> Sequence[Target]:
    return triton.targets(export(model, CACHE / "graph"), scratch)


def _ray(model: Path, scratch: Path) -> Sequence[Target]:
    return ray.targets(export(model, CACHE / "graph"), scratch)


PEERS: Sequence[Peer] = (
    Peer("mlflow models serve", _mlflow, grpc=False),
    Peer("MLServer-mlflow", mlserver.mlflow_targets, mlserver.MLFLOW),
    Peer("MLServer-huggingface (optimum)", mlserver.optimum_targets, mlserver.OPTIMUM),
    Peer("Triton Python backend", _triton, triton.ENVIRONMENT),
    Peer("Ray Serve", _ray, ray.ENVIRONMENT, everywhere=True),
)


def set_up(said: Callable[[str], None]) -> dict[str, str]:
    """Makes every environment that is missing; gives the reasons of those that could not be made, by peer."""
    reasons = {}
    for peer in PEERS:
        try:
            if peer.environment is not None:
                peer.environment.set_up(said)
        except SetUpFailed as reason:
            reasons[peer.name] = str(reason)
    return reasons
