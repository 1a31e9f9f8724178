#!/usr/bin/env bash
# The journey on real data: a git branch becomes a data environment, and a git merge a release.
# It needs `seeknal` on PATH (`make demo` sees to that), and works in a temporary folder that it removes;
# `KEEP=1 make demo` leaves the folder there to play with.
set -euo pipefail

flights=$(cd "$(dirname "${BASH_SOURCE[0]}")/flights" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/seeknal-demo.XXXXXX")
trap '[ -n "${KEEP-}" ] || rm -rf "$folder"' EXIT
exec 2>&1 # one stream, so that a log has everything in order

# The demonstration has an author, a main branch and no settings but these, whatever this machine's git has.
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_ADVICE=0
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE SEEKNAL_HOOKS

if [ -t 1 ]; then bold=$'\e[1m' blue=$'\e[36m' plain=$'\e[0m'; else bold='' blue='' plain=''; fi

chapter() { printf '\n%s%s%s\n%s\n' "$bold" "$1" "$plain" "${2-}"; }
try() {
    printf '\n%s$ %s%s\n' "$blue" "$1" "$plain"
    eval "$1"
}
# An edit as an editor would make it; `git diff` shows it afterwards.
edit() { # file, what is there, what shall be there
    python3 - "$@" <<'PYTHON'
import pathlib, sys
path, old, new = pathlib.Path(sys.argv[1]), *sys.argv[2:]
text = path.read_text()
assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
path.write_text(text.replace(old, new))
PYTHON
}

cp -R "$flights" "$folder/flights"
cd "$folder/flights"
rm -rf .git target exports

chapter "1  A project" "Flights from New York in January 2013: 5 sources, 8 transforms, 3 rules,
a feature group and a file that is delivered. Each of them is one YAML file."
try "cd $folder/flights"
try "seeknal init"

chapter "2  Production" "The plan comes from git alone. The run builds tables, checks them, and then
publishes all of them at once."
try "seeknal plan | tail -n 8"
try "seeknal run"
totals="SELECT sum(flights) FROM delays_by_carrier"
try "seeknal query '$totals'"

chapter "3  A branch is an environment" "One more column. What does not read it is re-used, and not built again."
try "git switch -c dev"
edit seeknal/transforms/delays_by_carrier.yml "    count(*) AS flights," \
    $'    count(*) AS flights,\n    max(f.dep_delay) AS worst_dep_delay,'
try "git diff -U0 | grep '^[+-] '"
try "seeknal plan"
try "seeknal run"
try "seeknal query 'SELECT carrier_name, worst_dep_delay FROM delays_by_carrier
                 ORDER BY worst_dep_delay DESC LIMIT 3'"

chapter "4  A change that breaks" "Another filter means other rows: what reads them is built again. The weather
is not. Production still shows the old numbers."
edit seeknal/transforms/flights_clean.yml "WHERE f.dep_time IS NOT NULL" "WHERE f.arr_delay IS NOT NULL"
try "git diff -U0 seeknal/transforms/flights_clean.yml | grep '^[+-] '"
try "seeknal plan"
try "seeknal run"
try "seeknal query --env dev '$totals'"
try "seeknal query --env prod '$totals'"

chapter "5  A merge is a release" "A git hook promotes. The branch has built and checked every table, so nothing
is built again: production's views are re-pointed, in one transaction."
try "git commit -am 'Worst delay of each carrier; only flights that arrived'"
try "git switch main"
try "git merge dev"
try "seeknal query '$totals'"

chapter "6  A revert is a rollback" "The old tables are still there, so this builds nothing either."
try "git revert --no-edit HEAD"
try "seeknal query '$totals'"
try "seeknal status"

chapter "That was the journey." "$(
    if [ -n "${KEEP-}" ]; then
        echo "It is all in $folder/flights: go on from there, and delete it when you like."
    else
        echo "Its folder is removed now; KEEP=1 make demo keeps it. Next: docs/tutorial.md"
    fi
)"
