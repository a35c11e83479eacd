"""The registry: which version serves, who decided it, and on which evidence."""
