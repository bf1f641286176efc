"""Files, hubs and processes: storage that outlives a crash, and input from outside."""
