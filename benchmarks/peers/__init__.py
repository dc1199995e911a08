"""The servers that users have today, each in an environment of its own, serving the same saved model."""
