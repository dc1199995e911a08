"""Transport and scheduling: gRPC services, models in service, batching, configuration and the command line."""
