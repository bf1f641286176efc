"""The numbers of a run, their origin, and the folder that holds them."""
