"""How one schema becomes the next; only forward."""
