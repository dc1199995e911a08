"""A pipeline for MLflow's own wrapper: the loaded model behind a tokenizer of its own, and guards around every call.

MLflow opens any path and address, reads recordings through another program and bounds nothing. Here what a request
names is read as `uri.fetch` allows it, and the operator's limits hold; every other answer is the pipeline's own.
"""

import base64
import binascii
import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from savor.flavor import image, recording, uri
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.limits import Limits
from savor.flavor.recording import AudioInput

_IMAGE_BYTES = 64_000_000
_DATA = frozenset(
    {"question", "context", "sequences", "candidate_labels", "hypothesis_template", "query", "table", "inputs"}
)
"""Keywords of pipelines that carry data: what the default signatures name, and the name of the first argument."""
_PAYLOAD = frozenset({"max_new_tokens", "temperature", "top_p", "top_k", "stopping_criteria", "return_full_text"})
"""Keywords that MLflow makes of the fields of an llm/v1 payload, beside `return_tensors`, which it sets itself."""


def guarded(artifact: Artifact) -> Any:
    """A copy of the artifact's pipeline that shares its model, and keeps to the artifact's limits."""
    own = copy.copy(artifact.pipeline)
    if artifact.encoder is not None:
        with artifact.encoder.borrow() as tokenizer:
            own.tokenizer = copy.deepcopy(tokenizer)
    kind: Any = type(own)
    guard, opened = _Guard(artifact, _positions(artifact)), _OPENERS.get(own.task, _as_it_is)

    def call(self: Any, *inputs: Any, **options: Any) -> Any:
        guard.check_call(inputs, options)
        return kind.__call__(self, *inputs, **options)

    def preprocess(self: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
        return kind.preprocess(self, opened(inputs, artifact), *arguments, **options)

    def forward(self: Any, inputs: Any, **options: Any) -> Any:
        guard.check_tokens(inputs)
        with guard.positions(self.model):
            return kind._forward(self, inputs, **options)

    # MLflow tells pipelines apart by their class, and by its name.
    members = {"__call__": call, "preprocess": preprocess, "_forward": forward}
    own.__class__ = type(kind.__name__, (kind,), members)
    return own


@dataclass(frozen=True)
class _Guard:
    """What one model's calls are held to; `most_tokens` is None where no number of them makes the model fail."""

    artifact: Artifact
    most_tokens: int | None

    def check_call(self, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """Raises InvalidInput for too much data, options beyond the ceilings, or keywords that are no data."""
        data = {key: value for key, value in options.items() if key in _DATA}
        for name, value in (data | dict(zip(("inputs",), inputs, strict=False))).items():
            self._check_data(name, value)
        self._check_options(options)
        if getattr(self.artifact.saved.signature, "inputs", None) is None:
            self._check_keywords(options)

    def _check_data(self, name: str, value: Any) -> None:
        limits = self.artifact.limits
        entries = value if isinstance(value, list) else [value]
        if len(entries) > limits.max_inputs:
            raise InvalidInput.at(name, f"has {len(entries)} entries; this server takes {limits.max_inputs}")
        if self.artifact.pipeline.task not in _OPENERS:
            for text in _texts(entries):
                limits.check_text(name, text)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        """What a model was saved with is the operator's word; only what a request changed is held to the ceilings."""
        if not self.artifact.pipeline.model.can_generate():
            return
        given = dict(options) | dict(options.get("generate_kwargs") or {})
        for key, ceiling in _ceilings(self.artifact.limits).items():
            value = given.get(key)
            if isinstance(value, int | float) and value > ceiling and value != self.artifact.config.get(key):
                raise InvalidInput.at(key, f"is {value}; this server allows {ceiling}")

    def _check_keywords(self, options: Mapping[str, Any]) -> None:
        """Without a signature a dict's keys become the pipeline's keywords: only those of data may."""
        known = _PAYLOAD | {"return_tensors"} if self.artifact.saved.inference_task else _DATA
        unknown = options.keys() - self.artifact.config.keys() - known
        if unknown:
            raise InvalidInput.at("inputs", f"has keys that are no data: {', '.join(sorted(map(str, unknown)))}")

    def check_tokens(self, inputs: Any) -> None:
        """Raises InvalidInput for more tokens than the model has positions: on a GPU the model would not survive it."""
        tokens = inputs["input_ids"].shape[-1] if "input_ids" in inputs else 0
        if self.most_tokens is not None and tokens > self.most_tokens:
            raise InvalidInput.at("inputs", f"an input has {tokens} tokens; the model reads {self.most_tokens}")

    @contextmanager
    def positions(self, model: Any) -> Iterator[None]:
        """Within it, a step of generation beyond the model's last position is an InvalidInput."""
        if self.most_tokens is None or not model.can_generate():
            yield
            return
        # The one thing that `generate` asks of every model before each step, compiled ones too.
        prepare = model.prepare_inputs_for_generation

        @wraps(prepare)
        def checked(input_ids: Any, *arguments: Any, **options: Any) -> Any:
            if input_ids.shape[-1] > (self.most_tokens or 0):
                passed = f"the text and its continuation pass the model's {self.most_tokens} tokens"
                raise InvalidInput.at("inputs", passed)
            return prepare(input_ids, *arguments, **options)

        model.prepare_inputs_for_generation = checked
        try:
            yield
        finally:
            del model.prepare_inputs_for_generation


def _positions(artifact: Artifact) -> int | None:
    """How many positions the model has a table of; None for models that compute them and go on beyond their length."""
    return artifact.encoder.max_tokens if artifact.has_position_table and artifact.encoder is not None else None


def _ceilings(limits: Limits) -> dict[str, int]:
    return {
        "max_new_tokens": limits.max_new_tokens,
        "max_length": limits.max_new_tokens,
        "num_beams": limits.max_sequences,
        "num_return_sequences": limits.max_sequences,
    }


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, however deep."""
    match value:
        case str():
            yield value
        case dict():
            yield from _texts(list(value.values()))
        case list():
            for entry in value:
                yield from _texts(entry)


def _as_it_is(value: Any, artifact: Artifact) -> Any:
    return value


def _samples(value: Any, artifact: Artifact) -> Any:
    """A recording's samples where it is encoded or named; arrays are taken as they are."""
    match value:
        case bytes():
            return recording.samples(AudioInput(content=value), "inputs", artifact)
        case str():
            return recording.samples(AudioInput(uri=_address(value)), "inputs", artifact)
    return value


def _image(value: Any, artifact: Artifact) -> Any:
    """An image out of base64 or from where its address leads; images are taken as they are."""
    if not isinstance(value, str):
        return value
    limits, content = artifact.limits, _decoded(value)
    if content is None:
        content = uri.fetch(_address(value), limits.uri_prefixes, _IMAGE_BYTES, "inputs")
    return image.decode(content, limits.max_image_pixels, "inputs")


def _decoded(text: str) -> bytes | None:
    """The bytes of a text in base64, by MLflow's rule of what is base64; None for other texts."""
    try:
        content = base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
    forms = (base64.b64encode(content), base64.encodebytes(content))
    return content if text in (form.decode() for form in forms) else None


def _address(text: str) -> str:
    """An address as it is, a path as one."""
    try:
        return text if urlsplit(text).netloc else Path(text).absolute().as_uri()
    except ValueError:
        return text


_OPENERS: Mapping[str, Callable[[Any, Artifact], Any]] = {
    "automatic-speech-recognition": _samples,
    "audio-classification": _samples,
    "image-classification": _image,
}
"""How each task's pipeline comes to what a text or bytes mean, where that is not the text itself."""
