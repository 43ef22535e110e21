# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# lib.sh: what the scripts share. Sourcing it makes the top of the tree the current folder.

self=$(realpath "$0")
cd "$(dirname "$self")/.." || exit

say() {
	printf '\n==> %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Prints the comment at the top of the script that is running, from its third line on.
usage() {
	sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$self"
}

# Answers --help and refuses anything else.
no_arguments() {
	case ${1-} in
	'') ;;
	-h | --help)
		usage
		exit
		;;
	*) die "unknown argument '$1', see --help" ;;
	esac
}

# build PRESET [OPTION...]: configures with the options and builds.
build() {
	local preset=$1
	shift
	[ ! -f "cmake/toolchains/$preset.cmake" ] || script/target-libraries "$preset"
	say "$preset: build"
	cmake --preset "$preset" "$@"
	cmake --build --preset "$preset" --parallel "$(nproc)"
}
