"""What ModelService tells of the models in service: frozen dataclasses with the field names of the messages."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

ParamValue: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


class ModelState(enum.StrEnum):
    """How far a model is: on its way (fetched, loaded, warmed up), or answering."""

    LOADING = "loading"
    READY = "ready"


@dataclass(frozen=True)
class ModelParameter:
    """A parameter of the model's signature: its name, its MLflow type ("long[]" for a list) and its default."""

    name: str
    type: str
    default_value: ParamValue


@dataclass(frozen=True)
class VerificationProbe:
    """One batch that the compiled and the eager model ran: see `VerificationReport` for what is told of it."""

    name: str
    largest_difference: float
    mean_difference: float
    agreement: float


@dataclass(frozen=True)
class VerificationReport:
    """How far a compiled model is from the eager one.

    Differences are shares of the largest number in the eager model's answers; agreements are shares of equal labels and
    greedily generated tokens.
    """

    precision: str
    allowed_difference: float
    asked_agreement: float
    largest_difference: float
    mean_difference: float
    agreement: float
    probes: tuple[VerificationProbe, ...]


@dataclass(frozen=True)
class ModelBackend:
    """How a model is executed: engine, device, precision, and why it is not compiled (empty where it is).

    `provider` is ONNX Runtime's execution provider, empty for torch; `report` what the verification found of a compiled
    model.
    """

    name: str
    device: str
    precision: str
    not_compiled_reason: str = ""
    provider: str = ""
    report: VerificationReport | None = None


@dataclass(frozen=True)
class ModelLimits:
    """What a request may hold at most. `max_tokens` is 0 where the model sets no limit."""

    max_inputs: int
    max_text_chars: int
    max_tokens: int
    max_new_tokens: int
    max_sequences: int
    max_audio_s: float
    max_image_pixels: int


@dataclass(frozen=True)
class Model:
    """A saved MLflow model in service. While it is loading, only `name`, `uri` and `state` are set.

    `methods` are the full names of the RPCs that answer for it; `signature_json` is empty where it has no signature;
    `parameters` are those that requests may set, and `unknown_parameters` is what happens to any other: "drop",
    "reject" or "allow". `inference_task` is the language-model task that MLflow recorded, such as "llm/v1/chat".
    `model_card` (Markdown) and `license` were saved with the model and are told by GetModel alone; `warnings` are what
    was found at loading.
    """

    name: str = ""
    version: str = ""
    aliases: tuple[str, ...] = ()
    uri: str = ""
    state: ModelState | None = None
    task: str = ""
    family: str = ""
    methods: tuple[str, ...] = ()
    signature_json: str = ""
    parameters: tuple[ModelParameter, ...] = ()
    unknown_parameters: str = ""
    prompt_template: str = ""
    model_config: Mapping[str, ParamValue] = field(default_factory=dict)
    backend: ModelBackend | None = None
    limits: ModelLimits | None = None
    mlflow_version: str = ""
    transformers_version: str = ""
    inference_task: str = ""
    model_card: str = ""
    license: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListModelsReply:
    """All models, in the order in which the server was told to serve them."""

    models: tuple[Model, ...]


@dataclass(frozen=True)
class GetModelReply:
    """One model."""

    model: Model
