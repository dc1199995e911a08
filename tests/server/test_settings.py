"""Reading the settings: default < file < environment < flag; errors name the setting and the nearest known one."""

import os
from pathlib import Path
from typing import Any

import pydantic
import pytest

from savor.accel.plan import Accel
from savor.flavor.params import Unknown
from savor.server.config import ModelSettings, Settings
from savor.server.settings import SettingsError, read_settings, walk


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SAVOR_")]:
        monkeypatch.delenv(name)


def _file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "savor.toml"
    file.write_text(text)
    return file


PORTS = [
    pytest.param("", {}, {}, 8500, id="the default"),
    pytest.param("[server]\nport = 1", {}, {}, 1, id="the file over the default"),
    pytest.param("[server]\nport = 1", {"SAVOR_SERVER__PORT": "2"}, {}, 2, id="the environment over the file"),
    pytest.param("[server]\nport = 1", {"SAVOR_SERVER__PORT": "2"}, {"port": 3}, 3, id="a flag over the environment"),
    pytest.param("[server]\nport = 1", {}, {"port": 3}, 3, id="a flag over the file"),
    pytest.param("[server]\nport = 1", {"SAVOR_SERVER__PORT": "2"}, {"port": None}, 2, id="a flag that is not given"),
    pytest.param("", {"SAVOR_SERVER": '{"port": 4}'}, {}, 4, id="a whole section as JSON"),
    pytest.param(
        "", {"SAVOR_SERVER": '{"port": 4}', "SAVOR_SERVER__PORT": "5"}, {}, 5, id="a setting over its section"
    ),
]


@pytest.mark.parametrize(("file", "environment", "flags", "port"), PORTS)
def test_precedence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    environment: dict[str, str],
    flags: dict[str, Any],
    port: int,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_settings(_file(tmp_path, file), {"server": flags}).server.port == port


def test_sources_fill_in_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _file(tmp_path, 'log_level = "debug"\n[server]\nhost = "0.0.0.0"\nport = 1\ngrace_s = 7')
    monkeypatch.setenv("SAVOR_SERVER__PORT", "2")
    settings = read_settings(file, {"server": {"grace_s": 9}})
    assert (settings.server.host, settings.server.port, settings.server.grace_s) == ("0.0.0.0", 2, 9)
    assert settings.log_level == "debug"
    assert settings.server.drain_delay_s == 3.0


def test_without_a_file() -> None:
    settings = read_settings(None, {"server": {"host": None}, "mlflow": {}})
    assert settings.model_dump() == read_settings(None, {}).model_dump()
    assert (settings.server.host, settings.models, settings.threads) == ("127.0.0.1", (), None)


def test_models_from_a_file(tmp_path: Path) -> None:
    text = """
    [[models]]
    uri = "models:/a/1"
    device = "cuda:1"
    accel = "onnx"
    precision = "fp16"
    provider = "tensorrt"
    unknown_parameters = "reject"
    allow_pickle = true
    model_config = { max_new_tokens = 5, stop = ["x"] }
    limits = { max_inputs = 3, uri_prefixes = ["file:///data/"] }
    [models.batch]
    max_items = 2

    [[models]]
    uri = "b"
    name = "second"
    """
    first, second = read_settings(_file(tmp_path, text), {}).models
    assert (first.uri, first.device, first.unknown_parameters) == ("models:/a/1", "cuda:1", Unknown.REJECT)
    assert (first.accel, first.precision, first.provider) == (Accel.ONNX, "fp16", "tensorrt")
    assert (second.accel, second.precision, second.provider) == (Accel.AUTO, None, None)
    assert first.overrides == {"max_new_tokens": 5, "stop": ["x"]}
    assert (first.limits.max_inputs, first.limits.uri_prefixes) == (3, ("file:///data/",))
    assert (first.allow_pickle, first.allow_code) == (True, False)
    assert first.batch.max_items == 2
    assert (second.uri, second.name, second.device) == ("b", "second", "auto")


