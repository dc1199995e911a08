"""Triton out of the nvidia-pytriton wheel, whose only backend is Python: ONNX Runtime in its model.py, over gRPC."""

import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.environments import Environment
from benchmarks.peers.target import Launch, PeerTarget
from benchmarks.servers.inference import MODEL, Dialect, InferenceCalls, columns


def _stub_in_place(packages: Path) -> None:
    """Puts the program that runs a model.py where the backend looks for it: the wheel has one for each Python."""
    home = packages / "pytriton" / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(home / "python_backend_stubs" / version / "triton_python_backend_stub", home / "backends" / "python")


ENVIRONMENT = Environment(
    "triton",
    [["nvidia-pytriton==0.7.0", "onnxruntime==1.32.0", "tokenizers==0.22.2", "numpy==1.26.4"]],
    _stub_in_place,
)
_PROGRAMS = Path(__file__).parent / "programs"
_LARGEST_BATCH = 32
_CONFIG = """\
name: "{model}"
backend: "python"
max_batch_size: {largest}
input [{{ name: "TEXT", data_type: TYPE_STRING, dims: [1] }}]
output [{{ name: "LABEL", data_type: TYPE_STRING, dims: [1] }}, {{ name: "SCORE", data_type: TYPE_FP32, dims: [1] }}]
instance_group [{{ count: 1, kind: KIND_CPU }}]
parameters {{ key: "folder", value: {{ string_value: "{graph}" }} }}
{batching}
"""
# Texts are elements of one shape, whatever their length: requests need no ragged batching to run together.
_BATCHING = "dynamic_batching { }"


def targets(graph: Path, scratch: Path) -> Sequence[PeerTarget]:
    """Triton without and with its dynamic batching."""
    return [
        _target("Triton Python backend", graph, scratch / "triton", ""),
        _target("Triton Python backend, dynamic batching", graph, scratch / "triton-batching", _BATCHING),
    ]


def _target(name: str, graph: Path, scratch: Path, batching: str) -> PeerTarget:
    repository = _repository(graph, scratch / "repository", batching)
    home = ENVIRONMENT.packages / "pytriton" / "tritonserver"
    environment = {
        # The backend's stub is linked with the interpreter's library, which is not where the linker looks.
        "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR")),
        "PATH": f"{ENVIRONMENT.folder / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(ENVIRONMENT.packages),
    }

    def launch(port: int) -> Launch:
        server = [str(home / "bin" / "tritonserver"), "--model-repository", str(repository)]
        backends = ["--backend-directory", str(home / "backends")]
        doors = ["--allow-http=false", "--allow-metrics=false", "--grpc-address=127.0.0.1", f"--grpc-port={port}"]
        return Launch([*server, *backends, *doors], environment)

    dialect = Dialect("TEXT", columns, columns=(1,))
    return PeerTarget(name, launch, lambda address: InferenceCalls(address, dialect), scratch / "triton.log")


def _repository(graph: Path, folder: Path, batching: str) -> Path:
    version = folder / MODEL / "1"
    version.mkdir(parents=True, exist_ok=True)
    shutil.copy(_PROGRAMS / "triton_model.py", version / "model.py")
    shutil.copy(_PROGRAMS / "classifier.py", version / "classifier.py")
    config = _CONFIG.format(model=MODEL, largest=_LARGEST_BATCH, graph=graph, batching=batching)
    (folder / MODEL / "config.pbtxt").write_text(config)
    return folder
