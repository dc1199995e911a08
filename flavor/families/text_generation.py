"""text-generation: prompts to sequences, whole or as they come, with MLflow's template and instructional rules.

For models saved for llm/v1/completions the prompt is no part of the text, as in MLflow's completions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from savor.flavor import generation, prompting
from savor.flavor.artifact import Artifact
from savor.flavor.family import Family, Method
from savor.flavor.item import Prepared
from savor.flavor.probe import Probe
from savor.flavor.replies import GenerateTextResponse, StreamGenerateTextResponse


@dataclass(frozen=True)
class GenerateTextRequest:
    """Prompts to continue. `stop` texts end a sequence; `seed` makes sampling repeatable."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    seed: int | None = None


def prepare(request: GenerateTextRequest, artifact: Artifact) -> Prepared:
    """Puts each prompt into the template and encodes it as transformers' TextGenerationPipeline does."""
    artifact.limits.check_texts(request.inputs)
    options, warnings = artifact.options(request.parameters)
    if artifact.saved.inference_task:
        options["return_full_text"] = False
    texts = [artifact.fill(text) for text in request.inputs]
    written = prompting.write(texts, request, options, artifact)
    return Prepared(written.items, written.replies.decode, warnings, written.replies.fold)


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    return generation.short(prepare(GenerateTextRequest((probe.text,), {}), artifact), probe.tokens)


FAMILY = Family(
    name="text-generation",
    service="TextGenerationService",
    tasks=frozenset({"text-generation"}),
    methods=(
        Method("GenerateText", GenerateTextRequest, GenerateTextResponse, prepare),
        Method("StreamGenerateText", GenerateTextRequest, StreamGenerateTextResponse, prepare, streams=True),
    ),
    probe=_probe,
)
