"""automatic-speech-recognition: recordings to text, with the times of segments, words or characters on request.

Cutting into pieces and joining their texts are transformers' own steps (AutomaticSpeechRecognitionPipeline's preprocess
and postprocess); in between, each piece is an item that runs in our batches.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any

import numpy as np

from savor.flavor import audio, generation, uri, whisper
from savor.flavor.artifact import Artifact
from savor.flavor.audio import PcmAudio, PcmEncoding, Samples
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.family import Family, Method
from savor.flavor.item import Item, Prepared, Row, as_row, step

_LONGEST_PIECE_S = 3600
_ENCODED_BYTES_PER_S = 400_000
"""More than any common encoding needs: 16-bit stereo at 96 kHz takes 384,000."""


class TimestampGranularity(Enum):
    """How finely results say when something was spoken; the values are transformers' return_timestamps."""

    NONE = None
    SEGMENT = True
    WORD = "word"
    CHARACTER = "char"


@dataclass(frozen=True)
class AudioInput:
    """One recording: exactly one of the fields is set."""

    content: bytes | None = None
    pcm: PcmAudio | None = None
    uri: str | None = None


@dataclass(frozen=True)
class RecognizeSpeechRequest:
    """Recordings to write down."""

    inputs: tuple[AudioInput, ...]
    parameters: Mapping[str, Any]
    timestamps: TimestampGranularity | None = None


@dataclass(frozen=True)
class SpeechChunk:
    """A piece of text with its time in seconds; `end_s` is None where the recording ends within it."""

    text: str
    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class SpeechRecognitionResult:
    """The text of one recording, as the model gave it."""

    text: str
    chunks: tuple[SpeechChunk, ...]
    audio_s: float


@dataclass(frozen=True)
class RecognizeSpeechResponse:
    """One result for each input."""

    results: tuple[SpeechRecognitionResult, ...]


@dataclass(frozen=True)
class _Options:
    """A call's options, split as the pipeline splits them."""

    cutting: Mapping[str, Any]
    forward: Mapping[str, Any]
    joining: Mapping[str, Any]


@dataclass(frozen=True)
class _Recording:
    """One recording's pieces: the model's inputs, and the stride by which neighbours overlap."""

    pieces: tuple[Row, ...]
    strides: tuple[tuple[int, int, int] | None, ...]
    audio_s: float


def prepare(request: RecognizeSpeechRequest, artifact: Artifact) -> Prepared:
    """Decodes each recording and cuts it as transformers' pipeline does."""
    artifact.limits.check_inputs(request.inputs)
    options, warnings = artifact.options(request.parameters)
    if request.timestamps is not None:
        options["return_timestamps"] = request.timestamps.value
    _check_cutting(options)
    nested = request.parameters.get("generate_kwargs")
    asked = {*request.parameters, *(nested if isinstance(nested, Mapping) else ())}
    split = _split(options, asked, artifact)
    recordings = tuple(
        _cut(_samples(given, f"inputs[{i}]", artifact), split, f"inputs[{i}]", artifact)
        for i, given in enumerate(request.inputs)
    )
    items = tuple(_item(piece, split, artifact) for recording in recordings for piece in recording.pieces)
    return Prepared(items, _Joining(recordings, split.joining, artifact), warnings)


def _split(options: Mapping[str, Any], asked: Collection[str], artifact: Artifact) -> _Options:
    pipe = artifact.pipeline
    ours = ("batch_size", "num_workers", "ignore_warning")
    options = {key: value for key, value in options.items() if key not in ours}
    try:
        cutting, forward, joining = pipe._sanitize_parameters(ignore_warning=True, **options)
    except (ValueError, TypeError) as error:
        raise InvalidInput.at("timestamps", str(error)) from None
    generating = {key: value for key, value in forward.items() if key != "return_timestamps"}
    _check_generation(generating, asked, artifact)
    return _Options({**pipe._preprocess_params, **cutting}, {**pipe._forward_params, **forward}, joining)


def _check_cutting(options: Mapping[str, Any]) -> None:
    """Pieces shorter than a second would make thousands of items of one recording."""
    length, stride = options.get("chunk_length_s"), options.get("stride_length_s")
    # 0 is transformers' word for no cutting.
    if length is not None and length != 0 and not (_seconds(length) and 1 <= length <= _LONGEST_PIECE_S):
        problem = f"is {length!r:.80}; it must be in [1, {_LONGEST_PIECE_S}] seconds"
        raise InvalidInput.at("parameters.chunk_length_s", problem)
    sides = stride if isinstance(stride, list | tuple) else [stride, stride]
    if stride is not None and not (len(sides) == 2 and all(map(_seconds, sides))):
        raise InvalidInput.at("parameters.stride_length_s", "must be seconds of 0 or more, or two of them")


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _check_generation(options: Mapping[str, Any], asked: Collection[str], artifact: Artifact) -> None:
    pipe = artifact.pipeline
    if pipe.type.startswith("ctc"):
        if options:
            raise UnsupportedParameter.at("parameters", f"a CTC model does not take {', '.join(sorted(options))}")
        return
    own = whisper.OPTIONS if pipe.type == "seq2seq_whisper" else {}
    common = {key: value for key, value in options.items() if key not in own}
    generation.settle(common, pipe.generation_config, artifact.limits, asked)
    if own:
        whisper.check(options, pipe.generation_config)


