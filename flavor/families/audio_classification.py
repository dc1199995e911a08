"""audio-classification: recordings to labels with scores.

What the model reads is transformers' own preprocess. Recordings of different lengths never share a batch: most of these
models can't tell padding from silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from savor.flavor import features, labels, options, recording
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.item import Forward, Item, Prepared, Row
from savor.flavor.labels import Labelling, ScoredLabel
from savor.flavor.limits import Limits
from savor.flavor.probe import Probe, tone
from savor.flavor.recording import AudioInput


@dataclass(frozen=True)
class ClassifyAudioRequest:
    """Recordings to classify. `top_k`: labels per recording, 0 for all."""

    inputs: tuple[AudioInput, ...]
    parameters: Mapping[str, Any]
    top_k: int | None = None


@dataclass(frozen=True)
class AudioClassificationResult:
    """The labels of one recording, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyAudioResponse:
    """One result for each input."""

    results: tuple[AudioClassificationResult, ...]


@dataclass(frozen=True)
class _Decoding:
    labelling: Labelling

    def __call__(self, rows: Sequence[Row]) -> ClassifyAudioResponse:
        return ClassifyAudioResponse(tuple(AudioClassificationResult(self.labelling(row["logits"])) for row in rows))


def prepare(request: ClassifyAudioRequest, artifact: Artifact) -> Prepared:
    """Decodes each recording and extracts its features."""
    artifact.limits.check_inputs(request.inputs)
    chosen, warnings = artifact.options(request.parameters)
    # The pipeline takes any other option, and does nothing with it.
    options.check_values(chosen, labels.RULES)
    # Without a number the pipeline's call gives every label, whatever its constructor says of 5.
    default = Labelling("softmax", None, artifact.pipeline.model.config.id2label)
    decoding = _Decoding(labels.labelling(request.top_k, chosen, default))
    items = tuple(_item(given, f"inputs[{index}]", artifact) for index, given in enumerate(request.inputs))
    return Prepared(items, decoding, warnings)


def _item(given: AudioInput, field: str, artifact: Artifact) -> Item:
    pipe = artifact.pipeline
    samples = recording.samples(given, field, artifact)
    recording.check_audible(samples, field, pipe.model)
    try:
        row = features.row(pipe.preprocess(samples))
    except (ValueError, RuntimeError, AssertionError):
        problem = f"has {len(samples)} samples, of which the model's feature extractor can make nothing"
        raise InvalidInput.at(field, problem) from None
    length = recording.frames(len(samples), pipe.model) or max(row[pipe.model.main_input_name].shape)
    return Item(row, length, Forward(("logits",)), alike=features.shapes(row))


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    rate_hz = artifact.pipeline.feature_extractor.sampling_rate
    tones = tone(probe.text, rate_hz)
    # Whatever callers may send, this runs.
    unlimited = replace(artifact, limits=Limits())
    return prepare(ClassifyAudioRequest((AudioInput(pcm=tones),), {}), unlimited)


FAMILY = Family(
    name="audio-classification",
    service="AudioClassificationService",
    tasks=frozenset({"audio-classification"}),
    methods=(Method("ClassifyAudio", ClassifyAudioRequest, ClassifyAudioResponse, prepare),),
    probe=_probe,
)
