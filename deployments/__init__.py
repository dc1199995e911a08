"""MLflow's deployments plugin `savor`: models that a Savor server serves, behind `mlflow.deployments`' own interface.

    from mlflow.deployments import get_deploy_client

    client = get_deploy_client("savor://localhost:8500")
    client.predict("sentiment", {"inputs": ["what a day"]}).get_predictions()

MLflow finds this module by its entry point, and in it one client class, `run_local` and `target_help`.
"""

from savor.deployments.client import SavorDeploymentClient
from savor.deployments.local import run_local
from savor.deployments.target import target_help

__all__ = ["SavorDeploymentClient", "run_local", "target_help"]
