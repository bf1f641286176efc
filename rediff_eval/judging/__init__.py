"""Judges: which model judges a run, and the oracle for the embedded scenes."""
