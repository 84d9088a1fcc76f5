"""The commands, a module for each group of them; `main` says which is where."""
