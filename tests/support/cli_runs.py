"""Runs the command line in this process."""

from __future__ import annotations

from typer.testing import CliRunner

from napari_dmoe.cli import app


def run(*arguments: object) -> tuple[int, str, str]:
    """Return the exit code, what was said, and the errors; other errors are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr
