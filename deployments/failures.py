"""The only table from a call's failure to MLflow's error codes: nothing but an MlflowException leaves the plugin."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from savor.client import SavorError

_CODES: Mapping[str, int] = {
    "INVALID_ARGUMENT": codes.INVALID_PARAMETER_VALUE,
    # A model that another RPC serves: the caller asked for the wrong thing.
    "FAILED_PRECONDITION": codes.INVALID_PARAMETER_VALUE,
    "NOT_FOUND": codes.RESOURCE_DOES_NOT_EXIST,
    "UNAVAILABLE": codes.TEMPORARILY_UNAVAILABLE,
    "RESOURCE_EXHAUSTED": codes.RESOURCE_EXHAUSTED,
    "DEADLINE_EXCEEDED": codes.DEADLINE_EXCEEDED,
    "CANCELLED": codes.CANCELLED,
    "UNAUTHENTICATED": codes.UNAUTHENTICATED,
    "PERMISSION_DENIED": codes.PERMISSION_DENIED,
    "UNIMPLEMENTED": codes.NOT_IMPLEMENTED,
}


@contextmanager
def as_mlflow() -> Iterator[None]:
    """Raises what a call of the client fails with as MLflow's exception; arguments that it can't send too."""
    try:
        yield
    except SavorError as error:
        raise MlflowException(error.message or error.code, _CODES.get(error.code, codes.INTERNAL_ERROR)) from error
    except (TypeError, ValueError) as error:
        raise unusable(str(error)) from error


def unusable(sentence: str) -> MlflowException:
    """The exception for what the caller gave."""
    return MlflowException(sentence, codes.INVALID_PARAMETER_VALUE)


def configured(what: str) -> MlflowException:
    """The exception for what only the server's own configuration does."""
    sentence = (
        f"{what} is not done from here: a Savor server serves what its configuration names (`savor serve --help`)"
    )
    return MlflowException(sentence, codes.NOT_IMPLEMENTED)
