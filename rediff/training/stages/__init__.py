"""The kinds of stages, one file each: settings, run, and estimate."""
