#!/bin/sh
# Does a list in several processes with xargs, one process for each shard.
#
#   xargs.sh LIST RECEIPTS SHARDS [OPTION…]
#
# The exit status is that of the whole list. Run it again to go on where it stopped.
set -eu
list=$1 receipts=$2 shards=$3
shift 3
seq 0 $((shards - 1)) |
  xargs -P "$shards" -I SHARD \
    imgconv batch "$list" --receipts "$receipts" --shard "SHARD/$shards" -j 1 --judged-ok "$@" || true
exec imgconv batch "$list" --receipts "$receipts" --status
