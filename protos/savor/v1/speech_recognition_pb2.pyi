from savor.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PcmEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PCM_ENCODING_UNSPECIFIED: _ClassVar[PcmEncoding]
    PCM_ENCODING_S16LE: _ClassVar[PcmEncoding]
    PCM_ENCODING_F32LE: _ClassVar[PcmEncoding]

class TimestampGranularity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIMESTAMP_GRANULARITY_UNSPECIFIED: _ClassVar[TimestampGranularity]
    TIMESTAMP_GRANULARITY_NONE: _ClassVar[TimestampGranularity]
    TIMESTAMP_GRANULARITY_SEGMENT: _ClassVar[TimestampGranularity]
    TIMESTAMP_GRANULARITY_WORD: _ClassVar[TimestampGranularity]
    TIMESTAMP_GRANULARITY_CHARACTER: _ClassVar[TimestampGranularity]
PCM_ENCODING_UNSPECIFIED: PcmEncoding
PCM_ENCODING_S16LE: PcmEncoding
PCM_ENCODING_F32LE: PcmEncoding
TIMESTAMP_GRANULARITY_UNSPECIFIED: TimestampGranularity
TIMESTAMP_GRANULARITY_NONE: TimestampGranularity
TIMESTAMP_GRANULARITY_SEGMENT: TimestampGranularity
TIMESTAMP_GRANULARITY_WORD: TimestampGranularity
TIMESTAMP_GRANULARITY_CHARACTER: TimestampGranularity

class RecognizeSpeechRequest(_message.Message):
    __slots__ = ("model", "inputs", "parameters", "timestamps")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[AudioInput]
    parameters: SpeechRecognitionParameters
    timestamps: TimestampGranularity
    def __init__(self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[AudioInput, _Mapping]]] = ..., parameters: _Optional[_Union[SpeechRecognitionParameters, _Mapping]] = ..., timestamps: _Optional[_Union[TimestampGranularity, str]] = ...) -> None: ...

class AudioInput(_message.Message):
    __slots__ = ("content", "pcm", "uri")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    PCM_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    pcm: PcmAudio
    uri: str
    def __init__(self, content: _Optional[bytes] = ..., pcm: _Optional[_Union[PcmAudio, _Mapping]] = ..., uri: _Optional[str] = ...) -> None: ...

class PcmAudio(_message.Message):
    __slots__ = ("samples", "encoding", "sample_rate_hz", "channels")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    samples: bytes
    encoding: PcmEncoding
    sample_rate_hz: int
    channels: int
    def __init__(self, samples: _Optional[bytes] = ..., encoding: _Optional[_Union[PcmEncoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...

class SpeechRecognitionParameters(_message.Message):
    __slots__ = ("language", "task", "chunk_length_s", "stride_length_s", "max_new_tokens", "num_beams", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.ParamValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.ParamValue, _Mapping]] = ...) -> None: ...
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CHUNK_LENGTH_S_FIELD_NUMBER: _ClassVar[int]
    STRIDE_LENGTH_S_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NUM_BEAMS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    language: str
    task: str
    chunk_length_s: float
    stride_length_s: float
    max_new_tokens: int
    num_beams: int
    extra: _containers.MessageMap[str, _common_pb2.ParamValue]
    def __init__(self, language: _Optional[str] = ..., task: _Optional[str] = ..., chunk_length_s: _Optional[float] = ..., stride_length_s: _Optional[float] = ..., max_new_tokens: _Optional[int] = ..., num_beams: _Optional[int] = ..., extra: _Optional[_Mapping[str, _common_pb2.ParamValue]] = ...) -> None: ...

class RecognizeSpeechResponse(_message.Message):
    __slots__ = ("results", "timing", "warnings", "model_version")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[SpeechRecognitionResult]
    timing: _common_pb2.Timing
    warnings: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    def __init__(self, results: _Optional[_Iterable[_Union[SpeechRecognitionResult, _Mapping]]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ...) -> None: ...

class SpeechRecognitionResult(_message.Message):
    __slots__ = ("text", "chunks", "audio_s")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    text: str
    chunks: _containers.RepeatedCompositeFieldContainer[SpeechChunk]
    audio_s: float
    def __init__(self, text: _Optional[str] = ..., chunks: _Optional[_Iterable[_Union[SpeechChunk, _Mapping]]] = ..., audio_s: _Optional[float] = ...) -> None: ...

class SpeechChunk(_message.Message):
    __slots__ = ("text", "start_s", "end_s")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_s: float
    end_s: float
    def __init__(self, text: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ...) -> None: ...

class StreamingRecognizeSpeechRequest(_message.Message):
    __slots__ = ("config", "samples")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    config: StreamingSpeechConfig
    samples: bytes
    def __init__(self, config: _Optional[_Union[StreamingSpeechConfig, _Mapping]] = ..., samples: _Optional[bytes] = ...) -> None: ...

class StreamingSpeechConfig(_message.Message):
    __slots__ = ("model", "encoding", "parameters", "sample_rate_hz", "channels", "timestamps", "interim_results", "pause_s")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    INTERIM_RESULTS_FIELD_NUMBER: _ClassVar[int]
    PAUSE_S_FIELD_NUMBER: _ClassVar[int]
    model: str
    encoding: PcmEncoding
    parameters: SpeechRecognitionParameters
    sample_rate_hz: int
    channels: int
    timestamps: TimestampGranularity
    interim_results: bool
    pause_s: float
    def __init__(self, model: _Optional[str] = ..., encoding: _Optional[_Union[PcmEncoding, str]] = ..., parameters: _Optional[_Union[SpeechRecognitionParameters, _Mapping]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., timestamps: _Optional[_Union[TimestampGranularity, str]] = ..., interim_results: _Optional[bool] = ..., pause_s: _Optional[float] = ...) -> None: ...

class StreamingRecognizeSpeechResponse(_message.Message):
    __slots__ = ("results", "timing", "warnings", "model_version")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[StreamingSpeechResult]
    timing: _common_pb2.Timing
    warnings: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    def __init__(self, results: _Optional[_Iterable[_Union[StreamingSpeechResult, _Mapping]]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ...) -> None: ...

class StreamingSpeechResult(_message.Message):
    __slots__ = ("text", "is_final", "start_s", "end_s", "chunks")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    text: str
    is_final: bool
    start_s: float
    end_s: float
    chunks: _containers.RepeatedCompositeFieldContainer[SpeechChunk]
    def __init__(self, text: _Optional[str] = ..., is_final: _Optional[bool] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., chunks: _Optional[_Iterable[_Union[SpeechChunk, _Mapping]]] = ...) -> None: ...
