"""The servers under load, each behind the same few methods: see `target`."""
