"""Samples to text, the one way that all speech goes: whole recordings and the pieces of a stream.

Cutting into pieces and joining their texts are transformers' own steps (AutomaticSpeechRecognitionPipeline's preprocess
and postprocess); in between, each piece is an item that runs in our batches.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

import numpy as np

from savor.flavor import features, generation, recording, whisper
from savor.flavor.artifact import Artifact
from savor.flavor.audio import Samples
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.item import Item, Row, step

_LONGEST_PIECE_S = 3600
_NOT_OURS = ("batch_size", "num_workers", "ignore_warning", "return_language")
"""Options of the pipeline's call that change no text. Its language is always None: `generate` gives no token of it."""


class TimestampGranularity(Enum):
    """How finely results say when something was spoken; the values are transformers' return_timestamps."""

    NONE = None
    SEGMENT = True
    WORD = "word"
    CHARACTER = "char"


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
class Recording:
    """One recording's pieces: the model's inputs, and the stride by which neighbours overlap."""

    pieces: tuple[Row, ...]
    strides: tuple[tuple[int, int, int] | None, ...]
    audio_s: float


@dataclass(frozen=True)
class Transcription:
    """How a call's recordings are heard: its options, split as the pipeline splits them."""

    cutting: Mapping[str, Any]
    forward: Mapping[str, Any]
    joining: Mapping[str, Any]
    artifact: Artifact

    def cut(self, samples: Samples, field: str) -> Recording:
        """A recording's pieces. `field` is its path for errors."""
        pipe = self.artifact.pipeline
        if pipe.type.startswith("ctc"):
            recording.check_audible(samples, field, pipe.model)
        try:
            pieces = list(pipe.preprocess(samples, **self.cutting))
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise InvalidInput.at("parameters.chunk_length_s", f"can't be cut so: {error}") from None
        strides = tuple(piece.pop("stride", None) for piece in pieces)
        names = (pipe.model.main_input_name, "attention_mask")
        rows = tuple(features.row(piece, names) for piece in pieces)
        return Recording(rows, strides, len(samples) / pipe.feature_extractor.sampling_rate)

    def items(self, recordings: Sequence[Recording]) -> tuple[Item, ...]:
        """The pieces of all recordings, in order."""
        return tuple(self._item(piece) for each in recordings for piece in each.pieces)

    def join(self, recordings: Sequence[Recording], rows: Sequence[Row]) -> tuple[SpeechRecognitionResult, ...]:
        """The text of each recording, of the rows of `items`."""
        left = iter(rows)
        return tuple(self._result(each, list(islice(left, len(each.pieces)))) for each in recordings)

    def _item(self, piece: Row) -> Item:
        """A piece as an item. Pieces of different shapes never share a batch: padding would change what is heard."""
        pipe = self.artifact.pipeline
        heard = piece[pipe.model.main_input_name]
        forward = dict(self.forward)
        if pipe.type == "seq2seq_whisper" and heard.shape[-1] > pipe.feature_extractor.nb_max_frames:
            # Whisper finds its way through more than 30 seconds by the times that it predicts.
            forward["return_timestamps"] = forward.get("return_timestamps") or True
        length = recording.frames(heard.shape[-1], pipe.model) or heard.shape[-1]
        return Item(piece, length, step(forward), alike=heard.shape)

    def _result(self, whole: Recording, rows: Sequence[Row]) -> SpeechRecognitionResult:
        pipe = self.artifact.pipeline
        outputs = [self._output(row, stride) for row, stride in zip(rows, whole.strides, strict=True)]
        assert self.artifact.encoder is not None
        with self.artifact.encoder.borrow():
            joined = pipe.postprocess(outputs, **{**pipe._postprocess_params, **self.joining})
        chunks = (SpeechChunk(chunk["text"], *chunk["timestamp"]) for chunk in joined.get("chunks", ()))
        return SpeechRecognitionResult(joined["text"], tuple(chunks), whole.audio_s)

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


def transcription(
    parameters: Mapping[str, Any], timestamps: TimestampGranularity | None, artifact: Artifact
) -> tuple[Transcription, tuple[str, ...]]:
    """How a call with these parameters hears, and warnings. Raises InvalidInput for what the model does not take."""
    options, warnings = artifact.options(parameters)
    if timestamps is not None:
        options["return_timestamps"] = timestamps.value
    _check_cutting(options)
    nested = parameters.get("generate_kwargs")
    asked = {*parameters, *(nested if isinstance(nested, Mapping) else ())}
    return _split(options, asked, artifact), warnings


def _split(options: Mapping[str, Any], asked: Collection[str], artifact: Artifact) -> Transcription:
    pipe = artifact.pipeline
    options = {key: value for key, value in options.items() if key not in _NOT_OURS}
    try:
        cutting, forward, joining = pipe._sanitize_parameters(ignore_warning=True, **options)
    except (ValueError, TypeError) as error:
        raise InvalidInput.at("timestamps", str(error)) from None
    generating = {key: value for key, value in forward.items() if key != "return_timestamps"}
    _check_generation(generating, asked, artifact)
    cutting, forward = {**pipe._preprocess_params, **cutting}, {**pipe._forward_params, **forward}
    return Transcription(cutting, forward, joining, artifact)


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
