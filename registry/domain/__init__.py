"""Pure part of the registry: values and decisions, no I/O, no clock, no environment."""
