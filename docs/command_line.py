"""Write docs/command-line.md from the help of the command line: `make docs`."""

from pathlib import Path

from cubesift.cli import app

Path(__file__).with_name("command-line.md").write_text(app.generate_docs(output_format="markdown"))
