"""The dialects: each parses its own requests, calls Operations, renders its own answers."""
