"""The command ``fakescale``, as ``python -m fakescale`` runs it too."""

from fakescale.cli import run

if __name__ == "__main__":
    run()
