"""Requests for entities, and the pipeline's own answers to them."""

from typing import Any

import pytest

from savor.flavor.artifact import Artifact
from savor.flavor.families.token_classification import (
    AggregationStrategy,
    ClassifyTokensRequest,
    TokenClassificationResult,
    TokenEntity,
    prepare,
)
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer

STRATEGIES = list(AggregationStrategy)


def ask(*inputs: str, strategy: AggregationStrategy | None = None, **parameters: Any) -> ClassifyTokensRequest:
    return ClassifyTokensRequest(inputs, parameters, strategy)


def tagger(**limits: Any) -> Artifact:
    return artifact("tagger", unknown_params=Unknown.ALLOW, limits=Limits(**limits))


def expected(records: list[dict[str, Any]]) -> TokenClassificationResult:
    return TokenClassificationResult(
        tuple(
            TokenEntity(
                record.get("entity_group", record.get("entity")),
                pytest.approx(float(record["score"]), abs=1e-6),
                record["word"],
                record["start"],
                record["end"],
                record.get("index"),
            )
            for record in records
        )
    )


def check(model: Artifact, texts: tuple[str, ...], request: ClassifyTokensRequest, **options: Any) -> None:
    response = answer(prepare(request, model), model)
    assert list(response.results) == [expected(model.pipeline(text, **options)) for text in texts]
