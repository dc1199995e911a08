from savor.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATE_UNSPECIFIED: _ClassVar[ModelState]
    MODEL_STATE_LOADING: _ClassVar[ModelState]
    MODEL_STATE_READY: _ClassVar[ModelState]
MODEL_STATE_UNSPECIFIED: ModelState
MODEL_STATE_LOADING: ModelState
MODEL_STATE_READY: ModelState

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "aliases", "uri", "state", "task", "family", "methods", "signature_json", "parameters", "unknown_parameters", "prompt_template", "model_config", "backend", "limits", "mlflow_version", "transformers_version", "inference_task", "model_card", "license", "warnings")
    class ModelConfigEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.ParamValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.ParamValue, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_JSON_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MLFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRANSFORMERS_VERSION_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_TASK_FIELD_NUMBER: _ClassVar[int]
    MODEL_CARD_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    uri: str
    state: ModelState
    task: str
    family: str
    methods: _containers.RepeatedScalarFieldContainer[str]
    signature_json: str
    parameters: _containers.RepeatedCompositeFieldContainer[ModelParameter]
    unknown_parameters: str
    prompt_template: str
    model_config: _containers.MessageMap[str, _common_pb2.ParamValue]
    backend: ModelBackend
    limits: ModelLimits
    mlflow_version: str
    transformers_version: str
    inference_task: str
    model_card: str
    license: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., uri: _Optional[str] = ..., state: _Optional[_Union[ModelState, str]] = ..., task: _Optional[str] = ..., family: _Optional[str] = ..., methods: _Optional[_Iterable[str]] = ..., signature_json: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[ModelParameter, _Mapping]]] = ..., unknown_parameters: _Optional[str] = ..., prompt_template: _Optional[str] = ..., model_config: _Optional[_Mapping[str, _common_pb2.ParamValue]] = ..., backend: _Optional[_Union[ModelBackend, _Mapping]] = ..., limits: _Optional[_Union[ModelLimits, _Mapping]] = ..., mlflow_version: _Optional[str] = ..., transformers_version: _Optional[str] = ..., inference_task: _Optional[str] = ..., model_card: _Optional[str] = ..., license: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelParameter(_message.Message):
    __slots__ = ("name", "type", "default_value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    default_value: _common_pb2.ParamValue
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., default_value: _Optional[_Union[_common_pb2.ParamValue, _Mapping]] = ...) -> None: ...

class ModelBackend(_message.Message):
    __slots__ = ("name", "device", "precision", "not_compiled_reason", "provider", "report")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    NOT_COMPILED_REASON_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    name: str
    device: str
    precision: str
    not_compiled_reason: str
    provider: str
    report: VerificationReport
    def __init__(self, name: _Optional[str] = ..., device: _Optional[str] = ..., precision: _Optional[str] = ..., not_compiled_reason: _Optional[str] = ..., provider: _Optional[str] = ..., report: _Optional[_Union[VerificationReport, _Mapping]] = ...) -> None: ...

class VerificationReport(_message.Message):
    __slots__ = ("precision", "allowed_difference", "asked_agreement", "largest_difference", "mean_difference", "agreement", "probes")
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    ASKED_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    LARGEST_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    MEAN_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    precision: str
    allowed_difference: float
    asked_agreement: float
    largest_difference: float
    mean_difference: float
    agreement: float
    probes: _containers.RepeatedCompositeFieldContainer[VerificationProbe]
    def __init__(self, precision: _Optional[str] = ..., allowed_difference: _Optional[float] = ..., asked_agreement: _Optional[float] = ..., largest_difference: _Optional[float] = ..., mean_difference: _Optional[float] = ..., agreement: _Optional[float] = ..., probes: _Optional[_Iterable[_Union[VerificationProbe, _Mapping]]] = ...) -> None: ...

class VerificationProbe(_message.Message):
    __slots__ = ("name", "largest_difference", "mean_difference", "agreement")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LARGEST_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    MEAN_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    largest_difference: float
    mean_difference: float
    agreement: float
    def __init__(self, name: _Optional[str] = ..., largest_difference: _Optional[float] = ..., mean_difference: _Optional[float] = ..., agreement: _Optional[float] = ...) -> None: ...

class ModelLimits(_message.Message):
    __slots__ = ("max_inputs", "max_text_chars", "max_tokens", "max_new_tokens", "max_sequences", "max_audio_s", "max_image_pixels")
    MAX_INPUTS_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_CHARS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    MAX_AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    max_inputs: int
    max_text_chars: int
    max_tokens: int
    max_new_tokens: int
    max_sequences: int
    max_audio_s: float
    max_image_pixels: int
    def __init__(self, max_inputs: _Optional[int] = ..., max_text_chars: _Optional[int] = ..., max_tokens: _Optional[int] = ..., max_new_tokens: _Optional[int] = ..., max_sequences: _Optional[int] = ..., max_audio_s: _Optional[float] = ..., max_image_pixels: _Optional[int] = ...) -> None: ...
