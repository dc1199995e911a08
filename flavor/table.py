"""The one table from pipeline task to family. A new family is one entry here beside its own file."""

from savor.flavor.errors import LoadRefused
from savor.flavor.families import feature_extraction, speech_recognition, text_classification, text_generation
from savor.flavor.family import Family

FAMILIES: tuple[Family, ...] = (
    feature_extraction.FAMILY,
    speech_recognition.FAMILY,
    text_classification.FAMILY,
    text_generation.FAMILY,
)

_BY_TASK = {task: family for family in FAMILIES for task in family.tasks}


def family_of(task: str) -> Family:
    """The family that serves a pipeline task. Raises LoadRefused for one that none serves."""
    if task not in _BY_TASK:
        raise LoadRefused(f"the pipeline task {task!r} is not served; served are {', '.join(sorted(_BY_TASK))}")
    return _BY_TASK[task]
