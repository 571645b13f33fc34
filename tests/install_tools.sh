#!/usr/bin/env bash
# Have what the tests drive, from the system's packages where it may be installed. Without a browser, openssl or fonts
# with Kazakh letters nothing goes on; without one of the others, its own tests fail and say how to install it.
set -u
needed=() wanted=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || needed+=(chromium)
command -v openssl >/dev/null || needed+=(openssl)
[ -n "$(find /usr/share/fonts /usr/local/share/fonts -name 'DejaVuSans.ttf' -o -name 'NotoSans-Regular.ttf' 2>/dev/null | head -1)" ] || needed+=(fonts-dejavu-core)
tesseract --list-langs 2>/dev/null | grep -qx kaz || wanted+=(tesseract-ocr tesseract-ocr-kaz tesseract-ocr-rus)
command -v janus >/dev/null || wanted+=(janus)
command -v turnserver >/dev/null || wanted+=(coturn)
command -v ip >/dev/null || wanted+=(iproute2)
command -v nft >/dev/null || wanted+=(nftables)
[ ${#needed[@]} -eq 0 ] && [ ${#wanted[@]} -eq 0 ] && exit 0

say="The tests drive real programs. Please install: ${needed[*]} ${wanted[*]}  (Debian, Ubuntu: apt-get install ${needed[*]} ${wanted[*]})"
as=()
if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; }; then
  echo "$say" >&2
  [ ${#needed[@]} -eq 0 ]; exit
fi
[ "$(id -u)" = 0 ] || as=(sudo -n)
install() { "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

echo "Installing for the tests: ${needed[*]} ${wanted[*]} ..."
log=$(mktemp)
"${as[@]}" apt-get update -qq >"$log" 2>&1
if [ ${#needed[@]} -gt 0 ] && ! install "${needed[@]}" >"$log" 2>&1; then
  tail -5 "$log" >&2; echo "$say" >&2; exit 1
fi
for package in "${wanted[@]}"; do
  install "$package" >"$log" 2>&1 || echo "Could not install $package; the tests that need it will say so." >&2
done
