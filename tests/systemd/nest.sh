#!/bin/bash
# Runs systemd as the first process of a small machine inside this one. Its root is an overlay over ours, or over
# the folder ROOT, so that what it writes is in memory and goes with it; it has a /run, a /dev and a control
# group of its own and none of our enabled services. /proc/sys and /sys can only be read, and the capabilities
# that reach beyond its namespaces (modules, clock, security policy, audit) are gone for good.
#
#   unshare --pid --mount --uts --ipc --fork --kill-child nest.sh run FOLDER STAGE GROUP ROOT
#   unshare --mount nest.sh clean GROUP
#   unshare --mount nest.sh clean_leftovers
#
# FOLDER is an empty folder for mounts, STAGE a tree laid over the root, GROUP the name of a control group.
# `clean` removes that group when all is over, `clean_leftovers` those of test processes that were killed before
# they could: their names are tcpeek-PID-... All change mounts, so each wants a mount namespace.
set -euo pipefail

GROUPS_AT=/sys/fs/cgroup
BEYOND=-sys_module,-sys_time,-sys_rawio,-sys_pacct,-syslog,-mac_admin,-mac_override
BEYOND+=,-audit_control,-audit_read,-audit_write,-wake_alarm,-block_suspend

make_root() {
  local folder=$1 stage=$2 root=$3
  mount -t tmpfs tmpfs "$folder"
  mkdir "$folder/upper" "$folder/work" "$folder/root"
  # Copied, as the layers of an overlay may not lie within each other.
  cp -a "$stage" "$folder/stage"
  mount -t overlay -o "lowerdir=$folder/stage:$root,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/root"
  cd "$folder/root"
  mount -t tmpfs tmpfs run
  mount -t tmpfs tmpfs tmp
  mount -t tmpfs tmpfs etc/systemd/system
  : >etc/fstab
  mount -t proc proc proc
  mount --bind -o ro proc/sys proc/sys
  mount -t sysfs -o ro sysfs sys
}

make_dev() {
  mount -t tmpfs -o mode=0755 tmpfs dev
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mknod -m 0666 dev/null c 1 3
  mknod -m 0666 dev/zero c 1 5
  mknod -m 0666 dev/full c 1 7
  mknod -m 0666 dev/random c 1 8
  mknod -m 0666 dev/urandom c 1 9
  mknod -m 0666 dev/tty c 5 0
}

# The unified hierarchy wherever this machine has it, or nowhere yet.
enter_group() {
  mount -t cgroup2 cgroup2 "$PWD$GROUPS_AT"
  mkdir "$PWD$GROUPS_AT/$1"
  echo $$ >"$PWD$GROUPS_AT/$1/cgroup.procs"
  umount "$PWD$GROUPS_AT"
}

run() {
  mount --make-rprivate /
  make_root "$1" "$2" "$4"
  make_dev
  enter_group "$3"
  # The rest in a namespace in which that group is the root of all.
  exec unshare --cgroup "$NEST" inside
}

inside() {
  mount -t cgroup2 cgroup2 "$PWD$GROUPS_AT"
  mkdir run/outside
  pivot_root . run/outside
  cd /
  umount --lazy run/outside
  rmdir run/outside
  # As systemd makes them where it is in no container: credentials are mounted for services to see.
  mount --make-rshared /
  exec setpriv "--bounding-set=$BEYOND" env -i container=tcpeek-test "PATH=$PATH" \
    /lib/systemd/systemd --system --unit=basic.target --show-status=no
}

remove_group() {
  if [[ -d $GROUPS_AT/$1 ]]; then find "$GROUPS_AT/$1" -depth -type d -exec rmdir {} +; fi
}

clean() {
  mount -t cgroup2 cgroup2 "$GROUPS_AT"
  remove_group "$1"
}

clean_leftovers() {
  local group pid
  mount -t cgroup2 cgroup2 "$GROUPS_AT"
  for group in "$GROUPS_AT"/tcpeek-[0-9]*-*; do
    pid=${group##*/tcpeek-}
    if [[ ! -d /proc/${pid%%-*} ]]; then remove_group "${group##*/}"; fi
  done
}

NEST=$(readlink -f "$0")
"$@"
