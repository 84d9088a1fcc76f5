"""A project whose code looks for what is not its own."""
