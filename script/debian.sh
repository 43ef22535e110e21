# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# debian.sh: packages of another suite than this machine's, unpacked in a folder, for programs that fetch something.
#
# They are taken by name from the Debian mirror that apt is configured for on this machine. Nothing is installed, and
# apt's own state is not touched.

cannot() {
	printf '%s: cannot be fetched: %s\n' "${0##*/}" "$*" >&2
	exit 77
}

# debian_begin FOLDER SUITE: makes it anew, in $home; the names of packages of the suite are there afterwards.
debian_begin() {
	local tool mirror options='' name keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	home=$1
	suite=$2
	for tool in apt-get dpkg-deb; do
		command -v "$tool" >/dev/null || cannot "no $tool here"
	done
	[ "$(dpkg --print-architecture)" = amd64 ] || cannot "this is for x86_64"
	# shellcheck disable=SC2016 # apt fills that in
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
		grep -v security | head -n 1 || true)
	[ -n "$mirror" ] || cannot "apt has no Debian mirror, or was never updated"

	rm -rf "$home"
	mkdir -p "$home/lists/partial" "$home/archives/partial" "$home/root"
	touch "$home/status"
	[ ! -e $keyring ] || options="[signed-by=$keyring] "
	for name in trixie "$suite"; do
		echo "deb ${options}$mirror $name main"
	done | sort -u >"$home/sources.list"
	log=${home#"$PWD"/}/log

	# An empty status: apt finds all that a program needs, down to the C library.
	apt=(-o "Dir::Etc::sourcelist=$home/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State=$home"
		-o "Dir::State::lists=$home/lists" -o "Dir::State::status=$home/status" -o "Dir::Cache=$home"
		-o Dir::Etc::preferencesparts=/dev/null -o APT::Install-Recommends=false -o Debug::NoLocking=true
		-o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=2 -o Acquire::http::Timeout=30
		-o Acquire::https::Timeout=30 -o Acquire::Languages=none -o APT::Update::Error-Mode=any)
	apt-get "${apt[@]}" -qq update >"$log" 2>&1 || cannot "apt-get update failed, see $log"
}

# debian_needs PACKAGE: the names of what would be installed with it.
debian_needs() {
	apt-get "${apt[@]}" --simulate --target-release "$suite" install "$1" 2>>"$log" | sed -n 's/^Inst \([^ ]*\).*/\1/p'
}

# debian_install PACKAGE: unpacks it with all that it needs in $home/root.
debian_install() {
	apt-get "${apt[@]}" -qq --yes --download-only --target-release "$suite" install "$1" >>"$log" 2>&1 ||
		cannot "the mirror does not have $1, see $log"
	debian_unpack
}

# debian_download PACKAGE...: unpacks these alone.
debian_download() {
	(cd "$home/archives" && apt-get "${apt[@]}" -qq --target-release "$suite" download "$@") >>"$log" 2>&1 ||
		cannot "the mirror does not have $*, see $log"
	debian_unpack
}

debian_unpack() {
	local package
	for package in "$home"/archives/*.deb; do
		dpkg-deb -x "$package" "$home/root" || cannot "$package is damaged"
	done
	rm -rf "$home/archives" "$home/lists"
}
