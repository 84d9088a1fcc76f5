#!/bin/sh
# Sees to it that programs are there, before anything runs: `sh tools/needs.sh venv curl jq`. Root
# has apt-get install what is missing; everybody else is told how to. `venv` is the module of
# $PYTHON that makes environments.
missing=""
for name in "$@"; do
    if [ "$name" = venv ]; then
        "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
    else
        command -v "$name" >/dev/null || missing="$missing $name"
    fi
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing:$missing; on Debian and Ubuntu: sudo apt-get install$missing" >&2
    exit 1
fi
apt-get update -qq
# shellcheck disable=SC2086 - they are several words
DEBIAN_FRONTEND="${DEBIAN_FRONTEND:-noninteractive}" apt-get install -y -qq $missing
