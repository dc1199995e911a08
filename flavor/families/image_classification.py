"""image-classification: images to labels with scores.

Bytes are an encoded image, never a text that may be a path, an address or base64. What the model reads is transformers'
own preprocess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from savor.flavor import features, image, labels, options, uri
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.item import Forward, Item, Prepared, Row
from savor.flavor.labels import Labelling, ScoredLabel
from savor.flavor.limits import Limits
from savor.flavor.options import Rule
from savor.flavor.probe import Probe, picture

_DEFAULT_TOP_K = 5
_ENCODED_BYTES_PER_PIXEL = 4
_PIXELS_PER_POSITION = 256
"""A patch of 16 by 16 pixels, as most vision transformers read them; it weighs as much as a token."""

_RULES: Mapping[str, Rule] = {**labels.RULES, "timeout": (lambda value: True, "a number of seconds")}
"""transformers' `timeout` is for fetching images, which is done before."""


@dataclass(frozen=True)
class ImageInput:
    """One image: exactly one of the fields is set."""

    content: bytes | None = None
    uri: str | None = None


@dataclass(frozen=True)
class ClassifyImageRequest:
    """Images to classify. `top_k`: labels per image, 0 for all."""

    inputs: tuple[ImageInput, ...]
    parameters: Mapping[str, Any]
    top_k: int | None = None


@dataclass(frozen=True)
class ImageClassificationResult:
    """The labels of one image, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyImageResponse:
    """One result for each input."""

    results: tuple[ImageClassificationResult, ...]


@dataclass(frozen=True)
class _Decoding:
    labelling: Labelling

    def __call__(self, rows: Sequence[Row]) -> ClassifyImageResponse:
        return ClassifyImageResponse(tuple(ImageClassificationResult(self.labelling(row["logits"])) for row in rows))


def prepare(request: ClassifyImageRequest, artifact: Artifact) -> Prepared:
    """Decodes each image and makes pixel values of it."""
    artifact.limits.check_inputs(request.inputs)
    chosen, warnings = artifact.options(request.parameters)
    options.check(chosen, _RULES)
    config = artifact.pipeline.model.config
    default = Labelling(labels.default_function(config), _DEFAULT_TOP_K, config.id2label)
    decoding = _Decoding(labels.labelling(request.top_k, chosen, default))
    items = tuple(_item(given, f"inputs[{index}]", artifact) for index, given in enumerate(request.inputs))
    return Prepared(items, decoding, warnings)


def _item(given: ImageInput, field: str, artifact: Artifact) -> Item:
    content, source = _content(given, field, artifact)
    picture = image.decode(content, artifact.limits.max_image_pixels, source)
    try:
        row = features.row(artifact.pipeline.preprocess(picture))
    # A processor may be anybody's code, and what it can't use shows in many ways.
    except Exception:
        problem = f"the model's image processor can't use an image of {picture.width} by {picture.height} pixels"
        raise InvalidInput.at(source, problem) from None
    pixels = row[artifact.pipeline.model.main_input_name].shape[-2:]
    length = max(pixels[0] * pixels[1] // _PIXELS_PER_POSITION, 1)
    return Item(row, length, Forward(("logits",)), alike=features.shapes(row))


def _content(given: ImageInput, field: str, artifact: Artifact) -> tuple[bytes, str]:
    """The encoded image, and the path of the field that it came from."""
    if given.content is not None:
        return given.content, f"{field}.content"
    if given.uri is None:
        raise InvalidInput.at(field, "has no source; set content or uri")
    limits = artifact.limits
    most = limits.max_image_pixels * _ENCODED_BYTES_PER_PIXEL
    return uri.fetch(given.uri, limits.uri_prefixes, most, f"{field}.uri"), f"{field}.uri"


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    # Whatever callers may send, this runs.
    unlimited = replace(artifact, limits=Limits())
    return prepare(ClassifyImageRequest((ImageInput(content=picture(probe.text)),), {}), unlimited)


FAMILY = Family(
    name="image-classification",
    service="ImageClassificationService",
    tasks=frozenset({"image-classification"}),
    methods=(Method("ClassifyImage", ClassifyImageRequest, ClassifyImageResponse, prepare),),
    probe=_probe,
)
