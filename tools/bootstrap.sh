#!/bin/sh
# Makes the virtual environment and what `make` wants in it; returns at once when all is in place.
# usage: tools/bootstrap.sh [run | dev | static] …      PYTHON names the interpreter, VENV the folder
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=$venv/bin/python
log=var/bootstrap.log
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

fail() {
    echo "$*" >&2
    exit 1
}

# One line of progress: step "What is done" command …; what the command says is shown only when it fails.
step() {
    printf '%s … ' "$1"
    shift
    began=$(date +%s)
    mkdir -p var
    if "$@" >"$log" 2>&1 </dev/null; then
        echo "done in $(($(date +%s) - began)) s"
    else
        echo failed
        cat "$log" >&2
        rm -f "$venv/unfinished"
        fail "The lines above say why (also in $log)."
    fi
}

is_new_enough() {
    "$1" -c "$new_enough" >/dev/null 2>&1
}

# Print the first interpreter that runs (a version manager leaves names on PATH that do not) and is new enough.
find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3.13 python3.12 python3.11 python3; fi
    for candidate; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$("$candidate" -c 'import sys; print("%s is Python %d.%d" % ((sys.argv[1],) + sys.version_info[:2]))' \
        "$candidate" 2>/dev/null) || found="$candidate does not run"
    fail "Python 3.11 or newer is needed ($found): install it, or name one with PYTHON=/path/to/python3.11."
}

new_venv() {
    rm -rf "$venv"
    "$base" -m venv "$venv" && "$python" -m pip install uv && return
    # Debian's python3 comes without ensurepip; a pip outside can fill a virtual environment that has none.
    rm -rf "$venv"
    "$base" -m venv --without-pip "$venv" && "$base" -m pip --python "$python" install uv
}

make_venv() {
    base=$(find_python)
    printf 'Making %s … ' "$venv"
    began=$(date +%s)
    mkdir -p var
    if (new_venv) >"$log" 2>&1 </dev/null; then
        echo "done in $(($(date +%s) - began)) s"
        return
    fi
    rm -rf "$venv"
    echo failed
    if { "$base" -c 'from ensurepip import version' || "$base" -m pip --version; } >/dev/null 2>&1; then
        cat "$log" >&2
        fail "The lines above say why (also in $log)."
    fi
    package=$("$base" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    fail "$base cannot make virtual environments: install the package python3-venv ($package) and try again."
}

# Whether the environment runs and still holds what its stamp says.
is_whole() {
    "$python" -c "import django; $new_enough" >/dev/null 2>&1
}

can_install() {
    is_new_enough "$python" && { [ -x "$venv/bin/uv" ] || "$python" -m pip install uv; } >/dev/null 2>&1
}

# uv does not read the settings of the user's pip (its indexes, its certificates): where uv cannot install, pip may.
fill() {
    "$venv/bin/uv" pip install --python "$python" --require-hashes -r "$1" && return
    base=$(find_python)
    "$base" -m pip --version && "$base" -m pip --python "$python" install --require-hashes -r "$1" && return
    "$python" -m pip --version && "$python" -m pip install --require-hashes -r "$1"
}

# The stamp is a copy of the list that was installed; what was interrupted half-way starts from nothing.
install() {
    list=requirements/$1.txt
    stamp=$venv/$1.stamp
    if cmp -s "$list" "$stamp" && is_whole; then return; fi
    if [ -e "$venv/unfinished" ] || { [ -e "$stamp" ] && ! is_whole; }; then rm -rf "$venv"; fi
    can_install || make_venv
    touch "$venv/unfinished"
    step "Installing dependencies (about $(grep -c == "$list") packages)" fill "$list"
    rm "$venv/unfinished"
    cp "$list" "$stamp"
}

# Collect again when a source, a dependency or the settings changed after the last time.
collect_static() {
    data=${DATA_DIR:-var}
    stamp=$data/static.stamp
    if [ -d "$data/static" ] && [ -e "$stamp" ] &&
        [ -z "$(find static chatsite/settings.py "$venv/run.stamp" -newer "$stamp" | head -n 1)" ]; then return; fi
    { mkdir -p "$data" && touch "$stamp.new"; } 2>/dev/null ||
        fail "DATA_DIR is $data, which cannot be written to: choose a folder of your own."
    step "Collecting static files" "$python" manage.py collectstatic --noinput
    mv "$stamp.new" "$stamp"
}

for part; do
    case $part in
        run | dev) install "$part" ;;
        static) collect_static ;;
        *) fail "tools/bootstrap.sh knows run, dev and static, not $part." ;;
    esac
done
