"""The wire of Savor: messages and stubs generated from the protos beside them by `make stubs`."""
