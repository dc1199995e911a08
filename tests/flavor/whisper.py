"""The tiny multilingual Whisper, loaded, with every parameter let through to it."""

from functools import cache

from savor.flavor.artifact import Artifact
from savor.flavor.params import Unknown
from tests.flavor.artifacts import artifact


@cache
def whisper() -> Artifact:
    """The one artifact that all tests share."""
    made = artifact("whisper", unknown_params=Unknown.ALLOW)
    # Instead of the pipeline's own defaults, which are long and beam search.
    made.pipeline.generation_config.update(max_new_tokens=12, num_beams=1)
    return made
