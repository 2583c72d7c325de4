"""Both recipes of launcher/container/, built and started: Containerfile by buildah, which needs no daemon, and vae_dist.def by Apptainer.

Takes root, buildah, debootstrap, a network, 12 GB below the folder for temporary files, and a quarter of an hour with a warm ccache of this checkout,
else the time of a compilation more. Debian 12 has no Apptainer: it runs in a root file system of Debian's unstable, in a user namespace of its own.
launcher/test.sh --long runs it.

No registry of images is asked: what the recipes begin with, debian:12, is made by debootstrap, with this machine's apt sources. What pip and ccache
are told on this machine holds inside too.
"""
import json
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

import bare_machine

# The driver that works on every file system, also inside a container.
BUILDAH = ["buildah", "--storage-driver", "vfs"]
APT_SOURCES = ("etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources")
PIP_KEYS = ("index-url", "extra-index-url", "cert", "proxy", "trusted-host", "timeout")


class Containers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        bare_machine.needs("buildah", "debootstrap", "git")
        cls._folder = tempfile.TemporaryDirectory(prefix="vae_dist_container_")
        cls.addClassCleanup(cls._folder.cleanup)
        cls.folder = pathlib.Path(cls._folder.name)
        cls.images = ["--root", cls.folder / "images", "--runroot", cls.folder / "images_run"]
        cls.base_archive = cls.make_base_image()
        cls.compiled = [f"{folder}:/root/.cache/ccache" for folder in cls.ccache_folder()]

    @staticmethod
    def tracked():
        """The checkout's files but those that git ignores."""
        return bare_machine.run_here(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]).strip("\0").split("\0")

    @classmethod
    def buildah(cls, command, *arguments):
        # Folders that a recipe keeps between builds are below TMPDIR too.
        (cls.folder / "scratch").mkdir(exist_ok=True)
        return bare_machine.run_here([*BUILDAH, *cls.images, command, *arguments], TMPDIR=str(cls.folder / "scratch")).strip()

    @classmethod
    def make_base_image(cls):
        root = cls.folder / "base"
        bare_machine.make(root, "bookworm")
        if bare_machine.release()["VERSION_CODENAME"] == "bookworm":
            for name in APT_SOURCES:
                (root / name).unlink(missing_ok=True)
                if pathlib.Path("/", name).exists():
                    shutil.copy(pathlib.Path("/", name), root / name)
        for name in ("resolv.conf", "hosts"):
            (root / "etc" / name).unlink()
        cls.copy_settings(root)
        archive = cls.folder / "base.tar"
        bare_machine.run_here(["tar", "-C", root, "-cf", archive, "."])
        shutil.rmtree(root)
        container = cls.buildah("from", "scratch")
        cls.buildah("add", "-q", container, archive, "/")
        cls.buildah("config", "--cmd", "bash", container)
        cls.buildah("commit", "-q", "--rm", container, "docker.io/library/debian:12")
        archive.unlink()
        archive = cls.folder / "debian.tar"
        cls.buildah("push", "-q", "docker.io/library/debian:12", f"docker-archive:{archive}:debian:12")
        return archive

    @staticmethod
    def copy_settings(root):
        """What pip is told on this machine, with the certificates that it names, and ccache."""
        settings = {}
        for line in bare_machine.run_here([sys.executable, "-m", "pip", "config", "list"]).splitlines():
            found = re.fullmatch(r"\W*\w+\W*\.([\w-]+)='(.*)'", line)
            if found and found[1] in PIP_KEYS:
                settings[found[1]] = found[2]
        if "cert" in settings:
            shutil.copy(settings["cert"], root / "etc/pip_certificates.crt")
            settings["cert"] = "/etc/pip_certificates.crt"
        (root / "etc/pip.conf").write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
        (root / "root/.cache/ccache").mkdir(parents=True)
        if (here := pathlib.Path.home() / ".config/ccache/ccache.conf").exists():
            (root / "root/.config/ccache").mkdir(parents=True)
            shutil.copy(here, root / "root/.config/ccache/ccache.conf")

    @staticmethod
    def ccache_folder():
        """The machine's, if it has one."""
        if shutil.which("ccache") is None:
            return []
        folder = pathlib.Path(bare_machine.run_here(["ccache", "--get-config", "cache_dir"]).strip())
        return [folder] if folder.is_dir() else []

    def test_a_build_is_sent_what_git_does_not_ignore(self):
        recipe = self.folder / "Containerfile"
        recipe.write_text("FROM scratch\nCOPY . /\n")
        self.buildah("build", "--isolation", "chroot", "-f", recipe, "-t", "sent", ".")
        container = self.buildah("from", "--pull-never", "sent")
        root = pathlib.Path(self.buildah("mount", container))
        sent = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() and path.relative_to(root).parts[0] != ".git"}
        self.buildah("rm", container)
        self.assertEqual(sent, {name for name in self.tracked() if (bare_machine.ROOT / name).exists()})

    def test_the_containerfiles_image_trains_and_has_no_compiler(self):
        self.buildah("build", "--isolation", "chroot", "--pull=never", "--build-arg", "ARCHIVE=--cpu", *(word for pair in self.compiled for word in ("--volume", pair)),
                     "-f", "launcher/container/Containerfile", "-t", "vae_dist", ".")
        image = json.loads(self.buildah("inspect", "--type", "image", "vae_dist"))["OCIv1"]["config"]
        self.assertEqual(image["Cmd"], ["vae_dist", "--help"])
        self.assertEqual(image["WorkingDir"], "/work")
        work = self.folder / "work"
        work.mkdir()
        container = self.buildah("from", "--pull-never", "vae_dist")

        def run(*command):
            return self.buildah("run", "--isolation", "chroot", "--volume", f"{work}:/work", container, "--", *command)
        self.assertIn("vae_dist", run(*image["Cmd"]))
        self.assertEqual(run("bash", "-c", f"command -v {' '.join(bare_machine.COMPILERS)}; find /usr/include /source /unpacked -name '*.h*' 2>/dev/null | head"), "")
        self.assertEqual(run("bash", "-c", "ls /var/lib/apt/lists"), "")
        run("vae_dist", "data", "make-shapes", "data/shapes.h5", "--count", "800")
        self.assertRegex(run("bash", "-c", bare_machine.TRAIN), r"done: 6 steps")
        self.assertEqual(bare_machine.world_size(work / "runs/quickstart"), 2)
        self.buildah("rm", container)

    def test_the_image_of_apptainers_recipe_trains(self):
        root = self.folder / "unstable"
        bare_machine.make(root, "sid")
        # A mirror that keeps a day of unstable serves it after its lists have run out.
        bare_machine.inside(root, "apt-get -o Acquire::Check-Valid-Until=false update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends apptainer")
        source = self.folder / "source"
        for name in self.tracked():
            if (bare_machine.ROOT / name).exists():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(bare_machine.ROOT / name, source / name)
        recipe = (source / "launcher/container/vae_dist.def").read_text()
        recipe, changed = re.subn(r"Bootstrap: docker\nFrom: debian:12\n", "Bootstrap: docker-archive\nFrom: /root/debian.tar\n", recipe)
        self.assertEqual(changed, 2, "both stages begin with debian:12")
        (source / "vae_dist.def").write_text(recipe)
        shutil.copy(self.base_archive, root / "root/debian.tar")
        work = self.folder / "apptainer"
        work.mkdir()
        # What the Containerfile's build has kept (RUN --mount=type=cache) serves this one.
        kept = next((self.folder / "scratch").glob("buildah-cache*/root/.cache"), self.folder / "kept")
        kept.mkdir(exist_ok=True)
        binds = [f"{kept}:/root/.cache", *self.compiled]
        mounted = [f"{source}:/source", f"{work}:/apptainer", *(pair.replace(":/root", ":/bound/root") for pair in binds)]

        def run(script):
            return bare_machine.inside(root, f"export APPTAINER_TMPDIR=/apptainer; cd /apptainer; {script}", mounted, bare_machine.USER_NAMESPACE)
        inside = " ".join(f"--bind /bound{place}:{place}" for place in (pair.split(":")[1] for pair in binds))
        said = run(f"cd /source; apptainer build {inside} --build-arg ARCHIVE=--cpu /apptainer/vae_dist.sif vae_dist.def")
        self.assertIn("Build complete: /apptainer/vae_dist.sif", said)
        self.assertRegex(run("apptainer run vae_dist.sif --version"), r"(?m)^vae_dist \d")
        run("apptainer exec --bind /apptainer --pwd /apptainer vae_dist.sif vae_dist data make-shapes data/shapes.h5 --count 800")
        self.assertRegex(run(f"apptainer exec --bind /apptainer --pwd /apptainer vae_dist.sif {bare_machine.TRAIN}"), r"done: 6 steps")
        self.assertEqual(bare_machine.world_size(work / "runs/quickstart"), 2)


if __name__ == "__main__":
    unittest.main()
