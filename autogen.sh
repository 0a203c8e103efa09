#!/bin/sh
# Makes ./configure from configure.ac; needs autoconf, automake and pkg-config.
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake pkg-config; do
        command -v "$tool" >/dev/null || {
                echo "autogen.sh: $tool is missing: install autoconf, automake and pkg-config" \
                     "(Fedora: autoconf automake pkgconf-pkg-config)" >&2
                exit 1
        }
done
exec autoreconf --install --force --warnings=all,no-portability "$@"
