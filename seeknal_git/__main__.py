"""Let `python -m seeknal_git` be the command."""

from seeknal_git.cli import process

if __name__ == "__main__":
    process()
