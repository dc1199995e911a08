"""ModelService: what is served, told from the models in service as they are at that moment."""

import asyncio
import json
from dataclasses import asdict
from typing import Any

from savor.accel.report import Report
from savor.codec import to_param_value
from savor.flavor import papers
from savor.flavor.description import Parameter, parameters
from savor.server import status
from savor.server.models import Loaded, ModelInService, Models
from savor.server.service import Context
from savor.v1 import model_pb2, model_pb2_grpc


class ModelService(model_pb2_grpc.ModelServiceServicer):
    """Answers ListModels and GetModel."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(  # noqa: N802
        self, request: model_pb2.ListModelsRequest, context: Context
    ) -> model_pb2.ListModelsResponse:
        """Every model, in the order of the settings."""
        return model_pb2.ListModelsResponse(models=[describe(entry) for entry in self._models.entries])

    async def GetModel(  # noqa: N802
        self, request: model_pb2.GetModelRequest, context: Context
    ) -> model_pb2.GetModelResponse:
        """One model."""
        try:
            return model_pb2.GetModelResponse(model=await asyncio.to_thread(in_full, self._models.find(request.model)))
        except Exception as error:
            await status.abort(context, error)


def describe(entry: ModelInService) -> model_pb2.Model:
    """A model as callers are told of it."""
    model = model_pb2.Model(name=entry.name, uri=entry.settings.uri, state=model_pb2.MODEL_STATE_LOADING)
    if entry.loaded is not None:
        model.state = model_pb2.MODEL_STATE_READY
        model.MergeFrom(_loaded(entry, entry.loaded))
    return model


def in_full(entry: ModelInService) -> model_pb2.Model:
    """A model with its papers, which are read from where it was loaded."""
    model = describe(entry)
    if entry.loaded is not None:
        saved = entry.loaded.artifact.saved
        model.MergeFrom(model_pb2.Model(model_card=papers.model_card(saved), license=papers.license_text(saved)))
    return model


def _loaded(entry: ModelInService, loaded: Loaded) -> model_pb2.Model:
    saved = loaded.artifact.saved
    backend = loaded.pump.backend.info
    return model_pb2.Model(
        version=entry.version,
        aliases=entry.aliases,
        task=saved.task,
        family=loaded.families[0].name,
        methods=[f"savor.v1.{rpc}" for rpc in loaded.rpcs],
        signature_json=json.dumps(saved.signature.to_dict()) if saved.signature is not None else "",
        parameters=[_parameter(each) for each in parameters(saved)],
        unknown_parameters=loaded.artifact.unknown_params.value,
        prompt_template=saved.prompt_template or "",
        model_config={str(key): _value(value) for key, value in loaded.artifact.config.items()},
        backend=model_pb2.ModelBackend(
            name=backend.name,
            device=backend.device,
            precision=backend.precision,
            not_compiled_reason=backend.not_compiled_reason,
            provider=backend.provider,
            report=_report(backend.report),
        ),
        limits=_limits(loaded),
        mlflow_version=saved.mlflow_version,
        transformers_version=saved.transformers_version,
        inference_task=saved.inference_task,
        warnings=saved.findings,
    )


def _report(report: Report | None) -> model_pb2.VerificationReport | None:
    if report is None:
        return None
    return model_pb2.VerificationReport(
        precision=report.precision,
        allowed_difference=report.tolerance.difference,
        asked_agreement=report.tolerance.agreement,
        largest_difference=report.largest_difference,
        mean_difference=report.mean_difference,
        agreement=report.agreement,
        probes=[model_pb2.VerificationProbe(**asdict(each)) for each in report.probes],
    )


def _parameter(parameter: Parameter) -> model_pb2.ModelParameter:
    return model_pb2.ModelParameter(name=parameter.name, type=parameter.type, default_value=_value(parameter.default))


def _value(value: Any) -> Any:
    """A parameter value; what a saved model_config may hold beyond them (dates, tuples of objects) is shown as text."""
    try:
        return to_param_value(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError):
        return to_param_value(str(value))


def _limits(loaded: Loaded) -> model_pb2.ModelLimits:
    limits, encoder = loaded.artifact.limits, loaded.artifact.encoder
    return model_pb2.ModelLimits(
        max_inputs=limits.max_inputs,
        max_text_chars=limits.max_text_chars,
        max_tokens=(encoder.max_tokens if encoder else None) or 0,
        max_new_tokens=limits.max_new_tokens,
        max_sequences=limits.max_sequences,
        max_audio_s=limits.max_audio_s,
        max_image_pixels=limits.max_image_pixels,
    )
