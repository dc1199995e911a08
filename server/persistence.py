"""Weights for a saved model that only refers to the Hugging Face hub, through MLflow, beside the model in its store."""

from dataclasses import dataclass, replace

from savor.flavor import saved, trust
from savor.flavor.checkpoint import first_line
from savor.flavor.errors import LoadRefused
from savor.flavor.trust import Trust
from savor.server.config import MlflowSettings
from savor.server.resolve import Source, resolve

_UPLOADED = ("model/", "components/", "MLmodel")


@dataclass(frozen=True)
class Persisted:
    """Where the weights are now. `uploaded` is empty where the model had them already."""

    place: str
    uploaded: tuple[str, ...]


def persist(uri: str, trusted: Trust, settings: MlflowSettings) -> Persisted:
    """Gives a model its weights. Raises LoadRefused where it can't be read, isn't allowed, or the hub can't be asked.

    `trusted` is what loading it may do; contacting the hub is what this is for.
    """
    source = resolve(uri, settings)
    model, place = saved.read(source.path), _place(uri, source)
    if model.adapter is not None:
        # MLflow would save the base model with the adapter's layers in it, and load its own layers untrained.
        raise LoadRefused("MLflow can't persist a model with an adapter: log it again with its base model as a folder")
    if model.reference is None:
        return Persisted(place, ())
    trust.check(model, replace(trusted, allow_hub=True))
    _download(place, model.reference)
    return Persisted(place, _UPLOADED)


def _place(uri: str, source: Source) -> str:
    """Where the model's files are: MLflow writes to no `models:/NAME/VERSION`, but to what that version was made of."""
    from mlflow import MlflowClient

    return str(MlflowClient().get_model_version_download_uri(source.name, source.version)) if source.version else uri


def _download(place: str, reference: str) -> None:
    import mlflow.transformers

    try:
        mlflow.transformers.persist_pretrained_model(place)
    except Exception as error:
        # The hub's client, transformers and the artifact store all raise errors of their own.
        why = f"{type(error).__name__}: {first_line(error)}"
        raise LoadRefused(f"the weights of {reference} can't be fetched from the hub and stored: {why}") from error
