"""Ray Serve with ONNX Runtime in its deployment, over gRPC."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.environments import Environment
from benchmarks.peers.target import Launch, PeerTarget
from benchmarks.servers.typed import TypedCalls

ENVIRONMENT = Environment(
    "ray", [["ray[serve]==2.60.0", "onnxruntime==1.32.0", "tokenizers==0.22.2", "numpy==2.4.6", "protobuf==6.33.6"]]
)
_PROGRAMS = Path(__file__).parent / "programs"
_PROTOS = Path(__file__).parents[2] / "protos"


def targets(graph: Path, scratch: Path) -> Sequence[PeerTarget]:
    """Ray Serve without and with @serve.batch."""
    return [
        _target("Ray Serve", graph, scratch / "ray.log", "no"),
        _target("Ray Serve, @serve.batch", graph, scratch / "ray-batching.log", "yes"),
    ]


def _target(name: str, graph: Path, log: Path, batched: str) -> PeerTarget:
    environment = {
        "PYTHONPATH": f"{_PROGRAMS}:{_PROTOS}",
        "PATH": f"{ENVIRONMENT.folder / 'bin'}:/usr/bin:/bin",
        "RAY_USAGE_STATS_ENABLED": "0",
    }

    def launch(port: int) -> Launch:
        program = [ENVIRONMENT.program("python"), str(_PROGRAMS / "ray_app.py")]
        return Launch([*program, str(graph), str(port), batched], environment)

    return PeerTarget(name, launch, TypedCalls, log)
