"""Files, hubs and processes: what outlives a crash, and what comes from outside."""
