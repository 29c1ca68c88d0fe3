#!/bin/sh
# Install nft and ip, which the tests of real traffic need: the real kube-proxy, in network namespaces of their own.
# Where that cannot be done it says so and goes on; those tests then say why they did not run, and in CI they fail.
set -u

missing=""
command -v nft >/dev/null 2>&1 || missing="$missing nftables"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
test -n "$missing" || exit 0

give_up() {
  echo "==> Real traffic cannot be tested: $1. Install$missing (Debian, Ubuntu: sudo apt-get install$missing)." >&2
  exit 0
}

test "$(id -u)" = 0 || give_up "it needs root and$missing"
command -v apt-get >/dev/null 2>&1 || give_up "$missing is missing and there is no apt-get"

echo "==> Installing$missing"
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
install() {
  # shellcheck disable=SC2086 -- a list of packages
  apt-get -qq -y -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=60 \
    install --no-install-recommends $missing >/dev/null
}
# The lists of packages may be old, or not there at all: on a new machine they are.
install 2>/dev/null || { apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20 update >/dev/null && install; } ||
  give_up "apt-get did not install$missing"
