"""The archive of launcher/package.sh on a bare machine: a root file system of this distribution without compiler and headers.

Takes root, debootstrap, a network, 2 GB below the folder for temporary files, and some four minutes. launcher/test.sh --long runs it:
  VAE_DIST_BUILD   the build folder (default: build, in the checkout)
"""
import pathlib
import shutil
import tempfile
import unittest

import bare_machine


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        bare_machine.needs("debootstrap")
        cls._folder = tempfile.TemporaryDirectory(prefix="vae_dist_package_")
        cls.addClassCleanup(cls._folder.cleanup)
        cls.folder = pathlib.Path(cls._folder.name)
        cls.bare = cls.folder / "root"
        cls.archive = cls.folder / "vae_dist.tar.gz"
        bare_machine.run_here(["launcher/package.sh", "--cpu", cls.archive])
        bare_machine.make(cls.bare, bare_machine.release()["VERSION_CODENAME"])
        shutil.copy(cls.archive, cls.bare / "root/vae_dist.tar.gz")

    def inside(self, script):
        return bare_machine.inside(self.bare, script)

    def test_it_installs_and_trains_where_nothing_can_be_compiled(self):
        said = self.inside("cd /root && tar -xzf vae_dist.tar.gz && cd vae_dist-*/ && ./install.sh")
        self.assertIn("vae_dist is in /opt/vae_dist", said)
        for program in bare_machine.COMPILERS:
            self.assertIsNone(shutil.which(program, path=f"{self.bare}/usr/bin:{self.bare}/usr/local/bin"), program)
        self.assertEqual([*(self.bare / "usr/include").glob("**/*.h*")], [], "no headers")
        # What was unpacked is not needed any more, and neither is this machine's build: no library comes from it.
        self.inside("rm -rf /root/vae_dist-*")
        libraries = self.inside("ldd /opt/vae_dist/bin/vae_dist")
        self.assertNotIn("not found", libraries)
        self.assertRegex(libraries, r"libtorch_cpu\.so => /opt/vae_dist/bin/\.\./lib/torch/lib/libtorch_cpu\.so")

        self.inside("cd /root && vae_dist data make-shapes data/shapes.h5 --count 800")
        self.assertRegex(self.inside(f"cd /root && {bare_machine.TRAIN}"), r"done: 6 steps")
        self.assertEqual(bare_machine.world_size(self.bare / "root/runs/quickstart"), 2)
        self.inside("cd /root && vae_dist evaluate --checkpoint runs/quickstart && vae_dist sample --checkpoint runs/quickstart --count 4 --out samples.png")
        self.assertGreater((self.bare / "root/samples.png").stat().st_size, 0)
        self.assertTrue((self.bare / "opt/vae_dist/share/vae_dist/configs/monitoring/prometheus.yml").exists())
        self.assertTrue((self.bare / "opt/vae_dist/share/vae_dist/configs/schema.json").exists())

        # A second installation replaces the first; a folder that is something else stays.
        said = self.inside("cd /root && tar -xzf vae_dist.tar.gz && cd vae_dist-*/ && ./install.sh && mkdir -p /root/mine && ! ./install.sh /root/mine")
        self.assertIn("/root/mine exists and is no folder of vae_dist alone", said)


if __name__ == "__main__":
    unittest.main()
