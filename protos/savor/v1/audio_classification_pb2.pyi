from savor.v1 import common_pb2 as _common_pb2
from savor.v1 import speech_recognition_pb2 as _speech_recognition_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClassifyAudioRequest(_message.Message):
    __slots__ = ("model", "inputs", "parameters", "top_k")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[_speech_recognition_pb2.AudioInput]
    parameters: AudioClassificationParameters
    top_k: int
    def __init__(self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[_speech_recognition_pb2.AudioInput, _Mapping]]] = ..., parameters: _Optional[_Union[AudioClassificationParameters, _Mapping]] = ..., top_k: _Optional[int] = ...) -> None: ...

class AudioClassificationParameters(_message.Message):
    __slots__ = ("function_to_apply", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.ParamValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.ParamValue, _Mapping]] = ...) -> None: ...
    FUNCTION_TO_APPLY_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    function_to_apply: str
    extra: _containers.MessageMap[str, _common_pb2.ParamValue]
    def __init__(self, function_to_apply: _Optional[str] = ..., extra: _Optional[_Mapping[str, _common_pb2.ParamValue]] = ...) -> None: ...

class ClassifyAudioResponse(_message.Message):
    __slots__ = ("results", "timing", "warnings", "model_version")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AudioClassificationResult]
    timing: _common_pb2.Timing
    warnings: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    def __init__(self, results: _Optional[_Iterable[_Union[AudioClassificationResult, _Mapping]]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ...) -> None: ...

class AudioClassificationResult(_message.Message):
    __slots__ = ("labels",)
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[_common_pb2.ScoredLabel]
    def __init__(self, labels: _Optional[_Iterable[_Union[_common_pb2.ScoredLabel, _Mapping]]] = ...) -> None: ...
