"""CapArena-Auto: captions against those of reference models, pair by pair."""
