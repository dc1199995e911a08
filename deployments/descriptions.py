"""What a server tells of its models, as the plain dicts that MLflow's deployments and endpoints are."""

import json
from dataclasses import asdict
from typing import Any

from savor.client import Model

_SUMMARY = ("name", "version", "aliases", "state", "task", "uri", "flavor")


def deployment(model: Model) -> dict[str, Any]:
    """Everything about a model. `signature` is what `ModelSignature.from_dict` reads, None where there is none."""
    # Through JSON, so that lists are lists and states are words.
    told: dict[str, Any] = json.loads(json.dumps(asdict(model)))
    signature = told.pop("signature_json")
    return {**told, "flavor": "transformers", "signature": json.loads(signature) if signature else None}


def summary(model: Model) -> dict[str, Any]:
    """What tells a model from the others."""
    told = deployment(model)
    return {name: told[name] for name in _SUMMARY}
