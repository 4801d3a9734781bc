#!/usr/bin/env bash
# Installs a browser with WebGPU and a Vulkan driver that needs no GPU, for the devices "browser" and
# "wgpu" and their tests, and Firefox for tests of WebAssembly; does nothing if they are installed.
#
#   scripts/install_browser.sh
#
# On Debian, it installs missing packages if the user is root, and prints their names otherwise. It
# never fails: the tests that need a missing one are skipped.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

has_apt() { command -v apt-get >/dev/null; }

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The names are those of harness/devices/browser.py.
has_browser() {
    local name
    for name in ${JITWEB_BROWSER:+"$JITWEB_BROWSER"} chromium chromium-browser google-chrome \
        google-chrome-stable chrome brave-browser brave microsoft-edge msedge \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        "/Applications/Chromium.app/Contents/MacOS/Chromium" \
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge"; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

# The missing Debian packages, one per line.
missing_packages() {
    local package
    has_browser || echo chromium
    if has_apt && ! command -v firefox >/dev/null && ! command -v firefox-esr >/dev/null; then echo firefox-esr; fi
    # Vulkan is for Linux only; macOS has Metal.
    [ "$(uname -s)" = Linux ] || return 0
    for package in mesa-vulkan-drivers libvulkan1; do
        if has_apt && ! is_installed "$package"; then echo "$package"; fi
    done
}

packages=$(missing_packages | xargs)
[ -n "$packages" ] || exit 0

if ! has_apt; then
    say "warning: no browser was found, so tests in a browser will be skipped. Install Chromium or"
    say "         Chrome, or set its path: JITWEB_BROWSER=/path/to/browser make ..."
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    say "installing missing packages for tests in browsers: $packages"
    # shellcheck disable=SC2086  # several packages, one word each
    if apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $packages >&2; then
        exit 0
    fi
    say "apt-get failed; its error message is above"
fi
say "warning: tests in browsers will be skipped here. To run them, as root:"
say "         apt-get update && apt-get install --no-install-recommends $packages"
