"""Metrics: from captions to numbers; a task names the groups of metrics that it wants."""
