"""What one request may hold at most, checked before any work is spent on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from savor.flavor.errors import InvalidInput


@dataclass(frozen=True)
class Limits:
    """Ceilings of one model, set by the operator."""

    max_inputs: int = 1024
    max_text_chars: int = 1_000_000
    max_new_tokens: int = 4096
    max_sequences: int = 16
    max_audio_s: float = 1800.0
    max_image_pixels: int = 50_000_000
    uri_prefixes: tuple[str, ...] = ()

    def check_inputs(self, inputs: Sequence[object]) -> None:
        """Raises InvalidInput where there are no inputs or too many."""
        if not inputs:
            raise InvalidInput.at("inputs", "is empty; give at least one")
        if len(inputs) > self.max_inputs:
            raise InvalidInput.at("inputs", f"has {len(inputs)} entries; this server takes {self.max_inputs}")

    def check_texts(self, texts: Sequence[str]) -> None:
        """Raises InvalidInput where there are no inputs or too many, or one is too long to be read."""
        self.check_inputs(texts)
        for index, text in enumerate(texts):
            self.check_text(f"inputs[{index}]", text)

    def check_text(self, field: str, text: str) -> None:
        """Raises InvalidInput where a text is too long to be read."""
        if len(text) > self.max_text_chars:
            problem = f"has {len(text):,} characters; this server takes {self.max_text_chars:,}"
            raise InvalidInput.at(field, problem)
