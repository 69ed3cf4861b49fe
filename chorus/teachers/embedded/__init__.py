"""The teacher family that needs no model hub: MiniLM words, an EfficientNet-Lite0 trunk, two light decoders trained by
this project."""
