#!/usr/bin/env bash
# The steps that both recipes of this folder run in their first stage, as root on a bare Debian with the sources in a folder of their own:
#   build_inside.sh FOLDER [--cpu]     FOLDER gets what launcher/package.sh's archive holds, with install.sh in it
set -euo pipefail
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"
rm -rf "$build"                                                # of the machine that the sources come from
# Objects are found again in a kept cache wherever the sources lay; the language is hashed with them.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 LANG=C.UTF-8
install_system_packages "${build_packages[@]}"
install_torch
configure_and_build vae_dist
"$root/launcher/package.sh" "${@:2}" "$1/"
