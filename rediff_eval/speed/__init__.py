"""What captions cost, measured side by side."""
