"""Every setting of the server, with its unit and range. Default < TOML file < `SAVOR_*` environment < flag; read once.

Nested settings follow the rooms: `[server]`, `[mlflow]`, and one `[[models]]` table for each model. In the environment
a double underscore goes one level down: `SAVOR_SERVER__PORT=9000`.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from savor.accel.plan import Accel
from savor.flavor.params import Unknown

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class LimitSettings(_Section):
    """What one request may hold at most."""

    max_inputs: Count = Field(1024, description="Inputs of one request, 1 or more.")
    max_text_chars: Count = Field(1_000_000, description="Characters of one text, 1 or more.")
    max_new_tokens: Count = Field(4096, description="Tokens that a request may ask for in one sequence, 1 or more.")
    max_sequences: Count = Field(16, description="Sequences of one input, and beams, 1 or more.")
    max_audio_s: Annotated[float, Field(gt=0)] = Field(1800.0, description="Seconds of one recording, above 0.")
    max_image_pixels: Count = Field(50_000_000, description="Pixels of one image, width times height, 1 or more.")
    uri_prefixes: tuple[str, ...] = Field(
        (),
        description="URLs below which recordings and images may be read: `file:///data/`, `https://host/path/`. "
        "None by default.",
    )


class BatchSettings(_Section):
    """How items are batched. There is no timer: a batch is what gathered while the model was busy."""

    max_tokens: Count | None = Field(
        None,
        description="Tokens of one batch, padding included, 1 or more. "
        "Default: 128 for each thread on a CPU and 16384 on a GPU; where tokens are generated 4096 and 131072.",
    )
    max_items: Count = Field(64, description="Items of one batch, 1 or more.")
    overhead_tokens: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="What a batch costs beside its tokens, in tokens, 0 or more: the more it is, the more padding "
        "pays. Default: for each thread 12 with ONNX Runtime on a CPU, 16 with torch there; 4096 on a GPU; no end "
        "where tokens are generated.",
    )
    queue_items: Count = Field(4096, description="Items that may wait for one model; beyond, calls are refused.")


class ModelSettings(_Section):
    """One model to serve."""

    uri: str = Field(
        description="A folder, `runs:/RUN/NAME`, `models:/NAME/VERSION`, `models:/NAME@ALIAS` or any artifact URI."
    )
    name: str | None = Field(
        None, description="The name that requests use. Default: the registered or the folder's name."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="`auto` (the first GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.",
    )
    threads: Count | None = Field(
        None, description="Threads of this model's computation, 1 or more. Default: the server's."
    )
    base_model: Path | None = Field(
        None, description="Where an adapter's base model is on this machine. Default: where it was at saving."
    )
    accel: Accel = Field(
        Accel.AUTO,
        description="`auto` (ONNX where the model can be exported and is verified, else eager), `onnx`, `compile` "
        "(torch.compile) or `eager`; `onnx` and `compile` refuse a model that can't be, or that differs from eager.",
    )
    precision: Literal["fp32", "fp16", "bf16", "int8"] | None = Field(
        None, description="What the model computes in; int8 with ONNX only. Default: the type that MLflow recorded."
    )
    provider: Literal["cpu", "cuda", "tensorrt"] | None = Field(
        None, description="ONNX Runtime's execution provider. Default: that of the device."
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        alias="model_config",
        description="Values for keys of the saved model_config; as in MLflow, only keys that were saved count.",
    )
    unknown_parameters: Unknown = Field(
        Unknown.DROP,
        description="What happens to request parameters outside the model's signature: "
        "`drop` with a warning (MLflow's rule), `reject`, or `allow`.",
    )
    allow_code: bool = Field(False, description="Run the Python code that the model brings in its code folder.")
    allow_loader: bool = Field(False, description="Load with the loader module that MLmodel names.")
    allow_remote_code: bool = Field(False, description="Run model classes that transformers does not have.")
    allow_pickle: bool = Field(False, description="Unpickle weights that are not safetensors.")
    allow_hub: bool = Field(False, description="Contact the Hugging Face hub. One model that may lets the process.")
    limits: LimitSettings = Field(LimitSettings(), description="What one request may hold.")
    batch: BatchSettings = Field(BatchSettings(), description="How items are batched.")


class TlsSettings(_Section):
    """TLS for the server's port; both files, or none for plain text."""

    certificate: Path | None = Field(None, description="PEM file of the server's certificate chain.")
    key: Path | None = Field(None, description="PEM file of its private key.")
    client_ca: Path | None = Field(None, description="PEM file of the CA that callers' certificates must come from.")


class ServerSettings(_Section):
    """The gRPC server."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` or `[::]` for all.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8500, description="Port, 0 to 65535; 0 picks a free one.")
    max_message_bytes: Count = Field(64 * 1024 * 1024, description="The largest request and response, in bytes.")
    default_timeout_s: Annotated[float, Field(gt=0)] = Field(
        300.0, description="Seconds for a call whose client set no deadline, above 0."
    )
    drain_delay_s: Seconds = Field(
        3.0,
        description="Seconds between NOT_SERVING and refusing calls at shutdown, 0 or more; "
        "longer than the mesh's health interval.",
    )
    grace_s: Seconds = Field(30.0, description="Seconds that calls may still take after that, 0 or more.")
    max_connection_age_s: Seconds = Field(
        0.0, description="Seconds after which a connection is renewed, so that balancers spread load; 0 for never."
    )
    tls: TlsSettings = Field(TlsSettings(), description="TLS.")


class MlflowSettings(_Section):
    """Where MLflow finds models."""

    tracking_uri: str | None = Field(None, description="MLflow's tracking URI. Default: MLFLOW_TRACKING_URI.")
    registry_uri: str | None = Field(None, description="MLflow's registry URI. Default: the tracking URI.")


def _expanded(path: Path) -> Path:
    """`~` is the home folder, and `~/.cache` what XDG_CACHE_HOME names, where it is set."""
    xdg = os.environ.get("XDG_CACHE_HOME")
    if xdg and path.parts[:2] == ("~", ".cache"):
        return Path(xdg, *path.parts[2:])
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("the home folder is not known: give a folder without ~") from error


class CacheSettings(_Section):
    """Where compiled models are kept."""

    dir: Annotated[Path, AfterValidator(_expanded)] = Field(
        Path("~/.cache/savor/compiled"),
        validate_default=True,
        description="The folder of compiled models, which any number of servers may share. `~/.cache` is "
        "XDG_CACHE_HOME where that is set.",
    )
    max_bytes: Count = Field(
        20_000_000_000,
        description="Bytes that they may take together, 1 or more; those that were used last stay.",
    )


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="SAVOR_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    models: tuple[ModelSettings, ...] = Field((), description="The models to serve, in this order.")
    server: ServerSettings = Field(ServerSettings(), description="The gRPC server.")
    mlflow: MlflowSettings = Field(MlflowSettings(), description="Where MLflow finds models.")
    cache: CacheSettings = Field(default_factory=CacheSettings, description="Where compiled models are kept.")
    threads: Count | None = Field(
        None,
        description="Threads that each model's computation takes, 1 or more. "
        "Default: the CPUs that this process may use, by its affinity and its cgroup's quota.",
    )
    tracing: bool = Field(False, description="Make an OpenTelemetry span of each call; needs the extra `otel`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *sources: Any, **named: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file."""
        file = TomlConfigSettingsSource(settings_cls, settings_cls.model_config.get("toml_file"))
        return (init_settings, named["env_settings"], file)
