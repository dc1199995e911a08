"""What every test may use: no hub, quiet libraries, a cache of compiled models, and servers with real models behind real channels."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from collections.abc import Callable, Iterator

import hypothesis
import pytest

from savor.client import Client, connect
from tests import compiling
from tests.serving import Serving

# In this process and in those that tests start: nobody's own cache is touched, and one export serves all.
os.environ["SAVOR_CACHE__DIR"] = str(compiling.FOLDER)

# CI tries the same examples each time, so that what fails there fails for its own change; elsewhere they vary.
hypothesis.settings.register_profile("savor", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("savor")


@pytest.fixture(scope="session")
def serving() -> Iterator[Callable[..., Serving]]:
    """Starts servers in this process, each once for the whole run: `serving("classifier", "encoder")`."""
    running: dict[object, Serving] = {}

    def serve(*names: str, **settings: object) -> Serving:
        key = (names, repr(sorted(settings.items())))
        if key not in running:
            running[key] = Serving(names, settings)
            running[key].start()
        return running[key]

    yield serve
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def families(serving: Callable[..., Serving]) -> Serving:
    """A server with a tiny model of every family."""
    return serving("classifier", "classifier-with-params", "encoder", "generator", "ctc")


@pytest.fixture(scope="session")
def client(families: Serving) -> Iterator[Client]:
    """A client of `families`."""
    with connect(families.target) as connected:
        yield connected
