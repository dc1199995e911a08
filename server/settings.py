"""Reading the settings once, with errors that name the setting and the nearest known one."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from savor.server.config import Settings

_PREFIX = "SAVOR_"
_NO_SETTINGS = frozenset({"SAVOR_TARGET", "SAVOR_CACHE_DIR"})
"""Variables of the same prefix that name no setting: the server that `savor call` calls, and the demo's cache."""


class SettingsError(ValueError):
    """A setting that can't be used. The text has a line for each."""


def read_settings(file: Path | None, flags: Mapping[str, Any]) -> Settings:
    """The settings from a TOML file, the environment and flags (nested mappings, None values left out).

    Raises SettingsError with every setting at fault.
    """
    _check_environment()

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile(**_given(flags))
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None
    except SourceError as error:
        # What pydantic-settings can't read as JSON; its cause has the place.
        raise SettingsError(f"{error}: {error.__cause__}") from None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    nested = {key: _given(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in nested.items() if value is not None and value != {}}


def _lines(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{path} is not a setting{_nearest(str(problem['loc'][-1]), _known_names())}"
        else:
            yield f"{path}: {problem['msg']} (given: {problem['input']!r:.80})"


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, [other for other in known if other != name], 1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _known_names() -> list[str]:
    return sorted({part for path, _ in walk(Settings) for part in path})


def walk(section: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting as (path, pydantic's FieldInfo), sections before what is in them; a list of tables gets `[]`."""
    for name, field in section.model_fields.items():
        shown = field.alias or name
        inner = field.annotation
        many = getattr(inner, "__args__", (None,))[0] if getattr(inner, "__origin__", None) is tuple else None
        for kind, label in ((inner, shown), (many, f"{shown}[]")):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from walk(kind, (*path, label))
                break
        else:
            yield (*path, shown), field


def _check_environment() -> None:
    """pydantic-settings passes over variables that name no setting; a typing error should not go unseen."""
    known = {_PREFIX + "__".join(path).upper() for path, _ in walk(Settings) if "[]" not in path[0]} | {
        _PREFIX + "MODELS"
    }
    sections = {name.rsplit("__", 1)[0] for name in known if "__" in name}
    strangers = [
        name for name in os.environ if name.startswith(_PREFIX) and name not in known | sections | _NO_SETTINGS
    ]
    if strangers:
        raise SettingsError("\n".join(f"{name} is not a setting{_nearest(name, sorted(known))}" for name in strangers))
