# Sourced by the scripts of this directory.
# shellcheck shell=bash
project=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
export project

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# raise "$@": start the script again as root.
raise() {
    ((EUID == 0)) && return
    command -v sudo >/dev/null || die "this needs root, and there is no sudo to get it"
    exec sudo -E -- "$(realpath "$0")" "$@"
}
