"""launcher/package_install.sh, the archive's install.sh, replaces a folder of its own and no other: run by a user without root, with a program that only tells its version."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import runs

RELEASE = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().replace('"', "").splitlines() if "=" in line)


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vae_dist_install_")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.home, self.archive = self.folder / "home", self.folder / "vae_dist-1"
        self.home.mkdir()
        self.write(self.folder / "tools/id", "#!/bin/sh\necho 1000\n")
        self.unpack("1")

    @staticmethod
    def write(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def unpack(self, version):
        for program in ("vae_dist", "vae_launch"):
            self.write(self.archive / "bin" / program, f"#!/bin/sh\necho {program} {version}\n")
        self.write(self.archive / "lib/torch/lib/libtorch.so", "")
        self.write(self.archive / "share/vae_dist/packages.txt", "")
        self.write(self.archive / "share/vae_dist/distribution.txt", RELEASE["ID"] + RELEASE.get("VERSION_ID", "") + "\n")
        shutil.copy(runs.SOURCE / "launcher/package_install.sh", self.archive / "install.sh")

    def install(self, *arguments):
        path = f"{self.folder}/tools{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(["bash", self.archive / "install.sh", *map(str, arguments)], text=True, capture_output=True, cwd=self.archive,
                              env={**os.environ, "HOME": str(self.home), "PATH": path}, preexec_fn=lambda: os.umask(0o077), timeout=120)

    def version(self):
        return subprocess.run([self.home / ".local/bin/vae_dist"], text=True, capture_output=True, check=True).stdout.strip()

    def test_a_second_installation_replaces_the_first_as_a_whole(self):
        self.assertEqual(self.install().returncode, 0)
        self.assertEqual(self.version(), "vae_dist 1")
        installed = self.home / ".local/share/vae_dist"
        self.assertEqual((installed / "bin").stat().st_mode & 0o777, 0o755, "others may use it, whatever the umask")
        (installed / "lib/old").write_text("")
        self.unpack("2")
        done = self.install()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.version(), "vae_dist 2")
        self.assertFalse((installed / "lib/old").exists())
        self.assertEqual([path.name for path in installed.parent.iterdir()], ["vae_dist"], "nothing is left beside it")

    def test_folders_that_hold_anything_else_are_refused_and_stay(self):
        self.assertEqual(self.install().returncode, 0)
        precious = self.home / ".local/share/precious"
        precious.write_text("")
        self.write(self.home / "other/bin/vae_dist", "")
        self.write(self.home / "mixed/share/vae_dist/distribution.txt", "")
        (self.home / "mixed/lectures").mkdir()
        for folder in (self.home / ".local", self.home, self.home / "other", self.home / "mixed", self.archive, "."):
            before = sorted(self.folder.rglob("*"))
            done = self.install(folder)
            self.assertEqual(done.returncode, 2, f"{folder}: {done.stdout}")
            self.assertRegex(done.stderr, "name (another folder|a folder of its own)")
            self.assertEqual(sorted(self.folder.rglob("*")), before, folder)
        self.assertEqual(self.version(), "vae_dist 1")


if __name__ == "__main__":
    unittest.main()
