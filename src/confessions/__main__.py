"""Run the command as a module, as launchers of several processes do: `python -m confessions`."""

from confessions.cli import main

if __name__ == "__main__":
    main(prog_name="confessions")
