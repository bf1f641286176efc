"""Decoding: the canvas, the rules of a sampler, the named samplers, and traces."""
