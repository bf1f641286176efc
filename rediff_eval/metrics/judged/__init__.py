"""Metrics that a judge makes, one file each."""
