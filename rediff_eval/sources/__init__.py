"""Where samples come from, a module a source."""
