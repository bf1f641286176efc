"""Captioners, one file each, and the sources that open them by name."""
