"""Decoding: the canvas, the rules, the samplers made of them, and traces."""