def test_models_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVOR_MODELS", '[{"uri": "a"}, {"uri": "b", "name": "c"}]')
    assert [(model.uri, model.name) for model in read_settings(None, {}).models] == [("a", None), ("b", "c")]


def test_models_of_a_flag_are_instead_of_those_of_the_file(tmp_path: Path) -> None:
    file = _file(tmp_path, '[[models]]\nuri = "a"')
    assert [model.uri for model in read_settings(file, {"models": [{"uri": "b"}]}).models] == ["b"]


def test_settings_do_not_change() -> None:
    settings = read_settings(None, {"models": [{"uri": "a"}]})
    for section, name in (
        (settings, "log_level"),
        (settings.server, "port"),
        (settings.models[0].limits, "max_inputs"),
    ):
        with pytest.raises(pydantic.ValidationError):
            setattr(section, name, getattr(section, name))


UNKNOWN = [
    pytest.param("[sever]\nport = 1", "sever", "server", id="a section"),
    pytest.param("[server]\nprot = 1", "server.prot", "port", id="a setting of a section"),
    pytest.param("log_levle = 'info'", "log_levle", "log_level", id="a setting at the top"),
    pytest.param("[[models]]\nuri = 'a'\nnmae = 'b'", "models.0.nmae", "name", id="a model's setting"),
    pytest.param(
        "[[models]]\nuri = 'a'\nlimits = {max_input = 1}", "models.0.limits.max_input", "max_inputs", id="deep"
    ),
    pytest.param("[server.tls]\ncert = 'a'", "server.tls.cert", "certificate", id="an abbreviation"),
]


@pytest.mark.parametrize(("text", "path", "nearest"), UNKNOWN)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, path: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(_file(tmp_path, text), {})
    assert str(caught.value) == f"{path} is not a setting; did you mean {nearest}?"


@pytest.mark.parametrize("key", ["name", "uri", "key"])
def test_a_setting_of_another_section_is_not_its_own_nearest(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(_file(tmp_path, f"[server]\n{key} = 'a'"), {})
    assert f"did you mean {key}?" not in str(caught.value)


def test_an_unknown_key_that_is_like_no_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(_file(tmp_path, "zzz = 1"), {})
    assert str(caught.value) == "zzz is not a setting"


def test_an_unknown_flag(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"server\.prot is not a setting; did you mean port\?"):
        read_settings(None, {"server": {"prot": 1}})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        pytest.param("SAVOR_SERVER__PROT", "SAVOR_SERVER__PORT", id="a misspelt one"),
        pytest.param("SAVOR_SERVER_PORT", "SAVOR_SERVER__PORT", id="one underscore too few"),
        pytest.param("SAVOR_LOGLEVEL", "SAVOR_LOG_LEVEL", id="one underscore less"),
        pytest.param("SAVOR_SERVER__TLS__CERTIFICAT", "SAVOR_SERVER__TLS__CERTIFICATE", id="a deep one"),
    ],
)
def test_an_unknown_variable(monkeypatch: pytest.MonkeyPatch, name: str, nearest: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError) as caught:
        read_settings(None, {})
    assert str(caught.value) == f"{name} is not a setting; did you mean {nearest}?"


def test_every_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVOR_ONE", "1")
    monkeypatch.setenv("SAVOR_TWO", "1")
    with pytest.raises(SettingsError) as caught:
        read_settings(None, {})
    assert [line.split()[0] for line in sorted(str(caught.value).splitlines())] == ["SAVOR_ONE", "SAVOR_TWO"]


@pytest.mark.parametrize("name", ["SAVOR_TARGET", "SAVOR_CACHE_DIR", "OTHER_SERVER__PROT"])
def test_variables_that_are_no_settings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    read_settings(None, {})


