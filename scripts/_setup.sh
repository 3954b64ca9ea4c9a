# Sourced by the scripts beside it: system libraries and a virtual environment.
# On Debian and Ubuntu missing libraries are installed where that is allowed (as root,
# or with sudo that asks for no password); elsewhere they are named.

PACKAGES="xvfb xauth libgl1 libegl1 libglx-mesa0 libgl1-mesa-dri libopengl0 libdbus-1-3
libfontconfig1 libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0
libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1
libxcb-xfixes0 libxcb-xinerama0"

missing_packages() {
    for name in $PACKAGES; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || echo "$name"
    done
}

install_system_libraries() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: nothing is known of it
    PACKAGES="$PACKAGES $(python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv)"
    missing=$(missing_packages | tr '\n' ' ')
    [ -z "$missing" ] && return 0
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    export DEBIAN_FRONTEND=noninteractive
    if $as_root true 2>/dev/null && $as_root apt-get update -qq &&
        $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
        return 0
    fi
    echo "These system packages are missing and could not be installed: $missing" >&2
    echo "Install them (sudo apt-get install ...), then run this again." >&2
    return 1
}

make_environment() { # make_environment FOLDER
    [ -x "$1/bin/python" ] || python3 -m venv "$1"
    "$1/bin/python" -m pip --version >/dev/null
}
