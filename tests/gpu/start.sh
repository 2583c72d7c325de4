#!/bin/sh
# Starts a program of the bundle that prove.sh makes: bin/NAME is a link to this file and starts the program NAME with the libraries of the bundle and
# of the torch wheel. bin/with_libraries COMMAND... starts any command so. Nothing else gets these libraries: Python's own torch must find its own.
# VAE_DIST_TORCH_SITE is the folder that holds torch/ and nvidia/ (default: that of python3's torch).
bundle=$(cd "${0%/*}/.." && pwd)
name=${0##*/}
site=${VAE_DIST_TORCH_SITE:-$(python3 -c 'import importlib.util as u, os; print(os.path.dirname(os.path.dirname(u.find_spec("torch").origin)))' 2>/dev/null)}
[ -d "$site/torch/lib" ] || { echo "$name: torch was not found; set VAE_DIST_TORCH_SITE to the folder that holds torch/ and nvidia/" >&2; exit 2; }

libraries=$bundle/lib:$site/torch/lib
for folder in "$site"/nvidia/*/lib; do libraries=$libraries:$folder; done
case ${LD_LIBRARY_PATH-} in
  "$libraries"*) ;;   # started by another program of the bundle
  *) LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ;;
esac
export LD_LIBRARY_PATH VAE_DIST_TORCH_SITE="$site"

# Open MPI looks for its files below the prefix that it was built with, unless it is told another. The choice of transports is that of Debian's
# /etc/openmpi, which stays behind: shared memory and TCP. Ranks copy through shared memory, because a container may forbid the one-copy way.
export OPAL_PREFIX="$bundle/openmpi" PMIX_MCA_pcompress_base_silence_warning=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_mtl='^ofi,psm,psm2' OMPI_MCA_osc='^ucx,pt2pt' OMPI_MCA_btl_vader_single_copy_mechanism=none

case $name in
  with_libraries) exec "$@" ;;
  mpirun | orted) exec "$bundle/openmpi/bin/$name" "$@" ;;
  *) exec "$bundle/programs/$name" "$@" ;;
esac
