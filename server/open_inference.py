"""The Open Inference Protocol on the exact door: tensors in, tensors out, for clients of KServe and Triton.

Tensors go through the same queue as every other call, to MLflow's own model. Errors are gRPC statuses as everywhere.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

from savor.flavor import tensors
from savor.flavor.artifact import Artifact
from savor.flavor.errors import NotReady
from savor.flavor.item import Prepared
from savor.oip import open_inference_pb2 as pb
from savor.oip import open_inference_pb2_grpc
from savor.server import status, tensor_wire
from savor.server.models import ModelInService, Models
from savor.server.service import Context, FamilyService

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name


class OpenInference(open_inference_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers the protocol's RPCs for the models in service. `is_ready` says whether all of them answer."""

    def __init__(self, models: Models, families: FamilyService, is_ready: Callable[[], bool]) -> None:
        self._models = models
        self._families = families
        self._is_ready = is_ready

    async def ServerLive(  # noqa: N802
        self, request: pb.ServerLiveRequest, context: Context
    ) -> pb.ServerLiveResponse:
        """Whether the server lives."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(  # noqa: N802
        self, request: pb.ServerReadyRequest, context: Context
    ) -> pb.ServerReadyResponse:
        """Whether every model answers."""
        return pb.ServerReadyResponse(ready=self._is_ready())

    async def ServerMetadata(  # noqa: N802
        self, request: pb.ServerMetadataRequest, context: Context
    ) -> pb.ServerMetadataResponse:
        """What the server is."""
        return pb.ServerMetadataResponse(name="savor", version=version("savor"))

    async def ModelReady(  # noqa: N802
        self, request: pb.ModelReadyRequest, context: Context
    ) -> pb.ModelReadyResponse:
        """Whether a model answers."""
        try:
            return pb.ModelReadyResponse(ready=self._find(request.name, request.version).loaded is not None)
        except NotReady:
            return pb.ModelReadyResponse(ready=False)
        except Exception as error:
            await status.abort(context, error)

    async def ModelMetadata(  # noqa: N802
        self, request: pb.ModelMetadataRequest, context: Context
    ) -> pb.ModelMetadataResponse:
        """What a model takes and gives."""
        try:
            entry = self._find(request.name, request.version)
            artifact = entry.ready().artifact
        except Exception as error:
            await status.abort(context, error)
        versions = (other.version for other in self._models.entries if other.name == entry.name and other.loaded)
        return pb.ModelMetadataResponse(
            name=entry.name,
            versions=[name for name in versions if name],
            platform="mlflow_transformers",
            inputs=map(_metadata, tensors.inputs_of(artifact)),
            outputs=map(_metadata, tensors.outputs_of(artifact)),
        )

    async def ModelInfer(  # noqa: N802
        self, request: pb.ModelInferRequest, context: Context
    ) -> pb.ModelInferResponse:
        """Runs a model."""
        name = _selected(request.model_name, request.model_version)
        response, entry = await self._families.call_model(name, lambda artifact: _prepare(request, artifact), context)
        response.id, response.model_name, response.model_version = request.id, entry.name, entry.version
        assert isinstance(response, pb.ModelInferResponse)
        return response

    def _find(self, name: str, version: str) -> ModelInService:
        return self._models.find(_selected(name, version))


def _selected(name: str, version: str) -> str:
    return f"{name}@{version}" if version else name


def _metadata(spec: tensors.TensorSpec) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=tensor_wire.datatype(spec.dtype), shape=spec.shape
    )


def _prepare(request: pb.ModelInferRequest, artifact: Artifact) -> Prepared:
    """Reads the tensors, and writes those that come back."""
    prepared = tensors.prepare(tensor_wire.read(request), tensor_wire.parameters(request), artifact)
    return replace(prepared, decode=lambda rows: tensor_wire.response(prepared.decode(rows), request))
