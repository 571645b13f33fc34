#!/usr/bin/env bash
# Have what the tests drive: Chromium, openssl, and fonts with Kazakh letters. Installs from the system's packages
# where it may; otherwise says how to install, and fails.
set -u
missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v openssl >/dev/null || missing+=(openssl)
[ -n "$(find /usr/share/fonts /usr/local/share/fonts -name 'DejaVuSans.ttf' -o -name 'NotoSans-Regular.ttf' 2>/dev/null | head -1)" ] || missing+=(fonts-dejavu-core)
[ ${#missing[@]} -eq 0 ] && exit 0
say="The tests drive a real browser. Please install: ${missing[*]}  (Debian, Ubuntu: apt-get install ${missing[*]})"
command -v apt-get >/dev/null || { echo "$say" >&2; exit 1; }
if [ "$(id -u)" = 0 ]; then as=(); elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as=(sudo -n); else echo "$say" >&2; exit 1; fi
echo "Installing for the tests: ${missing[*]} ..."
log=$(mktemp)
if ! { "${as[@]}" apt-get update -qq && "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -5 "$log" >&2; echo "$say" >&2; exit 1
fi
