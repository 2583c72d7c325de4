#!/usr/bin/env python3
"""Writes the program's own list of keys into configs/README.md, and its schema of configurations into configs/schema.json.

    tests/checks/update_keys.py [PROGRAM]     PROGRAM: build/vae_dist by default

tests/process/documents_test.py and config_schema_test.py fail where they differ.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "configs/README.md"
SCHEMA = ROOT / "configs/schema.json"


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/vae_dist"
    keys, schema = (subprocess.run([program, "config", *options], check=True, capture_output=True, text=True).stdout for options in ([], ["--schema"]))
    before, heading, section = DOCUMENT.read_text().partition("\n## Every key\n")
    section = re.sub(r"^```yaml\n.*?^```", lambda _: f"```yaml\n{keys}```", section, count=1, flags=re.MULTILINE | re.DOTALL)
    DOCUMENT.write_text(before + heading + section)
    SCHEMA.write_text(schema)


if __name__ == "__main__":
    main()
