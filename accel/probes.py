"""The calls that compiled models are verified with: texts of several lengths, and those of a model's input example."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from savor.flavor import table
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, WrongFamily
from savor.flavor.item import Forward, Item, Step
from savor.flavor.probe import Probe

_SENTENCE = (
    "The harbour master wrote down every ship that came in that winter, what it carried, who owned it and how long it "
    "stayed, because nobody else in the town could be trusted with numbers."
)
_WORDS = (1, 6, 15, 32, 90, 250)
_TOKENS = 16
_EXAMPLES, _EXAMPLE_CHARS = 4, 2_000


def probes(artifact: Artifact) -> Mapping[str, Sequence[Item]]:
    """The items of each probe, by what the probe is; those that the model can't read are left out."""
    family = table.families_of(artifact.saved.family_task, artifact.saved.inference_task)[0]
    items = {}
    for name, text in _texts(artifact):
        try:
            items[name] = _telling(family.probe(artifact, Probe(text, _TOKENS)).items, artifact)
        except (InvalidInput, WrongFamily):
            continue
    return items


def _telling(items: Sequence[Item], artifact: Artifact) -> Sequence[Item]:
    """The items; of a pipeline's step that only tells labels, those too that tell how near the other labels were."""
    if artifact.pipeline.model.can_generate() or not isinstance(items[0].run, Step):
        return items
    return [*items, *(replace(item, run=Forward()) for item in items)]


def _texts(artifact: Artifact) -> Iterator[tuple[str, str]]:
    words = _SENTENCE.split()
    for count in _WORDS:
        yield f"{count} words", " ".join(words[index % len(words)] for index in range(count))
    for index, text in enumerate(islice(_strings(_example(artifact)), _EXAMPLES)):
        yield f"input example {index + 1}", text[:_EXAMPLE_CHARS]


def _example(artifact: Artifact) -> Any:
    """The input example that the model was saved with, None where there is none or MLflow can't read it."""
    from mlflow.models import Model

    try:
        return Model.load(str(artifact.saved.path)).load_input_example(str(artifact.saved.path))
    except Exception:
        # A damaged example is no reason not to compile: MLflow's readers raise whatever they stumble over.
        return None


def _strings(value: Any) -> Iterator[str]:
    """The texts in an example, however deep."""
    if isinstance(value, str):
        yield value
    elif hasattr(value, "to_numpy"):
        yield from _strings(value.to_numpy())
    elif isinstance(value, Mapping):
        yield from _strings(list(value.values()))
    elif hasattr(value, "tolist"):
        yield from _strings(value.tolist())
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)
