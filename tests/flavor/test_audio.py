"""Recordings to samples: every common format, what FFmpeg (and so MLflow) makes of it, and what is refused."""

import io
import struct
import subprocess
from fractions import Fraction
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from savor.flavor import audio
from savor.flavor.audio import PcmAudio, PcmEncoding
from savor.flavor.errors import InvalidInput

RATE_HZ = 16_000
LONG_S = 100.0

Sound = npt.NDArray[np.float32]


def _tone(rate_hz: int = RATE_HZ, seconds: float = 1.0, frequency_hz: float = 440.0) -> Sound:
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def _noise(seconds: float = 1.0) -> Sound:
    return np.random.default_rng(7).uniform(-0.5, 0.5, int(RATE_HZ * seconds)).astype(np.float32)


def _encoded(samples: Sound, rate_hz: int = RATE_HZ, kind: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def _rms(difference: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))


def _decode(content: bytes, max_s: float = LONG_S) -> Sound:
    return audio.decode(content, RATE_HZ, max_s, "inputs[0].content")


def _pcm(
    samples: bytes, encoding: PcmEncoding | None = PcmEncoding.S16LE, rate_hz: int = RATE_HZ, **values: Any
) -> Any:
    pcm = PcmAudio(samples, encoding, rate_hz, **values)
    return lambda max_s=LONG_S: audio.from_pcm(pcm, RATE_HZ, max_s, "inputs[0].pcm")


FORMATS = [
    pytest.param("WAV", "PCM_16", 0.0, id="WAV of 16 bits"),
    pytest.param("WAV", "PCM_24", 0.0, id="WAV of 24 bits"),
    pytest.param("WAV", "PCM_U8", 0.0, id="WAV of 8 bits"),
    pytest.param("WAV", "FLOAT", 0.0, id="WAV of floats"),
    pytest.param("WAV", "DOUBLE", 1e-7, id="WAV of doubles"),
    pytest.param("WAV", "ULAW", 0.0, id="WAV of mu-law"),
    pytest.param("WAVEX", "PCM_16", 0.0, id="WAV extensible"),
    pytest.param("RF64", "PCM_16", 0.0, id="RF64"),
    pytest.param("FLAC", "PCM_16", 0.0, id="FLAC"),
    pytest.param("AIFF", "PCM_16", 0.0, id="AIFF"),
    pytest.param("OGG", "VORBIS", 1e-6, id="Ogg Vorbis"),
    pytest.param("OGG", "OPUS", 1e-3, id="Ogg Opus"),
    pytest.param("MP3", None, 1e-5, id="MP3"),
]


@pytest.mark.parametrize(("kind", "subtype", "error"), FORMATS)
def test_a_recording_at_the_models_rate(kind: str, subtype: str | None, error: float) -> None:
    content = _encoded(_tone(), kind=kind, subtype=subtype)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    decoded = _decode(content)
    assert decoded.dtype == np.float32
    # Vorbis' last block is cut where its header says, which libsndfile does not do.
    assert len(expected) - 512 <= len(decoded) <= len(expected)
    assert _rms(decoded - expected[: len(decoded)]) <= error


RESAMPLED = [
    pytest.param("WAV", 1e-4, id="WAV"),
    pytest.param("FLAC", 1e-4, id="FLAC"),
    pytest.param("OGG", 0.005, id="Ogg Vorbis"),
    pytest.param("MP3", 0.015, id="MP3"),
]


@pytest.mark.parametrize(("kind", "error"), RESAMPLED)
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000], ids="{} Hz".format)
def test_a_recording_is_resampled(kind: str, error: float, rate_hz: int) -> None:
    """To the tone itself; one sample late would be an error of 0.04."""
    decoded = _decode(_encoded(_tone(rate_hz), rate_hz, kind))
    assert abs(len(decoded) - RATE_HZ) <= 0.04 * RATE_HZ
    # Codecs and filters need a moment at both ends.
    inner = slice(1_000, 14_000)
    assert _rms(decoded[inner] - _tone()[inner]) < error


def test_resampling_down_removes_what_the_rate_cannot_hold() -> None:
    decoded = _decode(_encoded(_tone(48_000, frequency_hz=15_000.0), 48_000))
    assert _rms(decoded[1_000:14_000]) < 1e-3


