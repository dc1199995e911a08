"""MLServer over gRPC: its Hugging Face runtime with an export through optimum, and its MLflow runtime.

Releases ended in 2025: a fresh installation runs with nothing of today, so that three places of it are mended; a fourth
keeps it to the threads that all servers have.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import Environment
from benchmarks.peers.target import Launch, PeerTarget
from benchmarks.process import HOST, free_port
from benchmarks.servers.inference import MODEL, Dialect, InferenceCalls, columns, json_objects

PATCHES: Sequence[tuple[str, str, str]] = (
    # transformers 4.42 took its conversations away.
    *(
        (
            f"mlserver_huggingface/codecs/{file}.py",
            "from transformers.pipelines import Conversation\n",
            'Conversation = type("Conversation", (), {})\n',
        )
        for file in ("conversation", "utils")
    ),
    # torch 2.9 moved what optimum imports of it, and exports another way unless told not to.
    (
        "optimum/exporters/onnx/model_patcher.py",
        "from torch.onnx.symbolic_opset14 import (",
        "from torch.onnx._internal.torchscript_exporter.symbolic_opset14 import (",
    ),
    (
        "optimum/exporters/onnx/convert.py",
        "                opset_version=opset,\n            )\n\n        # check",
        "                opset_version=opset,\n                dynamo=False,\n            )\n\n        # check",
    ),
    # ONNX Runtime counts the machine's cores, not its own, and places threads on them whatever they are pinned to.
    (
        "onnxruntime/capi/onnxruntime_inference_collection.py",
        "        self._sess_options = sess_options\n        self._sess_options_initial = sess_options\n",
        "        self._sess_options = self._sess_options_initial = sess_options or C.SessionOptions()\n"
        "        self._sess_options.intra_op_num_threads = int(os.environ['OMP_NUM_THREADS'])\n",
    ),
)


def mend(packages: Path) -> None:
    """Makes the installation run; raises ValueError where a file is not what was expected."""
    for name, old, new in PATCHES:
        text = (packages / name).read_text()
        if old not in text and new not in text:
            raise ValueError(f"{name} has no {old.strip()!r}")
        (packages / name).write_text(text.replace(old, new))


_TORCH = ["torch==2.13.0"]
# With uvloop 0.22 its processes end as soon as they have started.
_SERVER = ["mlserver==1.7.1", "uvloop==0.21.0"]
OPTIMUM = Environment(
    "mlserver-huggingface",
    # Its torch first: any other resolution may draw several GB of CUDA packages in.
    [_TORCH, [*_TORCH, *_SERVER, "mlserver-huggingface==1.7.1", "transformers==4.53.3", "optimum==1.27.0"]],
    mend,
)
MLFLOW = Environment(
    "mlserver-mlflow",
    [_TORCH, [*_TORCH, *_SERVER, "mlserver-mlflow==1.7.1", "mlflow==3.17.2", "transformers==4.57.6", "pandas<3"]],
)

_LARGEST_BATCH, _LONGEST_WAIT_S = 32, 0.002
_BATCHING = {"max_batch_size": _LARGEST_BATCH, "max_batch_time": _LONGEST_WAIT_S}


def optimum_targets(model: Path, scratch: Path) -> Sequence[PeerTarget]:
    """mlserver-huggingface on ONNX Runtime, without and with its adaptive batching."""
    settings = {
        "implementation": "mlserver_huggingface.HuggingFaceRuntime",
        "parameters": {
            "extra": {
                "task": "text-classification",
                "pretrained_model": str(model / "model"),
                "pretrained_tokenizer": str(model / "components" / "tokenizer"),
                "optimum_model": True,
                "framework": "pt",
            }
        },
    }
    dialect = Dialect("array_inputs", json_objects, tensor_parameters={"content_type": "str"})
    return _both("MLServer-huggingface (optimum)", OPTIMUM, settings, dialect, scratch)


def mlflow_targets(model: Path, scratch: Path) -> Sequence[PeerTarget]:
    """mlserver-mlflow, without and with its adaptive batching."""
    settings = {"implementation": "mlserver_mlflow.MLflowRuntime", "parameters": {"uri": str(model)}}
    # Of the request, because the runtime would make a frame of it, which the pipeline refuses.
    dialect = Dialect("inputs", columns, request_parameters={"content_type": "str"})
    return _both("MLServer-mlflow", MLFLOW, settings, dialect, scratch)


def _both(
    name: str, environment: Environment, settings: Mapping[str, Any], dialect: Dialect, scratch: Path
) -> Sequence[PeerTarget]:
    def connect(address: str) -> InferenceCalls:
        return InferenceCalls(address, dialect)

    variants: Sequence[tuple[str, Mapping[str, Any]]] = ((name, {}), (f"{name}, adaptive batching", _BATCHING))
    return [
        PeerTarget(
            title, _launcher(environment, {**settings, **more}, scratch / title), connect, scratch / title / "log"
        )
        for title, more in variants
    ]


def _launcher(environment: Environment, settings: Mapping[str, Any], folder: Path) -> Callable[[int], Launch]:
    def launch(port: int) -> Launch:
        folder.mkdir(parents=True, exist_ok=True)
        # One process: a worker of its own for the model would only compete with it for the core.
        server = {
            "host": HOST,
            "grpc_port": port,
            "http_port": free_port(),
            "metrics_endpoint": None,
            "parallel_workers": 0,
            "debug": False,
        }
        (folder / "settings.json").write_text(json.dumps(server))
        (folder / "model-settings.json").write_text(json.dumps({"name": MODEL, **settings}))
        return Launch([environment.program("mlserver"), "start", str(folder)], {"CUDA_VISIBLE_DEVICES": ""})

    return launch
