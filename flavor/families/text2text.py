"""text2text-generation, summarization and translation: texts to what an encoder-decoder makes of them.

MLflow's template applies to the first two, never to a translation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from savor.flavor import generation, prompting
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method, Rpc
from savor.flavor.item import Prepared
from savor.flavor.probe import Probe
from savor.flavor.replies import GenerateTextResponse, StreamGenerateTextResponse


@dataclass(frozen=True)
class TransformTextRequest:
    """Texts to transform or to summarize. `stop` texts end a sequence; `seed` makes sampling repeatable."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class TranslateTextRequest(TransformTextRequest):
    """Texts to translate. The languages are codes of a multilingual model's tokenizer; None is the model's own."""

    source_language: str | None = None
    target_language: str | None = None


def prepare(request: TransformTextRequest, artifact: Artifact) -> Prepared:
    """Puts each text into the template and encodes it as transformers' Text2TextGenerationPipeline does."""
    options, warnings = artifact.options(request.parameters)
    return _write(request, options, warnings, artifact)


def prepare_translation(request: TranslateTextRequest, artifact: Artifact) -> Prepared:
    """Encodes each text for a language pair, as transformers' TranslationPipeline does."""
    options, warnings = artifact.options(request.parameters)
    languages = {"src_lang": request.source_language, "tgt_lang": request.target_language}
    asked = {key: value for key, value in languages.items() if value is not None}
    if asked:
        _check_languages(asked, artifact)
    return _write(request, {**options, **asked}, warnings, artifact)


def _write(
    request: TransformTextRequest, options: dict[str, Any], warnings: tuple[str, ...], artifact: Artifact
) -> Prepared:
    artifact.limits.check_texts(request.inputs)
    texts = [artifact.fill(text) for text in request.inputs]
    written = prompting.write(texts, request, options, artifact)
    return Prepared(written.items, written.replies.decode, warnings, written.replies.fold)


_FIELDS = {"src_lang": "source_language", "tgt_lang": "target_language"}


def _check_languages(asked: Mapping[str, str], artifact: Artifact) -> None:
    """Raises InvalidInput where the tokenizer has no such language, or knows one pair only."""
    tokenizer = artifact.pipeline.tokenizer
    known: list[str] = list(getattr(tokenizer, "lang_code_to_id", None) or tokenizer.additional_special_tokens)
    for key, language in asked.items():
        if not hasattr(tokenizer, "_build_translation_inputs"):
            raise InvalidInput.at(_FIELDS[key], "can't be chosen: the model translates one pair of languages")
        if language not in known:
            some = ", ".join(known[:8])
            raise InvalidInput.at(_FIELDS[key], f"{language!r:.80} is no language of the model; it has {some}, …")


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    return generation.short(prepare(TransformTextRequest((probe.text,), {}), artifact), probe.tokens)


def _rpcs(verb: str, request: type, prepare_: Any, task: str) -> tuple[Rpc, Rpc]:
    tasks = frozenset({task})
    return (
        Method(verb, request, GenerateTextResponse, prepare_, tasks=tasks),
        Method(f"Stream{verb}", request, StreamGenerateTextResponse, prepare_, streams=True, tasks=tasks),
    )


FAMILY = Family(
    name="text2text-generation",
    service="Text2TextService",
    tasks=frozenset({"text2text-generation", "summarization", "translation"}),
    methods=(
        *_rpcs("TransformText", TransformTextRequest, prepare, "text2text-generation"),
        *_rpcs("SummarizeText", TransformTextRequest, prepare, "summarization"),
        *_rpcs("TranslateText", TranslateTextRequest, prepare_translation, "translation"),
    ),
    probe=_probe,
)
