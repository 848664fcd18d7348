"""`python -m cubesift` is the command line."""

from cubesift.cli import main

if __name__ == "__main__":
    main()
