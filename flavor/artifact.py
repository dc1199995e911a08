"""A loaded model with everything that a family needs to prepare and decode calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from savor.flavor import params, template
from savor.flavor.encoding import TextEncoder
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.saved import SavedModel


@dataclass(frozen=True)
class Artifact:
    """A saved model and its loaded transformers pipeline. Not the place of any execution."""

    saved: SavedModel
    pipeline: Any
    """A `transformers.Pipeline`."""
    config: Mapping[str, Any]
    """The model_config after overrides."""
    encoder: TextEncoder | None
    """None where the pipeline has no tokenizer."""
    limits: Limits = Limits()
    unknown_params: Unknown = Unknown.DROP

    def options(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The options of a call with these request parameters, and warnings: see `params.merge`."""
        return params.merge(self.config, self.saved.params_schema, request, self.unknown_params)

    def fill(self, text: str) -> str:
        """The text in the model's prompt template, if it has one."""
        return template.fill(self.saved.prompt_template, text)
