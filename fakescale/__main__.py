"""``python -m fakescale`` runs the command ``fakescale``."""

from fakescale.cli import run

if __name__ == "__main__":
    run()
