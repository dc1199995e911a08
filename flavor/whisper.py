"""Whisper's own keywords of `generate`, beside those that every model takes, and what each may be."""

from collections.abc import Mapping
from typing import Any

from savor.flavor.errors import InvalidInput
from savor.flavor.options import Rule, check_values, is_boolean, is_text

_NAMED = 8
"""Languages that an error names; Whisper knows a hundred."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_temperature(value: Any) -> bool:
    steps = value if isinstance(value, list | tuple) else [value]
    return bool(steps) and all(_is_number(step) and step >= 0 for step in steps)


OPTIONS: Mapping[str, Rule] = {
    "language": (is_text, "a language's name or code"),
    "task": (is_text, "transcribe or translate"),
    "temperature": (_is_temperature, "0 or more, or a list of such to fall back along"),
    "condition_on_prev_tokens": (is_boolean, "true or false"),
    "compression_ratio_threshold": (_is_number, "a number"),
    "logprob_threshold": (_is_number, "a number"),
    "no_speech_threshold": (_is_number, "a number"),
}
"""Keywords of Whisper's own generate, with what they may be."""


def check(options: Mapping[str, Any], config: Any) -> None:
    """Raises InvalidInput for values that the model's `generate` can't have; `config` is its GenerationConfig."""
    from transformers.models.whisper.tokenization_whisper import TASK_IDS

    check_values(options, OPTIONS)
    spoken = {key: options[key] for key in ("language", "task") if options.get(key) is not None}
    if spoken and not getattr(config, "is_multilingual", True):
        raise InvalidInput.at(f"parameters.{next(iter(spoken))}", "the model knows English only: leave it out")
    if "language" in spoken:
        _check_language(spoken["language"], config)
    if spoken.get("task", "transcribe") not in TASK_IDS:
        raise InvalidInput.at("parameters.task", f"is {spoken['task']!r:.80}; it must be {' or '.join(TASK_IDS)}")


def _check_language(language: str, config: Any) -> None:
    """A language by its token, its name or its code, as `generate` reads it, that the model has a token for."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

    tokens = getattr(config, "lang_to_id", None) or {f"<|{code}|>": None for code in LANGUAGES}
    asked = language.lower()
    if asked in tokens or f"<|{TO_LANGUAGE_CODE.get(asked, asked)}|>" in tokens:
        return
    names = [name for code, name in LANGUAGES.items() if f"<|{code}|>" in tokens]
    known = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    raise InvalidInput.at("parameters.language", f"{language!r:.80} is no language that the model knows: {known}")