def _by_ffmpeg(content: bytes) -> Sound:
    """What `transformers.pipelines.audio_utils.ffmpeg_read` gives, and so MLflow."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", "pipe:0", "-ac", "1", "-ar", str(RATE_HZ), "-f", "f32le"]
    quiet = ["-hide_banner", "-loglevel", "quiet", "pipe:1"]
    return np.frombuffer(subprocess.run([*command, *quiet], input=content, capture_output=True).stdout, np.float32)


def _stereo(rate_hz: int = RATE_HZ) -> Sound:
    return np.stack([_tone(rate_hz), 0.5 * _tone(rate_hz, frequency_hz=300.0)], axis=1)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100], ids="{} Hz".format)
def test_several_channels_are_heard_as_mlflow_hears_them(kind: str, rate_hz: int) -> None:
    content = _encoded(_stereo(rate_hz), rate_hz, kind)
    decoded, expected = _decode(content), _by_ffmpeg(content)
    count = min(len(decoded), len(expected))
    assert abs(len(decoded) - len(expected)) <= 256
    assert _rms(decoded[:count] - expected[:count]) < 1e-4


@pytest.mark.parametrize("rate_hz", [16_000, 44_100], ids="{} Hz".format)
def test_stereo_is_the_same_sound_as_a_recording_and_as_pcm(rate_hz: int) -> None:
    samples = _stereo(rate_hz)
    recorded = _decode(_encoded(samples, rate_hz, subtype="FLOAT"))
    bare = _pcm(samples.tobytes(), PcmEncoding.F32LE, rate_hz, channels=2)()
    assert _rms(recorded - bare) < 1e-4


def test_the_sound_of_a_video() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for _ in range(10):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        frame = av.AudioFrame.from_ndarray(_tone()[None], "fltp", "mono")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        container.mux(sound.encode(frame))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    decoded = _decode(file.getvalue())
    assert abs(len(decoded) - RATE_HZ) < 0.2 * RATE_HZ
    spectrum = np.abs(np.fft.rfft(decoded))
    assert np.argmax(spectrum) * RATE_HZ / len(decoded) == pytest.approx(440, abs=3)


def test_a_video_without_sound() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(picture.encode(None))
    with pytest.raises(InvalidInput, match=r"inputs\[0\].content: holds no audio stream"):
        _decode(file.getvalue())


CUTTABLE = [
    pytest.param("WAV", "PCM_16", id="WAV"),
    pytest.param("FLAC", None, id="FLAC"),
]
"""Formats whose header says how long the recording is; MP3 and Ogg are streams, of which any part is a recording."""


@pytest.mark.parametrize("share", [0.3, 0.95])
@pytest.mark.parametrize(("kind", "subtype"), CUTTABLE)
def test_a_recording_that_was_cut_short_is_refused(kind: str, subtype: str | None, share: float) -> None:
    content = _encoded(_noise(4), kind=kind, subtype=subtype)
    with pytest.raises(InvalidInput):
        _decode(content[: int(len(content) * share)])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF], ids=["0", "the largest number"])
def test_a_wav_file_that_was_streamed_does_not_know_its_length(size: int) -> None:
    content = bytearray(_encoded(_tone()))
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    content[4:8] = struct.pack("<I", size)
    np.testing.assert_array_equal(_decode(bytes(content)), _decode(_encoded(_tone())))


def test_other_chunks_may_come_before_a_wav_files_samples() -> None:
    content = _encoded(_tone())
    at = content.index(b"data")
    odd = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    np.testing.assert_array_equal(_decode(content[:at] + odd + content[at:]), _decode(content))


NO_SOUND = [
    pytest.param(b"", "can't be decoded", id="nothing"),
    pytest.param(b"hello world " * 99, "can't be decoded", id="text"),
    pytest.param(bytes(4_000), "can't be decoded", id="zeros"),
    pytest.param(_encoded(_tone()[:0]), "holds no samples", id="a WAV header alone"),
    pytest.param(_encoded(_tone())[:30], "a WAV header without samples", id="half a WAV header"),
    pytest.param(_encoded(_tone()[:0], kind="FLAC"), "can't be decoded", id="a FLAC header alone"),
    pytest.param(_encoded(_tone()[:0], kind="OGG"), "holds no samples", id="an Ogg header alone"),
    pytest.param(
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "can't be decoded", id="a playlist of this host's files"
    ),
    pytest.param(b"ffconcat version 1.0\nfile /etc/hostname\n", "can't be decoded", id="a list of this host's files"),
]


@pytest.mark.parametrize(("content", "sentence"), NO_SOUND)
def test_what_is_no_recording_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _decode(content)
    [violation] = caught.value.violations
    assert violation.field == "inputs[0].content"
    assert sentence in violation.problem


@pytest.mark.parametrize("rate_hz", [16_000, 8_000], ids="{} Hz".format)
@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_samples_must_be_finite(value: float, rate_hz: int) -> None:
    samples = _tone(rate_hz)
    samples[100] = value
    with pytest.raises(InvalidInput, match="holds NaN or infinite samples"):
        _decode(_encoded(samples, rate_hz, subtype="FLOAT"))
    with pytest.raises(InvalidInput, match="holds NaN or infinite samples"):
        _pcm(samples.tobytes(), PcmEncoding.F32LE, rate_hz)()


@pytest.mark.parametrize("rate_hz", [16_000, 11_025], ids="{} Hz".format)
def test_the_longest_recording_that_is_taken(rate_hz: int) -> None:
    assert len(_decode(_encoded(_tone(rate_hz, 3.0), rate_hz), 3.0)) == 3 * RATE_HZ


def test_a_longer_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"lasts longer than the 0\.5 seconds"):
        _decode(_encoded(_tone()), 0.5)


def test_a_too_long_recording_is_not_decoded_to_its_end() -> None:
    """Behind its first minute this one is damaged, which nobody finds out who stops at the limit."""
    content = bytearray(_encoded(_noise(10), kind="FLAC"))
    content[-20_000:] = bytes(20_000)
    with pytest.raises(InvalidInput, match="can't be decoded"):
        _decode(bytes(content))
    with pytest.raises(InvalidInput, match="lasts longer than the 1 seconds"):
        _decode(bytes(content), 1.0)


S16 = np.array([0, 1, -1, 32767, -32768, 1000], "<i2")
F32 = np.array([0, 1.0, -1.0, 0.25, 2.5], "<f4")


def test_16_bit_samples_are_scaled() -> None:
    np.testing.assert_array_equal(_pcm(S16.tobytes())(), S16.astype(np.float32) / 32768)


def test_float_samples_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(_pcm(F32.tobytes(), PcmEncoding.F32LE)(), F32)


def test_pcm_channels_are_mixed_as_a_recordings_are() -> None:
    samples = np.stack([_tone(), 0.5 * _tone(frequency_hz=300.0), 0.2 * _tone(frequency_hz=900.0)], axis=1)
    bare = _pcm(samples.tobytes(), PcmEncoding.F32LE, channels=3)()
    np.testing.assert_allclose(bare, _decode(_encoded(samples, subtype="FLOAT")), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000], ids="{} Hz".format)
def test_pcm_is_resampled(rate_hz: int) -> None:
    samples = _pcm(_tone(rate_hz).tobytes(), PcmEncoding.F32LE, rate_hz)()
    assert len(samples) == RATE_HZ
    assert _rms(samples[500:15_500] - _tone()[500:15_500]) < 1e-4


def test_pcm_and_wav_of_the_same_samples_are_the_same() -> None:
    samples = (_noise() * 32767).astype("<i2")
    np.testing.assert_array_equal(_pcm(samples.tobytes(), rate_hz=8_000)(), _decode(_encoded(samples, 8_000)))


BAD_PCM = [
    pytest.param(_pcm(b"\0\0", None), "encoding", id="no encoding"),
    pytest.param(_pcm(b"\0\0", rate_hz=0), "sample_rate_hz", id="no rate"),
    pytest.param(_pcm(b"\0\0", rate_hz=999), "sample_rate_hz", id="too low a rate"),
    pytest.param(_pcm(b"\0\0", rate_hz=384_001), "sample_rate_hz", id="too high a rate"),
    pytest.param(_pcm(b"\0\0", rate_hz=-16_000), "sample_rate_hz", id="a negative rate"),
    pytest.param(_pcm(b"\0\0", channels=0), "channels", id="no channels"),
    pytest.param(_pcm(bytes(34), channels=17), "channels", id="too many channels"),
    pytest.param(_pcm(b"\0\0\0"), "samples", id="half a sample"),
    pytest.param(_pcm(bytes(6), channels=2), "samples", id="a sample of one channel"),
    pytest.param(_pcm(bytes(6), PcmEncoding.F32LE), "samples", id="half a float"),
    pytest.param(_pcm(bytes(4 * RATE_HZ * 101)), "samples", id="too long"),
]


@pytest.mark.parametrize(("read", "field"), BAD_PCM)
def test_bad_pcm_is_refused_by_field(read: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read()
    assert [violation.field for violation in caught.value.violations] == [f"inputs[0].pcm.{field}"]


@pytest.mark.parametrize("rate_hz", [16_000, 8_000, 48_000], ids="{} Hz".format)
def test_pcm_without_samples_is_refused(rate_hz: int) -> None:
    with pytest.raises(InvalidInput, match="holds no samples"):
        _pcm(b"", rate_hz=rate_hz)()


@pytest.mark.parametrize(
    ("read", "seconds"),
    [
        pytest.param(_pcm(bytes(2 * RATE_HZ)), 1.0, id="one channel"),
        pytest.param(_pcm(bytes(4 * RATE_HZ), channels=2), 1.0, id="two channels"),
        pytest.param(_pcm(bytes(2 * 11_025 * 3), rate_hz=11_025), 3.0, id="another rate"),
    ],
)
def test_pcm_that_just_fits(read: Any, seconds: float) -> None:
    assert len(read(seconds)) == seconds * RATE_HZ
    with pytest.raises(InvalidInput, match="lasts longer"):
        read(seconds - 0.01)
