"""A loaded model with everything that a family needs to prepare and decode calls."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from savor.flavor import params, payload, template
from savor.flavor.encoding import TextEncoder
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.saved import SavedModel

MadeT = TypeVar("MadeT")


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
    has_position_table: bool = False
    """Whether the model looks its positions up, so that there is no going on beyond the last."""
    limits: Limits = Limits()
    unknown_params: Unknown = Unknown.DROP
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _making: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False, compare=False)

    def options(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The options of a call with these request parameters, and warnings: see `params.merge` and `payload`."""
        schema = self.saved.params_schema
        if not self.saved.inference_task:
            return params.merge(self.config, schema, request, self.unknown_params)
        asked, warnings = params.merge({}, schema, payload.renamed(request), self.unknown_params)
        # MLflow runs an embeddings model with no options at all.
        config = {} if self.saved.inference_task == payload.EMBEDDINGS else payload.renamed(self.config)
        return config | payload.renamed(asked), warnings

    def once(self, make: Callable[["Artifact"], MadeT]) -> MadeT:
        """What a function makes of this artifact: made at the first asking, the same for every thread after it."""
        with self._making:
            if make not in self._made:
                self._made[make] = make(self)
            made: MadeT = self._made[make]
        return made

    def fill(self, text: str) -> str:
        """The text in the model's prompt template, if it has one."""
        return template.fill(self.saved.prompt_template, text)
