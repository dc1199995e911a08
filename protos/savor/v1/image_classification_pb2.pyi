from savor.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClassifyImageRequest(_message.Message):
    __slots__ = ("model", "inputs", "parameters", "top_k")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[ImageInput]
    parameters: ImageClassificationParameters
    top_k: int
    def __init__(self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[ImageInput, _Mapping]]] = ..., parameters: _Optional[_Union[ImageClassificationParameters, _Mapping]] = ..., top_k: _Optional[int] = ...) -> None: ...

class ImageInput(_message.Message):
    __slots__ = ("content", "uri")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    uri: str
    def __init__(self, content: _Optional[bytes] = ..., uri: _Optional[str] = ...) -> None: ...

class ImageClassificationParameters(_message.Message):
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

class ClassifyImageResponse(_message.Message):
    __slots__ = ("results", "timing", "warnings", "model_version")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImageClassificationResult]
    timing: _common_pb2.Timing
    warnings: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    def __init__(self, results: _Optional[_Iterable[_Union[ImageClassificationResult, _Mapping]]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ...) -> None: ...

class ImageClassificationResult(_message.Message):
    __slots__ = ("labels",)
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[_common_pb2.ScoredLabel]
    def __init__(self, labels: _Optional[_Iterable[_Union[_common_pb2.ScoredLabel, _Mapping]]] = ...) -> None: ...
