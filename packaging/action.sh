#!/bin/sh
# The step of action.yml: checks sources, and says what it found as annotations, outputs and a summary.
# Reads IMGCONV_SOURCES, IMGCONV_CHECKS, IMGCONV_STRICT and IMGCONV_SARIF.
set -eu

case $IMGCONV_CHECKS in
  verify | roundtrip | both) ;;
  *)
    echo "error: checks: expected verify, roundtrip or both, found $IMGCONV_CHECKS" >&2
    exit 2
    ;;
esac

# A path or a pattern on each line; a name may have spaces.
IFS='
'
# shellcheck disable=SC2086
set -- $IMGCONV_SOURCES
if [ $# -eq 0 ]; then
  echo "error: sources: expected a path or a pattern" >&2
  exit 2
fi

status=0
worst() { if [ "$1" -gt "$status" ]; then status=$1; fi; }
strict=''
if [ "$IMGCONV_STRICT" = true ]; then strict=--strict; fi
found=$(mktemp)
trap 'rm -f "$found"' EXIT

if [ "$IMGCONV_CHECKS" != roundtrip ]; then
  imgconv verify ${strict:+"$strict"} --format github -- "$@" > "$found" || worst $?
  cat "$found"
fi
problems=$(grep -c '^::error' "$found" || true)

if [ "$IMGCONV_CHECKS" != verify ]; then
  for source in "$@"; do
    imgconv roundtrip -- "$source" || worst $?
  done
fi

if [ -n "$IMGCONV_SARIF" ]; then
  imgconv verify --quiet ${strict:+"$strict"} --format sarif -- "$@" > "$IMGCONV_SARIF" 2> /dev/null || true
  echo "sarif=$IMGCONV_SARIF" >> "$GITHUB_OUTPUT"
fi
echo "problems=$problems" >> "$GITHUB_OUTPUT"
{
  echo "### imgconv: $problems problems in $# sources"
  if [ -s "$found" ]; then
    echo
    sed 's/^::[a-z]* title=\([^:]*\)::\(.*\)$/    \1: \2/' "$found"
  fi
} >> "$GITHUB_STEP_SUMMARY"
exit "$status"
