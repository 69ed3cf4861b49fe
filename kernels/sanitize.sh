#!/usr/bin/env bash
# Builds the native ops with the address and undefined-behaviour sanitizers and runs their tests on that build.
# Usage: kernels/sanitize.sh [pytest arguments]. PYTHON chooses the interpreter (with nanobind, torch, pytest and hypothesis), ISAS the
# instruction sets; the default is this machine's best, because every one takes minutes to compile.
set -euo pipefail
python=$(realpath -s "$(command -v "${PYTHON:-python}")")
cd "$(dirname "$0")/.."
build=build/sanitize
best() { grep -qw avx512vl /proc/cpuinfo && echo avx512 || { grep -qw avx2 /proc/cpuinfo && echo avx2 || echo sse42; }; }
mkdir -p build
cmake -S kernels -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCHORUS_SANITIZE=ON -DCHORUS_ISAS="${ISAS:-$(best)}" -DPython_EXECUTABLE="$python"
cmake --build "$build" --parallel "${JOBS:-2}"
mkdir -p "$build/python/chorus_kernels"
cp kernels/chorus_kernels/*.py "$build/python/chorus_kernels/"
cp "$build"/_native*.so "$build/python/chorus_kernels/"
# An editable install puts a finder before PYTHONPATH; without it the ordinary build would be tested, and nobody would see.
cat > "$build/python/sitecustomize.py" <<'END'
import sys
sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "ScikitBuildRedirectingFinder"]
END
# Python itself is not instrumented: the runtime must come first, and what the interpreter keeps is not a leak of ours.
export LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)"
export ASAN_OPTIONS=detect_leaks=0:alloc_dealloc_mismatch=0 UBSAN_OPTIONS=print_stacktrace=1
export PYTHONPATH="$PWD/$build/python"
"$python" -c "import os, chorus_kernels._native as n; assert n.__file__.startswith(os.environ['PYTHONPATH']), n.__file__"
# Tests of how much memory is taken, and of what happens where it is refused, would see the sanitizers' own.
aside=(--ignore tests/kernels/test_memory.py --ignore tests/kernels/test_short_of_memory.py)
"$python" -m pytest tests/kernels "${aside[@]}" -p no:cacheprovider --capture=sys "$@"
