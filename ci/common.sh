# Sourced by the scripts of this directory.
# shellcheck shell=bash
project=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
export project
# What takes minutes to make is kept here; for scripts in the machine, in a directory of the host's cache.
cache=/var/cache/crunw-ci

die() {
    echo "ci/${0##*/}: $*" >&2
    exit 1
}

# raise "$@": start the script again as root.
raise() {
    ((EUID == 0)) && return
    command -v sudo >/dev/null || die "this needs root, and there is no sudo to get it"
    exec sudo -E -- "$(realpath "$0")" "$@"
}

# enter_machine "$@": start the script again in the reference machine, unless it runs there.
enter_machine() {
    [[ -e /run/crunw-machine || ${CRUNW_MACHINE_HOST:-} ]] ||
        exec "$project/ci/machine" -- "$(realpath "$0")" "$@"
}

# The same, with cgroups.
enter_machine_with_cgroups() {
    [[ -e /run/crunw-machine || ${CRUNW_MACHINE_HOST:-} ]] ||
        exec "$project/ci/machine" --cgroup "$(first_layout)" -- "$(realpath "$0")" "$@"
}

# debian_packages FILE: those of a list, of which other kinds of lines begin with KIND: .
debian_packages() { sed 's/[[:space:]]*#.*//; /^$/d; /^[a-z]*:/d' "$1"; }

# fetch_packages PROGRAM PACKAGE…: into the machine, which forgets them, unless it has PROGRAM. For what few need.
fetch_packages() {
    ! command -v "$1" >/dev/null || return 0
    shift
    [[ -e /run/crunw-machine ]] || die "it needs: apt-get install $*"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$@" </dev/null >/dev/null ||
        die "apt-get could not install $*"
}

# once PATH CMD…: unless PATH is there, `CMD… PATH.new` makes it, which then takes its place. Who needs it meanwhile
# waits. What a CMD that was killed has left is removed first.
once() {
    local path=$1 lock
    shift
    [[ ! -e $path ]] || return 0
    mkdir -p "${path%/*}"
    exec {lock}>"$path.lock"
    flock "$lock"
    if [[ ! -e $path ]]; then
        echo "${0#"$project/"}: making $path, once" >&2
        rm -rf --one-file-system "$path.new"
        "$@" "$path.new" </dev/null
        mv "$path.new" "$path"
    fi
    exec {lock}>&-
}

# keep_go: where Go puts modules and what it has compiled, kept from one call of the machine to the next.
keep_go() { export GOPATH=$cache/go GOCACHE=$cache/go-build; }

# Whether this kernel has controllers that belong to cgroup v1.
has_v1() { grep -qE '^[0-9]+:[^:=]+:' /proc/self/cgroup; }

# The first cgroup layout that can be mounted here.
first_layout() { if has_v1; then echo v1; else echo v2; fi; }
