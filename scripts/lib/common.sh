# What scripts/setup, scripts/run, scripts/test and others share: the Debian packages tcpeek needs and how they
# are installed, where builds and logs lie, and how progress is told.
#
# Sourced, never run. The caller has set -euo pipefail. Everything told goes to standard error: standard
# output belongs to the program that is run.
# shellcheck shell=bash

TCPEEK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LOG_DIR=$TCPEEK_ROOT/build/logs

RUN_PACKAGES=(
  g++ cmake ninja-build pkg-config
  libboost1.81-dev libspdlog-dev libfmt-dev libcap-ng-dev libpcap-dev libcli11-dev
  libxxhash-dev libmnl-dev libconcurrentqueue-dev zlib1g-dev libzstd-dev libseccomp-dev
  libnats-dev rapidjson-dev libjs-dygraphs
)
TEST_PACKAGES=(
  python3-pyte tmux zsh fish bash-completion jq openssl nats-server
  libgtest-dev libgmock-dev libbenchmark-dev libbpf-dev nlohmann-json3-dev
  clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 llvm-14 shellcheck mypy mandoc
  python3 iproute2 nftables tshark tcpdump strace systemd prometheus mmdebstrap piuparts valgrind
  chromium chromium-driver
)
MIXIN_PACKAGES=(jsonnet nodejs npm)
PACKAGE_PACKAGES=(python3 debhelper dpkg-dev lintian)
DEMO_PACKAGES=(python3 iproute2 nftables tmux)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# Sets `packages` to those needed for `run`, `mixin`, `package` or `demo`, or for `test`, which needs them all.
select_packages() {
  local mixin=("${MIXIN_PACKAGES[@]}")
  # A Node.js that is not Debian's brings npm along and excludes Debian's.
  if command -v node >/dev/null && command -v npm >/dev/null; then mixin=(jsonnet); fi
  case $1 in
    run) packages=("${RUN_PACKAGES[@]}") ;;
    mixin) packages=("${mixin[@]}") ;;
    package) packages=("${RUN_PACKAGES[@]}" "${PACKAGE_PACKAGES[@]}") ;;
    demo) packages=("${RUN_PACKAGES[@]}" "${DEMO_PACKAGES[@]}") ;;
    test) packages=("${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${mixin[@]}" "${PACKAGE_PACKAGES[@]:1}") ;;
  esac
}

# Prints those of the packages named that are not installed.
missing_packages() {
  local installed package
  # dpkg-query fails when it does not know a package, and still answers for the others.
  # shellcheck disable=SC2016 # the fields are dpkg-query's
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || true
  for package in "$@"; do
    if ! grep -qxF "$package installed" <<<"$installed"; then printf '%s\n' "$package"; fi
  done
}

# The -dev packages of two Boost versions exclude each other. Nothing is removed unasked.
refuse_other_boost() {
  local other
  # shellcheck disable=SC2016 # the fields are dpkg-query's
  other=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 'libboost1.*-dev' 2>/dev/null |
    sed -nE 's/^(libboost1\.[0-9]+-dev) installed$/\1/p' | grep -vxF libboost1.81-dev) || true
  if [[ -z $other ]]; then return; fi
  die "$other is installed and Debian does not allow libboost1.81-dev, which tcpeek needs, beside it:" \
    "if nothing else needs it, run 'apt-get remove $other' as root, then start this again"
}

