"""Tasks and their samples, one file for each data set."""
