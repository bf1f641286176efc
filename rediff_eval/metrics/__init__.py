"""Metrics: from captions to numbers; tasks call them by the names in `registry`."""
