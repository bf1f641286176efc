"""From samples to captions: what is captioned, by which model, kept under which key."""
