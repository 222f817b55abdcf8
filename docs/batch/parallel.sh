#!/bin/sh
# Does a list in several processes with GNU parallel, one process for each shard.
#
#   parallel.sh LIST RECEIPTS SHARDS [OPTION…]
#
# With --sshlogin in PARALLEL the processes run on other machines that have the same files.
# The exit status is that of the whole list. Run it again to go on where it stopped.
set -eu
list=$1 receipts=$2 shards=$3
shift 3
seq 0 $((shards - 1)) |
  parallel --quote -j "$shards" \
    imgconv batch "$list" --receipts "$receipts" --shard "{}/$shards" -j 1 --judged-ok "$@" || true
exec imgconv batch "$list" --receipts "$receipts" --status
