"""A judge with exact truth for the embedded scenes, behind the protocol of the real ones."""
