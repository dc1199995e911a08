"""The command `savor`, and `python -m savor.server`."""

import sys


def main() -> None:
    """Runs the command line; says what is missing where only the client is installed."""
    try:
        from savor.server.cli.app import app
    except ModuleNotFoundError as error:
        sys.exit(f"the command line needs the package {error.name}: pip install 'savor[server]'")
    app(prog_name="savor")


if __name__ == "__main__":
    main()
