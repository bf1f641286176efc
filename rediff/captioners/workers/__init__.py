"""Workers: captioners in environments of their own, spoken to in JSON lines (see README.md)."""
