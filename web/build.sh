#!/bin/sh
# Builds the dashboard for make:
#
#   build.sh SRCDIR BUILDDIR NODE NPM SOURCE...
#
# The result is BUILDDIR/web/dist and, as the last thing, BUILDDIR/web/dist.stamp, which holds a
# digest of the sources. A release tarball brings both in SRCDIR/web: they are used if the digest
# still fits, or if there is no Node.js to do better. Nothing is written to SRCDIR unless it is
# BUILDDIR, too. Sources are named relative to SRCDIR.
set -eu

srcdir=$(cd "$1" && pwd)
builddir=$(cd "$2" && pwd)
node=$3
npm=$4
shift 4
result=$builddir/web
shipped=$srcdir/web
# In a build folder of its own, npm and Vite get a copy of the sources to work in. It must not be
# where make looks for the sources, or make would take the copies for them.
work=$shipped
[ "$srcdir" = "$builddir" ] || work=$result/work

digest() {
        (cd "$srcdir" && cat "$@") | sha256sum | cut -d' ' -f1
}

# finish DIGEST: of the sources that the result was made from.
finish() {
        echo "$1" >"$result/dist.stamp"
        exit 0
}

use_shipped() {
        if [ "$srcdir" != "$builddir" ]; then
                mkdir -p "$result"
                rm -rf "$result/dist"
                cp -R "$shipped/dist" "$result/dist"
                chmod -R u+w "$result/dist"
        fi
        finish "$(cat "$shipped/dist.stamp")"
}

stage_sources() {
        [ "$work" != "$shipped" ] || return 0
        for source; do
                target=$work/${source#web/}
                cmp -s "$srcdir/$source" "$target" && continue
                mkdir -p "$(dirname "$target")"
                rm -f "$target"
                cp "$srcdir/$source" "$target"
                chmod u+w "$target"
        done
}

install_packages() {
        cmp -s package-lock.json node_modules/.installed-lock.json && return 0
        echo "  NPM      packages of the dashboard (once, and when package-lock.json changes)"
        "$npm" ci --no-progress --loglevel=error
        cp package-lock.json node_modules/.installed-lock.json
}

wanted=$(digest "$@")
if [ -f "$shipped/dist.stamp" ] && [ -f "$shipped/dist/index.html" ]; then
        [ "$(cat "$shipped/dist.stamp")" != "$wanted" ] || use_shipped
        if [ -z "$node" ] || [ -z "$npm" ]; then
                echo "web: no Node.js, so the dashboard is taken as it was shipped" >&2
                use_shipped
        fi
fi
if [ -z "$node" ] || [ -z "$npm" ]; then
        echo "web: Node.js 20.19 or newer and npm are needed to build the dashboard" \
             "(install nodejs and npm, or configure with --disable-dashboard)" >&2
        exit 1
fi

# npm starts whatever node comes first on PATH.
PATH=$(dirname "$node"):$PATH
export PATH
stage_sources "$@"
cd "$work"
install_packages
"$node" node_modules/vite/bin/vite.js build --logLevel warn --emptyOutDir --outDir "$result/dist"
"$node" scripts/precompress.mjs "$result/dist"
finish "$wanted"
