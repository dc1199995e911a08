"""Stubs of the Open Inference Protocol. They register `inference.*`, as the stubs of its other clients do."""
