"""Detects the installed mpirun. Open MPI 4 and 5 have the same command line, but version 5 uses another runtime (PRRTE), whose settings have other names."""
import dataclasses
import re
import subprocess

from supervise.hosts import Wrong

FIRST_WITH_PRRTE = 5


@dataclasses.dataclass(frozen=True)
class OpenMpi:
    major: int

    def runtime_setting(self, name):
        """A runtime setting by the name common to both versions ("keepalive_time"): (mpirun's option, full name, environment variables that set it)."""
        if self.major < FIRST_WITH_PRRTE:
            return "--mca", f"oob_tcp_{name}", (f"OMPI_MCA_oob_tcp_{name}",)
        return "--prtemca", f"prte_{name}", (f"PRTE_MCA_prte_{name}", f"PRTE_MCA_oob_tcp_{name}")

    def kill_delay(self):
        """The setting for the seconds after which mpirun sends TERM to the other ranks when one has died; KILL follows after twice that time. Returns the environment
        variable to set, and all that a user may have set."""
        ours = "OMPI_MCA_odls_base_sigkill_timeout" if self.major < FIRST_WITH_PRRTE else "PRTE_MCA_odls_base_sigkill_timeout"
        return ours, ("OMPI_MCA_odls_base_sigkill_timeout", "PRTE_MCA_odls_base_sigkill_timeout")

    def mapping(self, more_ranks_than_cores):
        """mpirun's options for filling the hosts in order. Version 5 warns about --oversubscribe."""
        if not more_ranks_than_cores:
            return ["--map-by", "slot"]
        return ["--map-by", "slot", "--oversubscribe"] if self.major < FIRST_WITH_PRRTE else ["--map-by", "slot:OVERSUBSCRIBE"]


def from_version(said):
    """OpenMpi from the output of `mpirun --version`. Raises Wrong, quoting the output, for other MPIs."""
    found = re.search(r"\(Open MPI\) (\d+)\.", said)
    if found:
        return OpenMpi(int(found[1]))
    first = said.strip().partition("\n")[0] or "nothing"
    raise Wrong(f"vae_launch needs the mpirun of Open MPI, 4 or 5; the one on the PATH reports its version as: {first}. "
                "With another MPI, start the ranks yourself: mpiexec -n RANKS vae_dist --config FILE (this trains the same, but without automatic restarts)")


def installed():
    asked = subprocess.run(["mpirun", "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    return from_version(asked.stdout + asked.stderr)
