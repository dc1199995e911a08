"""A recording of a request, from wherever it comes, as samples at the rate of the model that is to hear it."""

from dataclasses import dataclass
from typing import Any

from savor.flavor import audio, uri
from savor.flavor.artifact import Artifact
from savor.flavor.audio import PcmAudio, Samples
from savor.flavor.errors import InvalidInput

_ENCODED_BYTES_PER_S = 400_000
"""More than any common encoding needs: 16-bit stereo at 96 kHz takes 384,000."""


@dataclass(frozen=True)
class AudioInput:
    """One recording: exactly one of the fields is set."""

    content: bytes | None = None
    pcm: PcmAudio | None = None
    uri: str | None = None


def samples(given: AudioInput, field: str, artifact: Artifact) -> Samples:
    """The samples of a recording, shape (samples,), within the artifact's limits.

    Raises InvalidInput for what is no recording, is too long, or may not be read.
    """
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


def frames(count: int, model: Any) -> int | None:
    """How many positions a model that reads samples has for so many; None for models that read spectrograms."""
    frames_of = getattr(model, "_get_feat_extract_output_lengths", None)
    if frames_of is None or model.main_input_name != "input_values":
        return None
    return int(frames_of(count))


def check_audible(heard: Samples, field: str, model: Any) -> None:
    """Raises InvalidInput for a recording so short that nothing of it would be left."""
    positions = frames(len(heard), model)
    if positions is not None and positions < 1:
        raise InvalidInput.at(field, f"has {len(heard)} samples; the model hears nothing in so few")
