"""Runs one test file of this folder: run_on_gpu.py gpu_training_test. Without a GPU it reports that and returns 77, which ctest treats as skipped."""
import pathlib
import sys
import unittest

from prove import DRIVER_FILES, NOT_RUN

if __name__ == "__main__":
    name = sys.argv[1]
    if not any(pathlib.Path(file).exists() for file in DRIVER_FILES):
        print(f"{name} needs a GPU, but this machine has none: no test was run", file=sys.stderr)
        sys.exit(NOT_RUN)
    here = pathlib.Path(__file__).parent
    sys.path[:0] = [str(here), str(here.parent / "process")]
    unittest.main(module=name, argv=sys.argv[1:], verbosity=2)
