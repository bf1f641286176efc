"""The embedded world: procedural pictures with exact truth, their captions, and an oracle."""
