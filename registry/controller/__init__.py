"""The one process that acts: a loop over all models of an installation."""
