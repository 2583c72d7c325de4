"""Which mpirun is there. Open MPI 4 and 5 have the same command line, but version 5 has another runtime beneath (PRRTE), whose settings have names of their own."""
import dataclasses
import re
import subprocess

from supervise.hosts import Wrong

FIRST_WITH_PRRTE = 5


@dataclasses.dataclass(frozen=True)
class OpenMpi:
    major: int

    def runtime_setting(self, name):
        """Of the runtime, by the name that both versions have in common ("keepalive_time"): (mpirun's option, whole name, variables by which a user sets it)."""
        if self.major < FIRST_WITH_PRRTE:
            return "--mca", f"oob_tcp_{name}", (f"OMPI_MCA_oob_tcp_{name}",)
        return "--prtemca", f"prte_{name}", (f"PRTE_MCA_prte_{name}", f"PRTE_MCA_oob_tcp_{name}")

    def mapping(self, more_ranks_than_cores):
        """mpirun's words that fill host after host. Version 5 warns of --oversubscribe."""
        if not more_ranks_than_cores:
            return ["--map-by", "slot"]
        return ["--map-by", "slot", "--oversubscribe"] if self.major < FIRST_WITH_PRRTE else ["--map-by", "slot:OVERSUBSCRIBE"]


def from_version(said):
    """OpenMpi from what `mpirun --version` says. Raises Wrong, with what it is, for another MPI's."""
    found = re.search(r"\(Open MPI\) (\d+)\.", said)
    if found:
        return OpenMpi(int(found[1]))
    first = said.strip().partition("\n")[0] or "nothing"
    raise Wrong(f"vae_launch needs the mpirun of Open MPI, 4 or 5; the one on the PATH says of its version: {first}. "
                "With another MPI start the ranks yourself: mpiexec -n RANKS vae_dist --config FILE (it trains the same, but nobody starts it again)")


def installed():
    asked = subprocess.run(["mpirun", "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    return from_version(asked.stdout + asked.stderr)
