#!/bin/sh
# Takes the screenshots of this directory from a real demo: sh docs/images/take.sh
# Needs curl and a Chromium. As root: CHROMIUM="chromium --no-sandbox" sh docs/images/take.sh
set -eu
cd "$(dirname "$0")/../.."
chromium=${CHROMIUM:-chromium}
work=$(mktemp -d)
cargo build --quiet
target/debug/erboh demo --data-dir "$work/data" --producer-listen 127.0.0.1:0 \
    --consumer-listen 127.0.0.1:0 --kafka-listen 127.0.0.1:0 > "$work/out" &
demo=$!
trap 'kill $demo; wait $demo || true; rm -rf "$work"' EXIT
until grep -q '^  data ' "$work/out"; do
    kill -0 $demo
    sleep 0.1
done
place() { awk -v name="$1" '$1 == name { print $2 }' "$work/out"; }
shot() {
    $chromium --headless --disable-gpu --no-first-run --hide-scrollbars \
        --user-data-dir="$work/chromium" --window-size="$3" --screenshot="docs/images/$2" "$1" \
        2> "$work/chromium.log" || { cat "$work/chromium.log"; exit 1; }
}
shot "$(place producer)" producer.png 1120,760
for _ in 1 2 3 4 5 6 7 8 9; do curl --silent --fail --output /dev/null "$(place producer)"; done
until curl --silent "$(place board)api/v1/totals" | grep -q '"counted":200,'; do sleep 0.1; done
shot "$(place board)" board.png 1120,1130
