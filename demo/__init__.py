"""Real models and recordings to try Savor with; nothing under server/, flavor/ or accel/ may depend on them."""
