"""Data from outside: pictures and records."""
