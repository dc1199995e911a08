"""Savor: a gRPC inference server for MLflow transformers models."""
