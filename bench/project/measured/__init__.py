"""A project whose crawls are timed."""
