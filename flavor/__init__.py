"""What a saved MLflow transformers model means: its files, signature, parameters, template and pipeline family."""
