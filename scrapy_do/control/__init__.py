"""What the daemon decides and does: the use cases, the controller, the scheduler."""
