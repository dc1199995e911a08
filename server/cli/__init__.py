"""The command line: `savor serve`, `call`, `models` and `version`. `--help` loads neither torch nor mlflow."""
