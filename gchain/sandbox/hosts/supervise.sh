#!/bin/bash
# Keeps one host: mounts its file system in a mount namespace of its own (so that nothing stays mounted when it ends), boots it, and
# boots it again when it asked for a reboot (status 133). Called through `unshare --mount --propagation slave`.
#   LOWER  read-only layers   DIR  the host's directory, with `volumes`: lines "image mountpoint"   GROUP  its cgroup
#   PROCS  files that admit a process to its cgroups   NETNS  its network namespace   MACHINE  its name
set -u
exec </dev/null >>"$DIR/console.log" 2>&1
trap '' HUP
trap 'echo $? >"$DIR/ended"' EXIT
# nspawn wants /run/systemd; where systemd runs the machine it is there and must not be covered.
[ -d /run/systemd/system ] || mount -t tmpfs -o mode=755 tmpfs /run/systemd || exit 70
mount -t overlay "gchain-$MACHINE" -o "lowerdir=$LOWER,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/root" || exit 71
while :; do
  binds=()
  while read -r image target; do
    mkdir -p "$image.mnt" "$DIR/root$target"
    mountpoint -q "$image.mnt" || mount -o loop,noatime "$image" "$image.mnt" || exit 72
    binds+=("--bind=$image.mnt:$target")
  done <"$DIR/volumes"
  find "$GROUP" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
  (
    for procs in $PROCS; do echo "$BASHPID" >"$procs" || exit 73; done
    export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    exec systemd-nspawn -q -D "$DIR/root" -M "$MACHINE" --register=no --keep-unit \
      --network-namespace-path="/run/netns/$NETNS" --capability=CAP_NET_ADMIN,CAP_BPF --system-call-filter=bpf \
      --link-journal=no --resolv-conf=off --timezone=off --console=read-only "${binds[@]}" -b
  )
  status=$?
  [ "$status" = 133 ] || exit "$status"
done
