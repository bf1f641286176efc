"""Judges' replies as verdicts, a module a metric: as the official programs read them, and soundly.

The official readers raise OfficialCrashError where their program would die.
"""
