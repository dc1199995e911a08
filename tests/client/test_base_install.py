"""The client runs where nothing but its own dependencies is installed."""

import subprocess
import sys

import grpc

from tests.client.serving import Script, failing

# typing_extensions is grpcio's own dependency.
PROGRAM = """
import sys

ALLOWED = sys.stdlib_module_names | {"grpc", "google", "grpc_status", "savor", "typing_extensions"}


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED or name.startswith(("savor.server", "savor.flavor", "savor.accel")):
            raise ModuleNotFoundError(f"{name} is outside the base install", name=name)


sys.meta_path.insert(0, Refuse())

import savor.client

with savor.client.connect(sys.argv[1], retries=0) as client:
    try:
        client.list_models()
    except savor.client.NotFound as error:
        print(error)
heavy = {"torch", "mlflow", "transformers", "numpy", "pydantic"} & sys.modules.keys()
print(sorted(heavy))
"""


def test_the_base_install_suffices(script: Script) -> None:
    script.answers["ListModels"] = failing(grpc.StatusCode.NOT_FOUND, "Gone.")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, script.target], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("Gone. [NOT_FOUND]\n[]\n", "", 0)
