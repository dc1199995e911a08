"""Execution: how batches of items run on a device, with no knowledge of wires or callers."""
