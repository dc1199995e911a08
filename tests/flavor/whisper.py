"""The tiny multilingual Whisper, loaded, with every parameter let through to it."""

from savor.flavor.artifact import Artifact
from savor.flavor.params import Unknown
from tests.flavor.artifacts import artifact


def whisper() -> Artifact:
    """The one artifact that all tests share."""
    return artifact("whisper", unknown_params=Unknown.ALLOW)
