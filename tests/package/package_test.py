"""The archive of launcher/package.sh on a bare machine: a root file system of this distribution without compiler and headers (debootstrap, chroot).

Takes root, debootstrap, a network, 2 GB below the folder for temporary files, and some four minutes. launcher/test.sh --long runs it:
  VAE_DIST_BUILD   the build folder (default: build, in the checkout)
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HANGS_S = 3600
# The mounts end with the process that asked for them.
ENTER = """mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$1" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
HOME=/root OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 bash -euc "$2" """
QUICK = "'model.hidden_dims=[4, 8]' model.latent_dim=4 'data.train.rows=[0, 640]' 'data.validation.rows=[640, 704]' metrics.port=null distributed.device=cpu"


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise AssertionError("debootstrap and chroot need root")
        cls._folder = tempfile.TemporaryDirectory(prefix="vae_dist_package_")
        cls.addClassCleanup(cls._folder.cleanup)
        cls.folder = pathlib.Path(cls._folder.name)
        cls.bare = cls.folder / "root"
        cls.archive = cls.folder / "vae_dist.tar.gz"
        cls.run_here(["launcher/package.sh", "--cpu", cls.archive])
        release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
        cls.run_here(["debootstrap", "--variant=minbase", release["VERSION_CODENAME"].strip('"'), cls.bare])
        shutil.copy("/etc/resolv.conf", cls.bare / "etc/resolv.conf")
        shutil.copy(cls.archive, cls.bare / "root/vae_dist.tar.gz")

    @staticmethod
    def run_here(command):
        done = subprocess.run(list(map(str, command)), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HANGS_S)
        if done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout

    def inside(self, script):
        return self.run_here(["unshare", "--mount", "bash", "-c", ENTER, "enter", self.bare, script])

    def test_it_installs_and_trains_where_nothing_can_be_compiled(self):
        said = self.inside("cd /root && tar -xzf vae_dist.tar.gz && cd vae_dist-*/ && ./install.sh")
        self.assertIn("vae_dist is in /opt/vae_dist", said)
        for program in ("gcc", "g++", "cc", "clang", "cmake", "nvcc"):
            self.assertIsNone(shutil.which(program, path=f"{self.bare}/usr/bin:{self.bare}/usr/local/bin"), program)
        self.assertEqual([*(self.bare / "usr/include").glob("**/*.h*")], [], "no headers")
        # What was unpacked is not needed any more, and neither is this machine's build: no library comes from it.
        self.inside("rm -rf /root/vae_dist-*")
        libraries = self.inside("ldd /opt/vae_dist/bin/vae_dist")
        self.assertNotIn("not found", libraries)
        self.assertRegex(libraries, r"libtorch_cpu\.so => /opt/vae_dist/bin/\.\./lib/torch/lib/libtorch_cpu\.so")

        self.inside("cd /root && vae_dist data make-shapes data/shapes.h5 --count 800")
        said = self.inside(f"cd /root && vae_launch --np 2 -- --config /opt/vae_dist/share/vae_dist/configs/quickstart.yaml {QUICK} train.steps=6")
        self.assertRegex(said, r"done: 6 steps")
        run = self.bare / "root/runs/quickstart"
        self.assertIn('"world_size":2', re.sub(r"\s", "", (run / "checkpoints/step_00000006/state.json").read_text()))
        self.inside("cd /root && vae_dist evaluate --checkpoint runs/quickstart && vae_dist sample --checkpoint runs/quickstart --count 4 --out samples.png")
        self.assertGreater((self.bare / "root/samples.png").stat().st_size, 0)
        self.assertTrue((self.bare / "opt/vae_dist/share/vae_dist/configs/monitoring/prometheus.yml").exists())
        self.assertTrue((self.bare / "opt/vae_dist/share/vae_dist/configs/schema.json").exists())

        # A second installation replaces the first; a folder that is something else stays.
        said = self.inside("cd /root && tar -xzf vae_dist.tar.gz && cd vae_dist-*/ && ./install.sh && mkdir -p /root/mine && ! ./install.sh /root/mine")
        self.assertIn("/root/mine exists and is no folder of vae_dist alone", said)


if __name__ == "__main__":
    unittest.main()
