"""Looks for the libraries of all programs in a bundle, then reads them, so that they are in the page cache: libraries.py BUNDLE [--read-seconds S]
Returns 1 and names what is missing or too old."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

# The driver's, which need not be there to start a program.
OF_THE_DRIVER = re.compile(r"libcuda\.so|libnvidia-ml\.so")


def files_of(bundle):
    """The programs and libraries of the bundle."""
    return sorted(str(file) for folder in ("programs", "lib", "openmpi") for file in (bundle / folder).rglob("*") if file.is_file() and (os.access(file, os.X_OK) or ".so" in file.name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("--read-seconds", type=float, default=0, metavar="S", help="read libraries for this time at most")
    options = parser.parse_args()
    files = files_of(options.bundle)
    listed = subprocess.run([options.bundle / "bin" / "with_libraries", "ldd", *files], text=True, capture_output=True)
    said = listed.stdout + listed.stderr
    missing = sorted({line.strip() for line in said.splitlines() if "not found" in line and not OF_THE_DRIVER.search(line)})
    found = {path for _, path in re.findall(r"(\S+) => (/\S+) \(", said)}
    for line in missing:
        print(line)

    # Libraries that are opened later, such as cuDNN's, lie beside those that are listed. The largest first: they take longest.
    folders = {pathlib.Path(path).parent for path in found if "/nvidia/" in path or "/torch/lib/" in path}
    libraries = {str(file) for folder in folders for file in folder.glob("*.so*")} | found
    start = time.monotonic()

    def read(path):
        count = 0
        with open(path, "rb", buffering=0) as file:
            while time.monotonic() < start + options.read_seconds and (chunk := file.read(8 << 20)):
                count += len(chunk)
        return count

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        count = sum(pool.map(read, sorted(libraries, key=os.path.getsize, reverse=True)))
    print(json.dumps({"files": len(files), "libraries_found": len(found), "missing": len(missing), "gigabytes_read": round(count / 1e9, 2),
                      "read_seconds": round(time.monotonic() - start, 2)}))
    return 1 if missing or not found else 0


if __name__ == "__main__":
    sys.exit(main())
