"""The report: one self-contained page of a run, for a browser without a network."""