# Installs what is missing of the packages for `run`, `mixin`, `package`, `demo` or `test`.
ensure_packages() {
  local packages missing server as_root=()
  select_packages "$1"
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is no Debian: nothing is installed; needed, by their names on Debian 12: ${packages[*]}"
    return
  fi
  mapfile -t missing < <(missing_packages "${packages[@]}")
  if ((${#missing[@]} == 0)); then return; fi

  if [[ " ${missing[*]} " == *" libboost1.81-dev "* ]]; then refuse_other_boost; fi
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "packages are missing and this is neither root nor is there sudo;" \
      "run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing with apt-get, which takes a minute or two: ${missing[*]}"
  logged apt-update "${as_root[@]}" apt-get -q update ||
    say "going on with the package lists as they are"
  # --no-remove: what is installed stays, a conflict is an error.
  logged apt-install "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-remove --no-install-recommends -o DPkg::Lock::Timeout=120 \
    install "${missing[@]}" ||
    die "could not install ${missing[*]}: apt-get says why above; tcpeek is built on Debian 12"
  # Tests run servers of their own: the services that their packages start were not asked for.
  for server in prometheus nats-server; do
    if [[ " ${missing[*]} " == *" $server "* && -d /run/systemd/system ]]; then
      logged "$server-service" "${as_root[@]}" systemctl disable --now "$server.service"
    fi
  done
}

# Fetches what the dashboards are made with, unless it is there as the lock file says, and sets `modules` to
# its folder. One at a time.
ensure_dashboard_modules() {
  local wanted=$TCPEEK_ROOT/packaging/prometheus/dashboards
  modules=$(build_dir dashboard-modules)
  make_build_dirs
  mkdir -p "$modules"
  exec 9>"$modules/lock"
  flock 9
  if ! cmp -s "$wanted/package-lock.json" "$modules/fetched"; then
    cp "$wanted"/package{,-lock}.json "$modules"
    say "fetching what the dashboards are made with, by npm"
    logged npm npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund ||
      die "the dashboards cannot be made: npm says why above"
    cp "$wanted/package-lock.json" "$modules/fetched"
  fi
  exec 9>&-
}

# logged NAME COMMAND...: runs it with its output in build/logs/NAME.log, whose end is shown if it fails.
logged() {
  local log=$LOG_DIR/$1.log status=0
  shift
  make_build_dirs
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status != 0)); then
    tail -n "${TCPEEK_LOG_LINES:-60}" "$log" >&2
    say "failed with status $status: $* (all of it: $log)"
  fi
  return "$status"
}

make_build_dirs() {
  if mkdir -p "$LOG_DIR" 2>/dev/null && [[ -w $LOG_DIR ]]; then return; fi
  die "cannot write to $LOG_DIR as $(id -un): remove $TCPEEK_ROOT/build if another user made it"
}

# configure PRESET [CMAKE OPTION...]
configure() {
  local preset=$1
  shift
  forget_moved_builds
  use_ccache
  cmake -S "$TCPEEK_ROOT" --preset "$preset" "$@"
}

# Where there is one, for builds configured from here on. Without the sloppiness it keeps nothing that uses
# a precompiled header.
use_ccache() {
  if ! command -v ccache >/dev/null; then return; fi
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_SLOPPINESS=pch_defines,time_macros
}

# A checkout that was moved or copied brings caches that name the old place.
forget_moved_builds() {
  local cache
  for cache in "$TCPEEK_ROOT"/build/*/CMakeCache.txt; do
    if [[ -f $cache ]] && ! grep -qE "^CMAKE_HOME_DIRECTORY:INTERNAL=$TCPEEK_ROOT(/tests/matrix)?\$" "$cache"; then
      rm -rf "$cache" "${cache%/*}"/{CMakeFiles,build.ninja}
    fi
  done
}

build_dir() { printf '%s/build/%s' "$TCPEEK_ROOT" "$1"; }

# Passes on what cmake and ctest print, but of ninja's lines, `[done/all] ...`, one in PROGRESS_S seconds,
# and none of the tests that begin.
PROGRESS_S=5
show_progress() {
  local line shown=-$PROGRESS_S
  while IFS= read -r line; do
    if [[ $line =~ ^\ +Start\ +[0-9]+: ]]; then continue; fi
    if [[ $line =~ ^\[[0-9]+/[0-9]+\]\  ]]; then
      if ((SECONDS - shown < PROGRESS_S)); then continue; fi
      shown=$SECONDS
    fi
    printf '%s\n' "$line"
  done
}
