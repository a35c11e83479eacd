"""The `geometry` command: asks, watches and reads. stdout is data, stderr is progress; it never acts by itself."""

from registry.cli.app import main

__all__ = ["main"]
