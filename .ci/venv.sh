#!/bin/sh
# The virtual environment of the Makefile, before anything is installed into it.
#
#   venv.sh PYTHON VENV          make VENV with PYTHON; one that is ready stays, one that was interrupted is made anew
#   venv.sh --same PYTHON VENV   fail if VENV was made with another version than that of PYTHON
#
# VENV/.unfinished stands for "begun here"; the Makefile renames it to VENV/.ready when all is installed.
set -eu

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

if [ "$1" = --same ]; then
    if wanted=$(version_of "$2") && present=$(version_of "$3/bin/python") && [ "$wanted" != "$present" ]; then
        fail "error: $3 was made with Python $present, but PYTHON=$2 is Python $wanted." \
            "Run 'make clean' first, or keep both: make VENV=.venv$wanted PYTHON=$2 ..."
    fi
    exit 0
fi

python=$1 venv=$2
if [ -e "$venv/.unfinished" ]; then
    echo "make: removing $venv, whose set-up was interrupted"
    rm -rf "$venv"
fi
if [ -e "$venv/.ready" ]; then
    python=$venv/bin/python # whatever PYTHON is today: only packages are brought up to date
elif [ -e "$venv" ]; then
    fail "error: $venv exists, but was not made by this Makefile: remove it, or name another one with VENV=..."
fi

sh "$(dirname "$0")/system-deps.sh" "$python"

if [ -e "$venv/.ready" ]; then
    echo "make: bringing $venv up to date"
    mv "$venv/.ready" "$venv/.unfinished"
    touch "$venv/.unfinished"
else
    echo "make: setting up $venv with $("$python" --version) (kwant is compiled: 1 to 4 minutes)"
    mkdir -p "$venv"
    touch "$venv/.unfinished"
    "$python" -m venv "$venv"
fi