WRONG = [
    pytest.param("[server]\nport = 'many'", "server.port", "'many'", id="text for a number"),
    pytest.param("[server]\nport = 70000", "server.port", "70000", id="a port that there is not"),
    pytest.param("[server]\nport = -1", "server.port", "-1", id="a negative port"),
    pytest.param("[server]\ndefault_timeout_s = 0", "server.default_timeout_s", "0", id="no time"),
    pytest.param("[server]\ngrace_s = -1", "server.grace_s", "-1", id="less than no time"),
    pytest.param("server = 3", "server", "3", id="a number for a section"),
    pytest.param("log_level = 'loud'", "log_level", "'loud'", id="a level that there is not"),
    pytest.param("threads = 0", "threads", "0", id="no threads"),
    pytest.param("[[models]]\nname = 'a'", "models.0.uri", "required", id="a model without a uri"),
    pytest.param("[[models]]\nuri = 'a'\ndevice = 'tpu'", "models.0.device", "'tpu'", id="a device that there is not"),
    pytest.param("[[models]]\nuri = 'a'\naccel = 'fast'", "models.0.accel", "'fast'", id="a way that there is not"),
    pytest.param("[[models]]\nuri = 'a'\nprecision = 'fp8'", "models.0.precision", "'fp8'", id="no such precision"),
    pytest.param("[[models]]\nuri = 'a'\nprovider = 'rocm'", "models.0.provider", "'rocm'", id="no such provider"),
    pytest.param("[cache]\nmax_bytes = 0", "cache.max_bytes", "0", id="a cache without room"),
    pytest.param(
        "[[models]]\nuri = 'a'\nunknown_parameters = 'x'",
        "models.0.unknown_parameters",
        "'x'",
        id="a rule there is not",
    ),
    pytest.param(
        "[[models]]\nuri = 'a'\nbatch = {overhead_tokens = -1}",
        "models.0.batch.overhead_tokens",
        "-1",
        id="fewer than none",
    ),
    pytest.param("[[models]]\nuri = 'a'\nlimits = {max_inputs = 0}", "models.0.limits.max_inputs", "0", id="no inputs"),
]


@pytest.mark.parametrize(("text", "path", "word"), WRONG)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, path: str, word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(_file(tmp_path, text), {})
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert word in line


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = "threads = 0\n[server]\nport = 'x'\nprot = 1"
    with pytest.raises(SettingsError) as caught:
        read_settings(_file(tmp_path, text), {})
    assert {line.split()[0].rstrip(":") for line in str(caught.value).splitlines()} == {
        "threads",
        "server.port",
        "server.prot",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("SAVOR_SERVER__PORT", "many", id="text for a number"),
        pytest.param("SAVOR_MODELS", "models:/a/1", id="models that are not JSON"),
        pytest.param("SAVOR_SERVER", "{port: 1}", id="a section that is not JSON"),
        pytest.param("SAVOR_SERVER", "3", id="a section that is a number"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"(?i)server|models"):
        read_settings(None, {})


@pytest.mark.parametrize(
    "content", [b"server = [", b"\xff\xfe", b"a = 1\na = 2"], ids=["half a list", "not UTF-8", "a key twice"]
)
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "savor.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"savor\.toml is not TOML"):
        read_settings(file, {})


EVERY = [pytest.param(path, field, id=".".join(path)) for path, field in walk(Settings)]


@pytest.mark.parametrize(("path", "field"), EVERY)
def test_every_setting_is_described(path: tuple[str, ...], field: Any) -> None:
    assert field.description
    assert field.description.endswith((".", ")"))
    if path[-1].endswith("_s"):
        assert "econds" in field.description


def test_walking_finds_settings_of_every_depth() -> None:
    paths = {path for path, _ in walk(Settings)}
    assert {
        ("log_level",),
        ("server", "tls", "certificate"),
        ("models[]", "uri"),
        ("models[]", "model_config"),
        ("models[]", "limits", "max_inputs"),
    } <= paths
    assert not {("server",), ("models",), ("models[]", "overrides")} & paths


def test_limits_are_those_of_the_flavor() -> None:
    from savor.flavor.limits import Limits

    assert Limits(**ModelSettings(uri="a").limits.model_dump()) == Limits()
