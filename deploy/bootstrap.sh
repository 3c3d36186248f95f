#!/bin/sh
# From a bare machine to .venv with every locked package: finds a Python, makes the environment, installs by hash.
# Later runs see from .venv/.ready that nothing changed and end at once.
#
#   deploy/bootstrap.sh              PYTHON=/path/to/python chooses the interpreter
set -eu

cd "$(dirname "$0")/.."
venv=.venv
ready=$venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# What the environment was made from. The folder belongs to it: a moved or copied environment names its old place.
fingerprint() { { pwd -P; cat requirements.lock pyproject.toml deploy/bootstrap.sh; } | sha256sum | cut -d ' ' -f 1; }

is_ready() { [ -f $ready ] && [ "$(cat $ready)" = "$(fingerprint)" ] && $venv/bin/python -c '' 2>/dev/null; }

is_ready && exit 0

# Two commands at once (make run, make test) take turns; the second one then finds the work done.
exec 9<deploy/bootstrap.sh
if command -v flock >/dev/null; then flock 9; fi
is_ready && exit 0

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_ensurepip() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if is_new_enough "$PYTHON"; then echo "$PYTHON"; fi
        return
    fi
    found=
    for candidate in python3.13 python3.12 python3.11 python3; do
        if is_new_enough "$candidate"; then
            if has_ensurepip "$candidate"; then echo "$candidate"; return; fi
            found=${found:-$candidate}
        fi
    done
    echo "$found"
}

# The line a person would type: Debian keeps the module that brings pip along in a package of its own.
venv_package() { "$1" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")'; }

install_ensurepip() {
    package=$(venv_package "$1")
    command -v apt-get >/dev/null ||
        fail "$1 has no ensurepip, which making .venv needs: install the venv package of your Python, then try again."
    [ "$(id -u)" = 0 ] ||
        fail "$1 has no ensurepip, which making .venv needs. Run this, then try again: sudo apt-get install -y $package"
    say "$1 has no ensurepip: installing Debian's $package"
    apt-get update -qq >&2 || say "apt-get update failed, trying with the lists that are here"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2 ||
        fail "Installing $package failed (see above). Install it by hand, then try again."
    has_ensurepip "$1" || fail "$1 still has no ensurepip after installing $package: choose another one with PYTHON=..."
}

# Programs in a copied environment would start the Python of the place it was copied from.
is_at_home() { head -n 2 $venv/bin/pip 2>/dev/null | grep -qF "$(pwd -P)/$venv/bin/python"; }

if is_at_home && is_new_enough $venv/bin/python && $venv/bin/python -m pip --version >/dev/null 2>&1; then
    fresh=no
else
    fresh=yes
    python=$(find_python)
    [ -n "$python" ] ||
        fail "Python 3.11 or newer was not found: apt-get install python3 python3-venv, or PYTHON=/path/to/python make run"
    has_ensurepip "$python" || install_ensurepip "$python"
    rm -rf $venv
fi

# A half-made environment must not look like one; an older one that failed to update still works and is kept.
give_up() {
    status=$?
    trap - EXIT
    if [ "$status" -ne 0 ] && [ $fresh = yes ]; then rm -rf $venv; fi
    exit "$status"
}
trap give_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

rm -f $ready
if [ $fresh = yes ]; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv $venv || fail "$python -m venv failed (see above)."
fi
say "installing $(grep -c '^[a-z0-9].*==' requirements.lock) locked packages (a minute or two)"
# The lock names every package, so there is nothing to resolve; they are compiled after, on all cores.
$venv/bin/python -m pip install --quiet --require-hashes --only-binary=:all: --no-deps --no-compile \
    -r requirements.lock || fail "Installing requirements.lock failed (see above)."
$venv/bin/python -m compileall -q -j 0 $venv/lib >/dev/null 2>&1 || true  # some hold samples of what can't be compiled
$venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . ||
    fail "Installing doisoat itself failed (see above)."
fingerprint >$ready.part
mv $ready.part $ready
say "everything is set up"
