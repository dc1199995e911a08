"""Generated tokens to text under the rules of MLflow and transformers, for whole sequences and for growing ones.

The rules keep one promise to streams: the text of a growing sequence is always a beginning of its final text. What may
still change (half a character, the start of a stop text, a space that clean-up may take away) is held back.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from savor.flavor.encoding import TextEncoder
from savor.flavor.item import Array

INSTRUCTIONAL = "InstructionTextGenerationPipeline"
"""The recorded pipeline class to which MLflow's prompt stripping applies."""

_UNSETTLED = re.compile(r"(?:\ufffd+|\s+n(?:'t?)?|\s*'(?:m|s|v|ve|r|re)?|\s+)$")
"""An end of text that decoding more tokens may change: transformers' clean-up removes spaces around such endings."""


class FinishReason(Enum):
    """Why a sequence ended."""

    END_TOKEN = "end_token"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"


@dataclass(frozen=True)
class Prompt:
    """A prompt in its template, with those of its tokens that a sequence starts with and the length of their text.

    What an encoder reads is no part of the sequences: then `tokens` is empty. `token_count` counts it all the same.
    """

    text: str
    tokens: tuple[int, ...]
    decoded_chars: int
    token_count: int


@dataclass(frozen=True)
class Reply:
    """What a sequence says so far. `finish_reason` is None while it grows."""

    text: str
    finish_reason: FinishReason | None
    token_count: int


@dataclass(frozen=True)
class TextRules:
    """How a call's tokens are turned into text.

    `full_text` puts the prompt in front, `strip_prompt` is MLflow's include_prompt=False for instructional pipelines,
    `collapse` its collapse_whitespace.
    """

    encoder: TextEncoder
    end_tokens: frozenset[int] = frozenset()
    stop: tuple[str, ...] = ()
    full_text: bool = True
    strip_prompt: bool = False
    collapse: bool = False
    skip_special_tokens: bool = True
    clean_up_spaces: bool = True

    def prompt(self, text: str, tokens: Sequence[int]) -> Prompt:
        """A prompt ready for `reply`."""
        return Prompt(text, tuple(tokens), len(self._decode(tokens)), len(tokens))

    def reply(self, prompt: Prompt, tokens: Array, *, done: bool) -> Reply:
        """The text of `tokens` (int64, shape (generated,)), the whole of it where the sequence is done."""
        whole = self._whole(prompt, tokens)
        text = whole[prompt.decoded_chars :]
        stopped = min((at for at in map(text.find, self.stop) if at >= 0), default=None)
        done = done or stopped is not None
        text = text[:stopped] if done else self._settled(whole)[prompt.decoded_chars :]
        return Reply(self._shape(prompt.text, text, done), self._reason(tokens, done, stopped), len(tokens))

    def stops(self, prompt: Prompt) -> Callable[[Array], bool] | None:
        """Whether a stop text has come up in the tokens behind a prompt; None where the call has no stop texts."""
        if not self.stop:
            return None

        def stops(tokens: Array) -> bool:
            text = self._whole(prompt, tokens)[prompt.decoded_chars :]
            return any(stop in text for stop in self.stop)

        return stops

    def _whole(self, prompt: Prompt, tokens: Array) -> str:
        """A sequence decoded with its prompt, as the pipeline does it: clean-up looks across the border."""
        return self._decode([*prompt.tokens, *tokens.tolist()])

    def _decode(self, tokens: Sequence[int]) -> str:
        with self.encoder.borrow() as tokenizer:
            return str(
                tokenizer.decode(
                    tokens,
                    skip_special_tokens=self.skip_special_tokens,
                    clean_up_tokenization_spaces=self.clean_up_spaces,
                )
            )

    def _settled(self, text: str) -> str:
        """The text without an end that more tokens may change, or that may be the beginning of a stop text."""
        ends = [text, _UNSETTLED.sub("", text)]
        return min((end[: len(end) - overlap(end, stop)] for end in ends for stop in (*self.stop, "")), key=len)

    def _reason(self, tokens: Array, done: bool, stopped: int | None) -> FinishReason | None:
        if not done:
            return None
        if stopped is not None:
            return FinishReason.STOP_SEQUENCE
        ended = len(tokens) > 0 and int(tokens[-1]) in self.end_tokens
        return FinishReason.END_TOKEN if ended else FinishReason.LENGTH

    def _shape(self, prompt: str, generated: str, done: bool) -> str:
        """MLflow's instructional rules: see `_strip_input_from_response_in_instruction_pipelines` there."""
        text = prompt + generated if self.full_text else generated
        if self.strip_prompt:
            text = _without_prompt(prompt, text, done)
        # Stripping the end would be undone by what follows, so only a finished text loses its last spaces.
        return re.sub(r"\s+", " ", text).strip() if self.collapse else text


def _without_prompt(prompt: str, text: str, done: bool) -> str:
    head = prompt + "\n\n"
    if not text.startswith(head):
        return "" if head.startswith(text) and not done else text
    answer = text[len(head) :].lstrip()
    if not done and answer in ("", "A", "A:"):
        return ""
    return answer[2:].lstrip() if answer.startswith("A:") else answer


def overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    longest = min(len(text), max(len(stop) - 1, 0))
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


def rules(options: dict[str, Any], encoder: TextEncoder, instance_type: str) -> TextRules:
    """The rules of a decoder's call; takes what is about text out of `options`, what stays is for generation.

    include_prompt and collapse_whitespace are MLflow's own and never reach the pipeline.
    """
    include_prompt = options.pop("include_prompt", True)
    full_text = options.pop("return_full_text", None)
    skip = options.pop("skip_special_tokens", None)
    clean_up = options.pop("clean_up_tokenization_spaces", None)
    return TextRules(
        encoder,
        full_text=True if full_text is None else bool(full_text),
        strip_prompt=not include_prompt and instance_type == INSTRUCTIONAL,
        collapse=bool(options.pop("collapse_whitespace", False)),
        skip_special_tokens=True if skip is None else bool(skip),
        clean_up_spaces=True if clean_up is None else bool(clean_up),
    )


def encoder_decoder_rules(options: dict[str, Any], encoder: TextEncoder) -> TextRules:
    """As `rules` for models that write apart from what they read; MLflow's own two options do nothing for them."""
    for name in ("include_prompt", "collapse_whitespace"):
        options.pop(name, None)
    return TextRules(encoder, full_text=False, clean_up_spaces=bool(options.pop("clean_up_tokenization_spaces", None)))


def end_tokens(options: Mapping[str, Any], config: Any) -> frozenset[int]:
    """The ids of the tokens that end a sequence."""
    ids = options.get("eos_token_id", config.eos_token_id)
    return frozenset([ids] if isinstance(ids, int) else ids or ())
