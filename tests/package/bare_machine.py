"""Root file systems of Debian with nothing but its essential packages, made by debootstrap, and commands that run in them."""
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HANGS_S = 3600
# The mounts end with the process that asked for them. The folder becomes the root itself, not only that of a chroot: user namespaces ask for that.
ENTER = """
mount --bind "$1" "$1" && cd "$1" && mount -t proc proc proc && mount --rbind /dev dev && mount --rbind /sys sys
for pair in $3; do
  place=".${pair#*:}"
  if [ -d "${pair%%:*}" ]; then mkdir -p "$place"; else mkdir -p "${place%/*}" && touch "$place"; fi
  mount --rbind "${pair%%:*}" "$place"
done
mkdir -p .before && pivot_root . .before && umount -l .before && rmdir .before
exec $4 env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 bash -euc "$2"
"""
# All capabilities within it, with every user's number as outside.
USER_NAMESPACE = "unshare --user --map-users=0,0,65536 --map-groups=0,0,65536"
# A network of seconds on a few rows.
QUICK = "'model.hidden_dims=[4, 8]' model.latent_dim=4 'data.train.rows=[0, 640]' 'data.validation.rows=[640, 704]' metrics.port=null distributed.device=cpu"
TRAIN = f"vae_launch --np 2 -- --config /opt/vae_dist/share/vae_dist/configs/quickstart.yaml {QUICK} train.steps=6"
COMPILERS = ("gcc", "g++", "cc", "clang", "cmake", "nvcc")


def needs(*programs):
    """Fails with what is missing on this machine: launcher/test.sh --long installs the packages of these names."""
    missing = [program for program in programs if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.insert(0, "root")
    if missing:
        raise AssertionError(f"this test needs {', '.join(missing)}: run launcher/test.sh --long as root")


def run_here(command, cwd=ROOT, **environment):
    """What the command prints; failing, it ends the test with the last of that."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env={**os.environ, **environment}, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=HANGS_S)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def release():
    lines = pathlib.Path("/etc/os-release").read_text().splitlines()
    return dict(line.replace('"', "").split("=", 1) for line in lines if "=" in line)


def make(folder, suite):
    run_here(["debootstrap", "--variant=minbase", suite, folder])
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", folder / "etc" / name)


def inside(root, script, mounted=(), prefix=""):
    """Runs a script of bash in a root file system: mounted has pairs FOLDER:PLACE, and prefix a command around it."""
    return run_here(["unshare", "--mount", "bash", "-euc", ENTER, "enter", root, script, " ".join(mounted), prefix])


def world_size(run):
    return int(re.search(r'"world_size":(\d+)', re.sub(r"\s", "", (run / "checkpoints/step_00000006/state.json").read_text()))[1])
