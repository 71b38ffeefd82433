#!/bin/sh
# Compares pipersr with other runtimes on this machine; docs/performance.md says what it means.
#
# usage: bench/peers/run.sh [options]      --help lists them; the first run installs the runtimes
# $PIPERSR: the program (build/pipersr). $PIPERSR_PEERS: the folder for runtimes and results
# (build-peers; 7 GB, most of it the CUDA libraries without which PyTorch's wheel does not load).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${PIPERSR_PEERS:-$root/build-peers}
python=$folder/venv/bin/python
cpu_wheels=https://download.pytorch.org/whl/cpu

if [ ! -x "$python" ]; then
    base=$(test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)
    mkdir -p "$folder"
    "$base" -m venv "$folder/venv" || {
        echo "peers: $base cannot make a virtual environment: install python3-venv" >&2
        rm -rf "$folder/venv"
        exit 1
    }
fi

# One at a time: a runtime that cannot be had here is left out, and the comparison says so.
while read -r requirement; do
    case $requirement in '' | '#'*) continue ;; esac
    stamp=$folder/venv/$requirement.installed
    [ ! -e "$stamp" ] || continue
    echo "peers: installing $requirement"
    # PyTorch's own index has it without CUDA, a tenth of the size.
    case $requirement in
    torch==*) "$python" -m pip install -q --retries 0 --timeout 10 --index-url "$cpu_wheels" "$requirement" 2>/dev/null ||
        "$python" -m pip install -q "$requirement" ;;
    *) "$python" -m pip install -q "$requirement" ;;
    esac && touch "$stamp" || echo "peers: no $requirement for this system; left out" >&2
done <"$here/requirements.txt"

program=${PIPERSR:-$root/build/pipersr}
exec "$python" "$here/compare.py" --program "$program" --folder "$folder" "$@"
