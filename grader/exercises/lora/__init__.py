"""Low-rank adapters around the linear layers of a model."""
