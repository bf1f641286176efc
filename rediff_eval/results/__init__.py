"""The numbers of a run, what made them, and the folder that holds them."""
