#!/usr/bin/env bash
# Installs the vae_dist beside this file:
#   ./install.sh [FOLDER]     default: /opt/vae_dist for root, else ~/.local/share/vae_dist
# Packages of the distribution that are missing are installed by root, and named to everybody else. The programs are linked into
# /usr/local/bin or ~/.local/bin. Nothing is compiled. To remove it, delete the folder and those links.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit ;; esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() { printf 'install: %s\n' "$*" >&2; exit 2; }

is_root=no
if [ "$(id -u)" -eq 0 ]; then is_root=yes; fi
if [ $is_root = yes ]; then folder=${1:-/opt/vae_dist} links=/usr/local/bin; else folder=${1:-$HOME/.local/share/vae_dist} links=$HOME/.local/bin; fi
folder=$(realpath -m "$folder")

# The folder is replaced as a whole, so it must hold nothing else: an installation of ours, or nothing.
for kept in "$links" "$HOME" "$here"; do
  case $(realpath -m "$kept")/ in "$folder"/*) fail "$folder holds $kept and would be replaced as a whole: name a folder of its own, e.g. $folder/vae_dist" ;; esac
done
if [ -e "$folder" ]; then
  others=$(find "$folder" -mindepth 1 -maxdepth 1 ! -name bin ! -name lib ! -name share -printf '%f ' -quit)
  if [ ! -f "$folder/share/vae_dist/distribution.txt" ] || [ -n "$others" ]; then fail "$folder exists and is no folder of vae_dist alone: name another folder"; fi
fi

made_for=$(cat "$here/share/vae_dist/distribution.txt")
# shellcheck source=/dev/null
this=$(. /etc/os-release && echo "$ID$VERSION_ID")
[ "$this" = "$made_for" ] || fail "this is $this, but the archive was made on $made_for, whose libraries the programs need"

missing=()
while read -r package; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done < "$here/share/vae_dist/packages.txt"
if [ ${#missing[@]} -gt 0 ]; then
  [ $is_root = yes ] || fail "these packages are missing. Ask an administrator for
  apt-get install --no-install-recommends ${missing[*]}"
  echo "Installing ${#missing[@]} packages of the distribution"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

umask 022
mkdir -p "$(dirname "$folder")" "$links"
# The new one lies ready before the old one goes.
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
cp -a "$here/bin" "$here/lib" "$here/share" "$new/"
chmod -R u=rwX,go=rX "$new"
if [ -e "$folder" ]; then
  old=$(mktemp -d "$folder.XXXXXX")
  mv -T "$folder" "$old"
  mv -T "$new" "$folder"
  rm -rf "$old"
else
  mv -T "$new" "$folder"
fi
for program in vae_dist vae_launch; do ln -sfn "$folder/bin/$program" "$links/$program"; done
"$folder/bin/vae_dist" --version
echo "vae_dist is in $folder, its programs in $links, configurations in $folder/share/vae_dist/configs"
