"""The cost of captions, measured side by side."""

SPEED = "speed.json"
"""The file of a measurement, in the folder that `rediff-eval speed` writes."""
