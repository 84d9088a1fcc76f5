"""One step each; REVISIONS in `store/migrate.py` names them in order."""
