"""CAPTURE: captions compared by the objects, attributes and relations that they state."""
