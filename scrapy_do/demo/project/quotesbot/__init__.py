"""A project with three spiders for the demo site."""
