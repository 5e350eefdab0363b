#!/bin/sh
# Installs this version of crunw below a directory, or removes all versions from there. Needs a shell
# and the usual small programs, of which those of busybox are enough; no network.
set -eu
umask 022

usage() {
    cat <<'END'
usage: ./install.sh [--prefix DIR] [--root DIR] [--engine ENGINE]… [--stage]
       ./install.sh --uninstall [--prefix DIR] [--root DIR]

Installs crunw as DIR/VERSION, with DIR/current as the link to the version in use, and DIR/bin, DIR/lib
and DIR/share as links into that. An upgrade changes that one link; DIR/VERSION/install.sh changes it to
a version that is there. The version before is kept.

  --prefix DIR     default: /opt/crunw; with that, /usr/local/bin/crunw becomes a link to it
  --root DIR       the root directory of the system to install into, where DIR will be DIR
  --engine ENGINE  make crunw a runtime of podman, crio, containerd or docker (crunw install ENGINE)
  --stage          only put DIR/VERSION there
  --uninstall      remove crunw, what it has kept, and what it has changed in engines' configurations
END
}

die() {
    echo "install.sh: $*" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd -P)
default=/opt/crunw prefix=/opt/crunw root='' engines='' uninstall='' stage=''
while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --root | --engine)
        [ $# -gt 1 ] || die "$1: a value is missing (see --help)"
        case $1 in
        --prefix) prefix=${2%/} ;;
        --root) root=${2%/} ;;
        --engine) engines="$engines $2" ;;
        esac
        shift 2
        ;;
    --uninstall) uninstall=1 && shift ;;
    --stage) stage=1 && shift ;;
    --help | -h) usage && exit ;;
    *) die "$1: unknown argument (see --help)" ;;
    esac
done
case $prefix in
/*) ;;
*) die "--prefix: '$prefix' is not an absolute path" ;;
esac
case $prefix in
*[!A-Za-z0-9/._+-]*) die "--prefix: '$prefix' has characters other than letters, digits and /._+-" ;;
esac
[ ! "$root" ] || [ ! "$engines" ] || die "--engine: can't be used with --root (run crunw install there)"
version=$(cat "$here/VERSION")
place=$prefix/$version
command=$root/usr/local/bin/crunw

# write_path FILE OFFSET PATH: over the place that is kept free for it.
write_path() {
    { printf %s "$3" && dd if=/dev/zero bs=255 count=1 2>/dev/null; } |
        dd of="$1" bs=1 seek="$2" count=255 conv=notrunc 2>/dev/null
}

# A program's loader is found by an absolute path, and crunw-init opens libraries in a root directory
# without /proc, where paths relative to the program's are unknown.
relocate() {
    libraries=$place/lib/crunw/lib
    while read -r kind offset file; do
        case $kind in
        interpreter) write_path "$1/$file" "$offset" "$libraries/ld.so" ;;
        libraries) write_path "$1/$file" "$offset" "$libraries" ;;
        esac
    done <"$1/lib/crunw/relocations"
}

# switch LINK TARGET: at once, so that there is always one of them.
switch() {
    rm -f "$1.new"
    ln -s "$2" "$1.new"
    mv -T "$1.new" "$1"
}

# Whether this version is there, unchanged since it was copied: the lists have the programs' sums.
is_staged() { [ "$here" = "$root$place" ] || cmp -s "$here/sbom.cdx.json" "$root$place/sbom.cdx.json"; }

stage() {
    new=$root$prefix/.new.$$ old=$root$prefix/.old.$$
    trap 'rm -rf "$new"' EXIT
    mkdir -p "$new"
    cp -RP "$here/." "$new/"
    relocate "$new"
    [ ! -e "$root$place" ] || mv "$root$place" "$old"
    mv "$new" "$root$place"
    [ "$root" ] || "$place/bin/crunw" --version >/dev/null || {
        rm -rf "$place"
        [ ! -e "$old" ] || mv "$old" "$place"
        die "crunw $version does not run on this system; nothing was changed"
    }
    rm -rf "$old"
}

# Those but for the one that was in use until now: calls that have begun may need its files.
remove_older() {
    for found in "$root$prefix"/*/lib/crunw/relocations; do
        found=${found%/lib/crunw/relocations}
        case ${found##*/} in
        bin | lib | share | current | "$version" | "$1") ;;
        *) rm -rf "$found" ;;
        esac
    done
}

link_command() {
    [ -L "$command" ] || [ ! -e "$command" ] || die "$command: is another program (remove it)"
    mkdir -p "${command%/*}"
    switch "$command" "$prefix/bin/crunw"
}

use() {
    before=$(readlink "$root$prefix/current" || true)
    switch "$root$prefix/current" "$version"
    for name in bin lib share; do
        [ -e "$root$prefix/$name" ] || switch "$root$prefix/$name" "current/$name"
    done
    [ "$before" = "$version" ] || remove_older "$before"
    [ "$prefix" != "$default" ] || link_command
    for engine in $engines; do
        "$prefix/bin/crunw" install "$engine"
    done
    echo "crunw $version is installed: $prefix/bin/crunw"
}

# As the Debian package does it.
uninstall() {
    [ -e "$root$prefix/current/lib/crunw/relocations" ] || die "$prefix: no crunw is installed there"
    if [ ! "$root" ]; then
        for engine in podman containerd crio docker; do
            "$prefix/bin/crunw" install --uninstall --force "$engine" 2>/dev/null ||
                echo "install.sh: $engine's configuration still names crunw" >&2
        done
    fi
    if [ "$(ls -A "$root/run/crunw" 2>/dev/null)" ]; then
        echo "install.sh: warning: containers in /run/crunw run on and can't be stopped by their engine" \
            "until crunw is installed again" >&2
    else
        rm -rf "$root/run/crunw"
    fi
    [ "$(readlink "$command" || true)" != "$prefix/bin/crunw" ] || rm "$command"
    for found in "$root$prefix"/*/lib/crunw/relocations; do
        found=${found%/lib/crunw/relocations}
        [ -L "$found" ] || rm -rf "$found"
    done
    rm -f "$root$prefix/current" "$root$prefix/bin" "$root$prefix/lib" "$root$prefix/share"
    rmdir "$root$prefix" 2>/dev/null || true
    rm -rf "$root/var/cache/crunw" "$root/run/crunw-aot" "$root/etc/crunw/crunw.toml"
    rmdir "$root/etc/crunw" 2>/dev/null || true
}

if [ "$uninstall" ]; then
    uninstall
else
    [ $((${#place} + 40)) -lt 255 ] || die "--prefix: '$prefix' is too long"
    is_staged || stage
    [ "$stage" ] || use
fi
