#!/bin/sh
# What `make env` needs from the operating system: Python 3.11, 3.12 or 3.13 with venv, ensurepip and header files, and a C
# and C++ compiler, because kwant is compiled on this machine.
#
#   system-deps.sh PYTHON
#
# Installs what is missing where that can be done without asking (as root, with apt-get); else names the one command that
# cures it and fails.
set -eu
python=$1

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

answer() { # of a Python expression
    "$python" -c "import sys, sysconfig; print($1)" 2>/dev/null
}

# Sets `missing` (for people) and `packages` (for apt-get).
look() {
    missing="" packages=""
    if ! version=$(answer '"%d.%d" % sys.version_info[:2]'); then
        [ "$python" = python3 ] || fail "error: PYTHON=$python does not run. Name one that does: make env PYTHON=python3"
        missing="Python 3 (python3), a C++ compiler" packages="python3 python3-venv python3-dev g++"
        return
    fi
    [ "$(answer 'sys.version_info >= (3, 11)')" = True ] ||
        fail "error: $python is Python $version; bdg needs 3.11 or newer. Name another one: make env PYTHON=python3.12"
    [ "$(answer 'sys.version_info < (3, 14)')" = True ] ||
        fail "error: $python is Python $version; kwant's sources are built and tested with 3.11 to 3.13 only: make env PYTHON=python3.13"
    # "python3.11-dev" rather than "python3-dev": right also where several versions are installed.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        missing="the modules venv and ensurepip of $python, " packages="python$version-venv "
    fi
    if ! [ -f "$(answer 'sysconfig.get_path("include")')/Python.h" ]; then
        missing="${missing}the header files of $python (Python.h), " packages="${packages}python$version-dev "
    fi
    if ! "${CC:-cc}" --version >/dev/null 2>&1 || ! "${CXX:-c++}" --version >/dev/null 2>&1; then
        missing="${missing}a C and C++ compiler, " packages="${packages}g++ "
    fi
    missing=${missing%, } packages=${packages% }
}

look
[ -n "$packages" ] || exit 0

# Packages of the operating system serve its own Python only.
case "$packages:$(answer sys.base_prefix || true)" in
*python*:/usr | *python*: | g++:*) ;;
*)
    fail "error: missing: $missing." \
        "This Python is not the operating system's: reinstall it whole where it came from, or use the system's own:" \
        "  make env PYTHON=/usr/bin/python3"
    ;;
esac

if ! command -v apt-get >/dev/null 2>&1; then
    fail "error: missing: $missing. Needed because kwant is compiled on this machine." \
        "Install it with this system's package manager, for example with one of" \
        "  sudo dnf install python3-devel gcc-c++" \
        "  sudo pacman -S python gcc" \
        "or use conda, which has kwant compiled: conda env create -f environment.yml"
fi
if [ "$(id -u)" -ne 0 ]; then
    fail "error: missing: $missing. Needed because kwant is compiled on this machine. Run once:" \
        "  sudo apt-get install --no-install-recommends $packages"
fi

echo "make: missing: $missing. Needed because kwant is compiled on this machine; installing: $packages"
# shellcheck disable=SC2086  # a list of words
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages </dev/null
}
install >/dev/null 2>&1 || { apt-get update -qq && install >/dev/null; } ||
    fail "error: apt-get could not install them; see above. By hand: apt-get update && apt-get install $packages"
look
[ -z "$packages" ] || fail "error: still missing after that: $missing"
