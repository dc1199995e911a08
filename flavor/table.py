"""The one table from pipeline task to family. A new family is one entry here beside its own file."""

from savor.flavor import pyfunc
from savor.flavor.errors import LoadRefused
from savor.flavor.families import (
    audio_classification,
    chat,
    feature_extraction,
    fill_mask,
    image_classification,
    question_answering,
    speech_recognition,
    table_question_answering,
    text2text,
    text_classification,
    text_generation,
    token_classification,
    zero_shot_classification,
)
from savor.flavor.family import Family

_TYPED: tuple[Family, ...] = (
    feature_extraction.FAMILY,
    speech_recognition.FAMILY,
    text_classification.FAMILY,
    text_generation.FAMILY,
    chat.FAMILY,
    text2text.FAMILY,
    fill_mask.FAMILY,
    token_classification.FAMILY,
    zero_shot_classification.FAMILY,
    question_answering.FAMILY,
    table_question_answering.FAMILY,
    audio_classification.FAMILY,
    image_classification.FAMILY,
)

FAMILIES: tuple[Family, ...] = (*_TYPED, pyfunc.family(frozenset().union(*(family.tasks for family in _TYPED))))
"""Of two families that serve a task the first is the one that a model of it is said to belong to."""


def families_of(task: str, inference_task: str = "") -> tuple[Family, ...]:
    """The families that serve a pipeline task, a model's own first. Raises LoadRefused for a task that none serves."""
    serving = sorted(
        (family for family in FAMILIES if task in family.tasks),
        key=lambda family: inference_task not in family.inference_tasks,
    )
    if not serving:
        known = sorted(frozenset().union(*(family.tasks for family in FAMILIES)))
        raise LoadRefused(f"the pipeline task {task!r} is not served; served are {', '.join(known)}")
    return tuple(serving)


def rpcs_of(task: str) -> tuple[str, ...]:
    """The RPCs that answer for models of a task, as "Service/Method"."""
    return tuple(
        f"{family.service}/{rpc.name}"
        for family in families_of(task)
        for rpc in family.methods
        if family.serves(rpc, task)
    )
