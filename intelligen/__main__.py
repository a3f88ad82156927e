"""`python -m intelligen` is the command `intelligen`."""

from intelligen.cli.main import main

if __name__ == "__main__":
    main()
