#!/usr/bin/env python3
"""Writes the program's own list of keys into configs/README.md.

    tests/checks/update_keys.py [PROGRAM]     PROGRAM: build/vae_dist by default

tests/process/documents_test.py fails where the two differ.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "configs/README.md"


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/vae_dist"
    keys = subprocess.run([program, "config"], check=True, capture_output=True, text=True).stdout
    before, _, after = re.split(r"(^```yaml\n.*?^```)", DOCUMENT.read_text(), maxsplit=1, flags=re.MULTILINE | re.DOTALL)
    DOCUMENT.write_text(f"{before}```yaml\n{keys}```{after}")


if __name__ == "__main__":
    main()