def _samples(given: AudioInput, field: str, artifact: Artifact) -> Samples:
    rate_hz, limits = artifact.pipeline.feature_extractor.sampling_rate, artifact.limits
    if given.pcm is not None:
        return audio.from_pcm(given.pcm, rate_hz, limits.max_audio_s, f"{field}.pcm")
    if given.content is not None:
        return audio.decode(given.content, rate_hz, limits.max_audio_s, f"{field}.content")
    if given.uri is None:
        raise InvalidInput.at(field, "has no source; set content, pcm or uri")
    most = int(limits.max_audio_s * _ENCODED_BYTES_PER_S)
    content = uri.fetch(given.uri, limits.uri_prefixes, most, f"{field}.uri")
    return audio.decode(content, rate_hz, limits.max_audio_s, f"{field}.uri")


def _cut(samples: Samples, options: _Options, field: str, artifact: Artifact) -> _Recording:
    pipe = artifact.pipeline
    _check_ctc_length(samples, field, pipe)
    try:
        pieces = list(pipe.preprocess(samples, **options.cutting))
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise InvalidInput.at("parameters.chunk_length_s", f"can't be cut so: {error}") from None
    strides = tuple(piece.pop("stride", None) for piece in pieces)
    names = (pipe.model.main_input_name, "attention_mask")
    rows = tuple(as_row({name: piece[name][0] for name in names if name in piece}) for piece in pieces)
    return _Recording(rows, strides, len(samples) / pipe.feature_extractor.sampling_rate)


def _check_ctc_length(samples: Samples, field: str, pipe: Any) -> None:
    frames_of = getattr(pipe.model, "_get_feat_extract_output_lengths", None)
    if pipe.type.startswith("ctc") and frames_of is not None and int(frames_of(len(samples))) < 1:
        raise InvalidInput.at(field, f"has {len(samples)} samples; the model hears nothing in so few")


def _item(piece: Row, options: _Options, artifact: Artifact) -> Item:
    """A piece as an item. Pieces of different shapes never share a batch: padding would change what is heard."""
    features = piece[artifact.pipeline.model.main_input_name]
    forward = dict(options.forward)
    is_whisper = artifact.pipeline.type == "seq2seq_whisper"
    if is_whisper and features.shape[-1] > artifact.pipeline.feature_extractor.nb_max_frames:
        # Whisper finds its way through more than 30 seconds by the times that it predicts.
        forward["return_timestamps"] = forward.get("return_timestamps") or True
    return Item(piece, features.shape[-1], step(forward), alike=features.shape)


@dataclass(frozen=True)
class _Joining:
    """Joins the pieces of each recording."""

    recordings: tuple[_Recording, ...]
    options: Mapping[str, Any]
    artifact: Artifact

    def __call__(self, rows: Sequence[Row]) -> RecognizeSpeechResponse:
        left = iter(rows)
        results = (self._result(recording, list(islice(left, len(recording.pieces)))) for recording in self.recordings)
        return RecognizeSpeechResponse(tuple(results))

    def _result(self, recording: _Recording, rows: Sequence[Row]) -> SpeechRecognitionResult:
        pipe = self.artifact.pipeline
        outputs = [self._output(row, stride) for row, stride in zip(rows, recording.strides, strict=True)]
        assert self.artifact.encoder is not None
        with self.artifact.encoder.borrow():
            joined = pipe.postprocess(outputs, **{**pipe._postprocess_params, **self.options})
        chunks = (SpeechChunk(chunk["text"], *chunk["timestamp"]) for chunk in joined.get("chunks", ()))
        return SpeechRecognitionResult(joined["text"], tuple(chunks), recording.audio_s)

    def _output(self, row: Row, stride: tuple[int, int, int] | None) -> dict[str, Any]:
        """A piece's rows in the form that the pipeline's postprocess takes: tensors with a batch of one."""
        from torch import from_numpy

        output: dict[str, Any] = {name: from_numpy(np.array(value)[None]) for name, value in row.items()}
        if stride is not None:
            output["stride"] = self._in_tokens(stride)
        return output

    def _in_tokens(self, stride: tuple[int, int, int]) -> tuple[int, int, int]:
        """A CTC stride counted in the model's outputs, as the pipeline's _forward would; Whisper's stays in samples."""
        from transformers.pipelines.automatic_speech_recognition import rescale_stride

        pipe = self.artifact.pipeline
        if not pipe.type.startswith("ctc"):
            return stride
        start: tuple[int, int, int] = rescale_stride([stride], 1 / pipe.model.config.inputs_to_logits_ratio)[0]
        return start


def _probe(artifact: Artifact) -> Prepared:
    rate_hz = artifact.pipeline.feature_extractor.sampling_rate
    silence = PcmAudio(bytes(2 * rate_hz), PcmEncoding.S16LE, rate_hz)
    prepared = prepare(RecognizeSpeechRequest((AudioInput(pcm=silence),), {}), artifact)
    # In silence a sequence-to-sequence model goes on to its last token; two are enough to warm up.
    run = step({} if artifact.pipeline.type.startswith("ctc") else {"max_new_tokens": 2, "num_beams": 1})
    return replace(prepared, items=tuple(replace(item, run=run) for item in prepared.items))


FAMILY = Family(
    name="automatic-speech-recognition",
    service="SpeechRecognitionService",
    tasks=frozenset({"automatic-speech-recognition"}),
    methods=(Method("RecognizeSpeech", RecognizeSpeechRequest, RecognizeSpeechResponse, prepare),),
    probe=_probe,
)
