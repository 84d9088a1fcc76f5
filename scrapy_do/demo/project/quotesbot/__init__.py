"""A project with four spiders for the demo site."""
